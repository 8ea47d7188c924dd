"""Pure: what an unexpected exception means to the person at the command line."""

from __future__ import annotations

GENERAL = "Something went wrong that should not have"


def explain(error: BaseException) -> tuple[str, int]:
    """Return a calm sentence, without secrets or document text, and an exit status.

    Recognises exceptions by module and name, so that nothing needs to be imported for it.
    """
    for cls in type(error).__mro__:
        name = f"{cls.__module__}.{cls.__qualname__}"
        if name in {"sqlalchemy.exc.OperationalError", "psycopg.OperationalError"}:
            return "The database does not answer: phi3 status shows what is running", 1
        if name in {"sqlalchemy.exc.ProgrammingError", "psycopg.errors.UndefinedTable"}:
            return (
                "The database's tables do not fit this version. If phi3 up has only just begun, "
                "they are still being made: try again in a moment. Else phi3 doctor says more",
                1,
            )
        if name.startswith("pydantic") and cls.__qualname__ == "ValidationError":
            return _settings(error), 2
        if name == "sqlalchemy.exc.DataError":
            return "A value is out of range", 1
        if name == "httpx.TransportError":
            return "A service does not answer: phi3 status shows what is running", 1
    if isinstance(error, PermissionError) and error.filename:
        return f"No permission for {error.filename}", 1
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}", 1
    if isinstance(error, UnicodeError):
        return "Something in this command, or in what it read, is not UTF-8 text", 1
    if isinstance(error, MemoryError):
        return "There was not enough memory", 1
    return GENERAL, 1


def _settings(error: BaseException) -> str:
    """Name the settings that are wrong, never their values: some are secrets."""
    from pydantic import ValidationError

    from models.settings import wrong_settings

    return wrong_settings(error) if isinstance(error, ValidationError) else "A setting is wrong"
