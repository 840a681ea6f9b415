"""Ensembles of networks that are trained together."""
