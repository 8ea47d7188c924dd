"""The model server: generation, embeddings and adapters behind one HTTP protocol."""
