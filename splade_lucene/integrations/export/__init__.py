"""Impact vectors in the bulk formats of other engines."""
