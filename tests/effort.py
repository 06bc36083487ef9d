"""How far tests with random inputs or many rounds go: a little by default, all the way under ``scripts/test --all``."""

from __future__ import annotations

import os

ALL = os.environ.get("SPLADE_LUCENE_TESTS") == "all"


def rounds(every: int, few: int) -> int:
    """The number of rounds, examples or inputs: ``every`` one on CI and before a release, ``few`` while working."""
    return every if ALL else few
