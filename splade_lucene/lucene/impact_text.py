"""A vector as a text of terms and impacts, as queries go to Java."""

from __future__ import annotations

from collections.abc import Mapping

# Between a token and its impact; is_token refuses tokens that hold it.
DELIMITER = "\x01"


def impact_text(vector: Mapping[str, int]) -> str:
    r"""A vector as ``token<DELIMITER>impact`` separated by spaces.

    Example:
        >>> impact_text({"glass": 243, "|": 7})
        'glass\x01243 |\x017'
    """
    return " ".join(f"{token}{DELIMITER}{impact}" for token, impact in vector.items())
