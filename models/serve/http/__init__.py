"""The HTTP side of the model server; starlette and uvicorn come in only here."""
