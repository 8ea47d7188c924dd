"""One module per family of formats, from bytes or text to ``Parsed``; they run in a child."""
