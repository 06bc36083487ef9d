"""Encoding a collection, searching a set of queries, explanations: what joins the packages below."""
