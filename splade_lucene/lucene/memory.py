"""Whether an impact index is searched in memory, and what it takes up there."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from splade_lucene.errors import JavaError
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.java import upcast

InMemory = bool | Literal["auto"]

# Shares of Java's heap that all decoded indexes of a process may take up together: chosen by us, and where the user asks for it.
_SHARE_AUTO, _SHARE_ASKED = 0.5, 0.8


class MemoryUse(NamedTuple):
    """Where an index is searched.

    Attributes:
        policy: ``memory``, ``disk``, or ``auto``: from disk until that has taken as long as reading the docids into memory does, then
            in memory.
        needed: bytes that the index takes up in Java's heap when all of it is decoded.
        allowed: bytes of the heap that all decoded indexes of the process may take up together.
        held: bytes that this one takes up now, with the policy ``disk`` those of docids; None as long as nothing is in memory.
    """

    policy: Literal["memory", "disk", "auto"]
    needed: int
    allowed: int
    held: int | None = None

    def __str__(self) -> str:
        megabytes = f"{self.needed / 1e6:,.1f} MB"
        if self.held is not None and self.policy != "disk":
            return f"in memory ({self.held / 1e6:,.1f} of {megabytes} decoded)"
        if self.policy == "auto":
            return "from disk (too few queries to decode postings for)"
        allowed = f"{self.allowed / 1e6:,.0f} MB of Java's heap"
        return f"from disk (in memory the index takes {megabytes}, {'more than' if self.needed > self.allowed else 'of'} {allowed})"


def memory_use(reader: Any, in_memory: InMemory) -> MemoryUse:
    """Chooses where to search an index.

    Args:
        reader: Lucene's, of an impact index.
        in_memory: yes, no, or ``auto``: if it fits into half of Java's heap together with what is there already.

    Raises:
        JavaError: ``in_memory`` is True and it does not fit.
    """
    needed = decoded_bytes(reader)
    heap, taken = map(int, call("heap").split())
    allowed = int(heap * (_SHARE_ASKED if in_memory is True else _SHARE_AUTO))
    if in_memory is True:
        if taken + needed > allowed:
            raise JavaError(
                f"in memory the index takes {needed / 1e6:,.0f} MB; Java's heap has {heap / 1e6:,.0f} MB, of which {allowed / 1e6:,.0f} "
                f"are for this and {taken / 1e6:,.0f} are taken; give Java more memory with --java-heap, or search from disk"
            )
        return MemoryUse("memory", needed, allowed)
    fits = in_memory == "auto" and taken + needed <= allowed
    return MemoryUse("auto" if fits else "disk", needed, allowed)


def decoded_bytes(reader: Any) -> int:
    """Bytes that an impact index takes up in memory when all of it is decoded, known before decoding."""
    return int(call("decoded bytes", reader=upcast("IndexReader", reader)))
