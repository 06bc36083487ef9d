"""Indexing and search. Only this package starts and calls the JVM."""
