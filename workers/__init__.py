"""The write path: documents become searchable chunks, nights become adapters."""
