"""What encoders take: any iterable of texts, and whole numbers; everything else is refused with its place and type."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Set


def checked_texts(texts: Iterable[str], method: str) -> list[str]:
    """The texts as a list.

    Args:
        texts: a list, generator, array or column of strings.
        method: what they were given to, for messages.

    Raises:
        TypeError: it is a single string, has no order, or an item is no string.
    """
    if isinstance(texts, str | bytes):
        raise TypeError(f"{method} takes a list of texts, not one string; write {method}([text])")
    if isinstance(texts, Mapping | Set):
        raise TypeError(f"{method} takes a list of texts, not a {type(texts).__name__}; write {method}(list(…)) with the order you want")
    found = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{method}: the text at position {position} is a {type(text).__name__} ({text!r:.60}), not a string")
        found.append(str(text) if type(text) is not str else text)
    return found


def whole_number(name: str, value: object) -> int:
    """A whole number, of Python or NumPy.

    Raises:
        TypeError: it is another kind of value.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    try:
        return operator.index(value)  # type: ignore[arg-type]  # which raises for what has no index
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
