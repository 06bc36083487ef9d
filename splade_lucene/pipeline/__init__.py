"""The steps joined: encode a collection, search a set of queries, the demo."""
