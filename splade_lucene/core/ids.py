"""Which ids of passages and queries every tool on the way can carry."""

from __future__ import annotations

import re

# Lucene's terms end at 32,766 bytes, and a character has at most four.
MAX_LENGTH = 8191
# White space separates the columns of TREC files; control characters end strings in C and lines elsewhere; a lone surrogate cannot
# be written.
_USABLE = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_LENGTH}}}")
RULE = f"ids have 1 to {MAX_LENGTH:,} characters, none of them white space or a control character, which TREC files cannot carry"


def is_usable(name: object) -> bool:
    """Whether something is an id: a string that TREC files and Lucene keep as it is.

    Example:
        >>> is_usable("MED-10"), is_usable("MED 10"), is_usable(10)
        (True, False, False)
    """
    return isinstance(name, str) and _USABLE.fullmatch(name) is not None
