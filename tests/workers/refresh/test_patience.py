"""A model server that is full for a while ends no night."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from models.lm.client import ChatClient, ModelBusy
from models.settings import LanguageModel
from workers.refresh import evaluate, patience, promote
from workers.refresh.examples import Example

EVENT = json.dumps({"choices": [{"delta": {"content": "Hello."}, "finish_reason": "stop"}]})


@pytest.mark.parametrize(("times", "taken"), [(2, True), (9, False)])
def test_a_server_that_is_full_for_now_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, times: int, taken: bool
) -> None:
    monkeypatch.setattr(patience, "TRIES", 4)
    asked: Counter[str] = Counter()

    class Full(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked[self.path] += 1
            full = asked[self.path] <= times
            body = b'{"error": {"message": "full"}}' if full else self._said()
            self.send_response(429 if full else 200)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _said(self) -> bytes:
            chat = self.path.endswith("completions")
            return f"data: {EVENT}\n\ndata: [DONE]\n\n".encode() if chat else b"{}"

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Full)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PHI3_LLM_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("PHI3_LLM_ADMIN_URLS", raising=False)
    try:
        if taken:
            promote.load_everywhere("refresh-0001", "/a", language=LanguageModel())
            assert set(asked.values()) == {3}
            assert len(asked) == 2
        else:
            with pytest.raises(ModelBusy):
                promote.load_everywhere("refresh-0001", "/a", language=LanguageModel())
            assert set(asked.values()) == {4}
    finally:
        server.shutdown()
        server.server_close()


def test_an_answer_and_its_likelihood_are_asked_for_again() -> None:
    asked: Counter[str] = Counter()

    class Full:
        def complete(self, *_: Any, **__: Any) -> str:
            return str(self._said("complete", "At six [1]."))

        def answer_nll(self, *_: Any, **__: Any) -> Any:
            return self._said("answer_nll", (3.0, 2))

        def _said(self, what: str, said: object) -> object:
            asked[what] += 1
            if asked[what] < 3:
                raise ModelBusy("full", 0.0)
            return said

    item = Example(
        item="holdout:1",
        pair_id=1,
        cluster="1",
        question="When does it open?",
        passages=(("Gate", "The gate opens at six."),),
        answer="At six [1].",
        support=(1,),
    )
    task = evaluate.Task(item=item, arm="rag", model="tiny", nll=True)
    output, values = evaluate.answer(cast(ChatClient, Full()), task, frozenset(), 64)
    assert (output, values["nll"]) == ("At six [1].", 1.5)
    assert asked == {"complete": 3, "answer_nll": 3}
