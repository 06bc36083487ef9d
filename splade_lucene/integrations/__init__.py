"""Thin adapters to what users already have: other engines' bulk formats, PyTerrier, Pyserini."""
