"""How the model server listens."""

from __future__ import annotations

import socket

from models.serve.http.server import listen


def test_answers_are_not_held_back_for_an_acknowledgement() -> None:
    # Without the protocol's name asyncio leaves Nagle's algorithm on: 40 ms an answer.
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
