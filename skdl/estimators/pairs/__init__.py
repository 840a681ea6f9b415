"""Embeddings that are learned from pairs and triplets of rows."""
