"""Servers of other engines, through their vendors' clients: loaded with an export, and searched."""
