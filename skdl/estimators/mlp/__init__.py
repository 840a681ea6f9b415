"""Multilayer perceptrons for tables."""
