"""``python -m models.serve``: settings → models → HTTP."""

from __future__ import annotations

import logging
import sys

from pydantic import ValidationError

from models.serve.errors import CannotStart
from models.serve.settings import ServeSettings
from models.threads import wait_briefly

log = logging.getLogger("models.serve")


def main() -> int:
    """Run until a signal; 2 if the settings or models do not allow it."""
    wait_briefly()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = ServeSettings()
        settings.check()
        serve(settings)
    except ValidationError as error:
        for problem in error.errors():
            log.error("%s: %s", ".".join(str(part) for part in problem["loc"]), problem["msg"])
        return 2
    except CannotStart as error:
        log.error("%s", error)
        return 2
    return 0


def serve(settings: ServeSettings) -> None:
    """Bind first, so that a taken port is told at once; then load; then serve."""
    from models.serve.assemble import assemble
    from models.serve.http.server import listen, run

    public = listen(settings.host, settings.port)
    admin = listen(settings.admin_host, settings.admin_port)
    assembled = assemble(settings)
    try:
        log.info(
            "generator %s, embeddings %s, on port %d",
            assembled.served.generator.id,
            assembled.served.embedder.name if assembled.served.embedder else "none",
            public.getsockname()[1],
        )
        run([(assembled.public_app, public), (assembled.admin_app, admin)])
    finally:
        assembled.close()


if __name__ == "__main__":
    sys.exit(main())
