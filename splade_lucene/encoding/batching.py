"""Batches of texts of like length under a budget of tokens, so that little is spent on padding and memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Groups texts by length, longest first.

    Args:
        lengths: the number of tokens of each text.
        budget: how many tokens a batch may have, padding included; a longer text is a batch of its own.

    Yields:
        Positions in ``lengths``; together each position once.

    Example:
        >>> list(batches_by_length([3, 9, 4, 8], budget=18))
        [[1, 3], [2, 0]]
    """
    batch: list[int] = []
    for position in sorted(range(len(lengths)), key=lambda each: -lengths[each]):
        # Sorted from the longest: the first of a batch sets the padded length.
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch
