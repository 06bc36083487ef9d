"""Notices that are no errors: a line on stderr, once."""

from __future__ import annotations

import sys
from functools import lru_cache


@lru_cache(maxsize=1024)
def notice(text: str) -> None:
    """Prints a line on stderr, each only once per process: collections are read several times."""
    print(text, file=sys.stderr, flush=True)
