"""Training of SPLADE models on a collection of one's own, over sentence-transformers' trainer and losses."""
