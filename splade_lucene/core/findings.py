"""What ``doctor`` finds."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["works", "missing", "broken"]


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        topic: what it is.
        state: ``works``; ``missing``, where something can be done without it; ``broken``, where nothing can.
        detail: what was found, one line.
        remedy: what to do about it, None if nothing needs doing.
    """

    topic: str
    state: State
    detail: str
    remedy: str | None = None
