"""What can go wrong between us and a model server."""

from __future__ import annotations


class ModelError(Exception):
    """Base of everything the clients raise; the message is for the log, not for people."""


class ModelUnavailable(ModelError):
    """The server cannot be reached, failed, or does not speak the protocol."""


class ModelBusy(ModelError):
    """The server is full for now."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class ModelRefused(ModelError):
    """The server understood and will not do it: bad input, wrong key, too long."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status  # HTTP status


class AdapterMissing(ModelRefused):
    """The server does not have the named model or adapter."""
