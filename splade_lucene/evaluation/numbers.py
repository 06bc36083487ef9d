"""How the tables of an evaluation write numbers."""

from __future__ import annotations

import math
import re
from typing import NamedTuple


class NumberFormat(NamedTuple):
    """How a kind of figure is written.

    Attributes:
        decimals: how many.
        sign: whether a plus is written, too.
        proportion: whether it lies between 0 and 1, so that papers leave out the zero before the point.
        least: smaller values are written as a bound.
    """

    decimals: int
    sign: bool = False
    proportion: bool = False
    least: float = -math.inf


SCORE = NumberFormat(4, proportion=True)
DIFFERENCE = NumberFormat(4, sign=True, proportion=True)
P_VALUE = NumberFormat(4, proportion=True, least=1e-4)
COUNT = NumberFormat(0)
TEXT = NumberFormat(0)  # texts are not formatted


class Style(NamedTuple):
    """What numbers look like in a medium.

    Attributes:
        minus: the sign.
        unknown: stands where there is no number.
        leading_zero: whether proportions have one.
        plus_minus: whether a difference that rounds to 0 is ``±0.0000`` or just 0.
    """

    minus: str
    unknown: str
    leading_zero: bool
    plus_minus: bool


PLAIN = Style("-", "-", leading_zero=False, plus_minus=False)
"""For terminals and papers."""

PAGE = Style("−", "–", leading_zero=True, plus_minus=True)
"""For the report."""


def write(value: float | str | None, form: NumberFormat = SCORE, style: Style = PLAIN) -> str:
    """A number as a table shows it; text as it is."""
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return style.unknown
    if value < form.least:
        return "<" + write(form.least, form, style)
    text = f"{value:{'+' if form.sign else ''},.{form.decimals}f}"
    if form.sign and float(text.replace(",", "")) == 0:
        return "±" + text[1:] if style.plus_minus else "0"
    if form.proportion and not style.leading_zero:
        text = re.sub(r"^([+-]?)0\.", r"\1.", text)
    return text.replace("-", style.minus)
