"""Which texts are searched for."""

from __future__ import annotations

import re

from splade_lucene.serving.problems import bad_request

_UNPAIRED = re.compile(r"[\ud800-\udfff]")


def check_text(text: str, most: int, what: str = "the query") -> str:
    """A text without white space around it.

    Args:
        text: as the client sent it.
        most: the most characters.
        what: how messages call it.

    Raises:
        RequestError: there is nothing in it, it is too long, or it is no Unicode text.
    """
    if "\0" in text or _UNPAIRED.search(text):
        raise bad_request(f"{what} holds a NUL or half of a surrogate pair, which are in no text; leave them out")
    text = text.strip()
    if not text:
        raise bad_request(f"{what} is empty; say what to search for")
    if len(text) > most:
        raise bad_request(f"{what} has {len(text):,} characters, the most here is {most:,}; shorten it")
    return text
