"""Texts: sequences of token ids, and networks that read them."""
