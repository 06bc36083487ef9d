"""Defaults of the BM25 baselines: those of Anserini's BEIR reproductions."""

from __future__ import annotations

DEFAULT_K1, DEFAULT_B = 0.9, 0.4
FLAT = {"contents": 1.0}
MULTIFIELD = {"contents": 1.0, "title": 1.0}
