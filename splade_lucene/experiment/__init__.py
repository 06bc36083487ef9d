"""Data sets run through systems: BEIR evaluations, comparisons of runs, the demo."""
