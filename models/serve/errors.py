"""What a request can be told, in the protocol's own shape."""

from __future__ import annotations

from typing import Any


class RequestError(Exception):
    """A request that gets an error and nothing else; the message is shown to the client."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after  # seconds

    def body(self) -> dict[str, Any]:
        """The JSON document of the answer."""
        kinds = {
            401: "authentication_error",
            403: "permission_error",
            404: "not_found_error",
            429: "rate_limit_error",
        }
        kind = kinds.get(self.status, "server_error" if self.status >= 500 else None)
        return {
            "error": {
                "message": self.message,
                "type": kind or "invalid_request_error",
                "param": self.param,
                "code": self.code or self.status,
            }
        }


class Busy(RequestError):
    """The queue is full."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message, status=429, code="queue_full", retry_after=retry_after)


class UnknownModel(RequestError):
    """The request names a model that is not served here."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model `{model}` does not exist.",
            status=404,
            code="model_not_found",
            param="model",
        )


class CannotStart(Exception):
    """The server cannot serve what it was asked to; the message is one sentence for people."""
