"""The whole product, as people use it."""
