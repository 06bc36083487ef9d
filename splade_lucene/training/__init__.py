"""Training sparse encoders on a collection; sentence-transformers only here, and only where it is used."""
