"""Work on several machines with Ray, which only this package imports."""
