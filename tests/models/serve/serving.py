"""A model server on real sockets inside the test process, and adapters to load into it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from models.lm import manifest
from models.lm.client import AdminClient, ChatClient
from models.serve.assemble import Assembled, assemble
from models.serve.http.server import listen
from models.serve.settings import ServeSettings

TOKEN = "admin-token-of-the-tests"


@dataclass(frozen=True)
class Running:
    """Where the server is reached."""

    url: str
    admin_url: str
    assembled: Assembled
    settings: ServeSettings

    def chat(self) -> ChatClient:
        """A client of the public port."""
        return ChatClient(self.url, timeout=30)

    def admin(self, token: str = TOKEN) -> AdminClient:
        """A client of the admin port."""
        return AdminClient(self.admin_url, token, timeout=60)


@contextmanager
def running(settings: ServeSettings) -> Iterator[Running]:
    """Serve until the end of the block."""
    assembled = assemble(settings)
    public, admin = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    apps = [(_server(assembled.public_app), public), (_server(assembled.admin_app), admin)]
    try:
        with serving(apps):
            yield Running(
                f"http://127.0.0.1:{public.getsockname()[1]}",
                f"http://127.0.0.1:{admin.getsockname()[1]}",
                assembled,
                settings,
            )
    finally:
        assembled.close()


@contextmanager
def serving(servers: Sequence[tuple[uvicorn.Server, socket.socket]]) -> Iterator[None]:
    """Run servers on their sockets, in a thread, until the end of the block."""

    async def serve() -> None:
        await asyncio.gather(*(server.serve([listener]) for server, listener in servers))

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        for server, _ in servers:
            server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "a server did not stop"


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=3)
    )


def make_adapter(base: Path, root: Path, name: str, *, seed: int, scale: float = 2.0) -> Path:
    """A random LoRA adapter strong enough to change every answer, with its manifest."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import Phi3ForCausalLM

    model = Phi3ForCausalLM.from_pretrained(base)
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor, parameter in adapted.named_parameters():
            if "lora_B" in tensor:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            elif "lora_A" in tensor:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    folder = root / name
    adapted.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    manifest.write(folder, name=name, base=base.name, identity=manifest.describe_base(base))
    return folder


def rewrite(path: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
