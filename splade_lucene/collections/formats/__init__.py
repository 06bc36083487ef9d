"""Kinds of files that hold records: a module each, with how to tell such a file and how to read its rows."""
