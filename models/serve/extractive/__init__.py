"""The extractive reader: answers with the best-supported sentences of the passages."""
