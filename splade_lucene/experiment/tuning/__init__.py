"""Sweeps over what costs: which settings are worth their quality on a collection."""
