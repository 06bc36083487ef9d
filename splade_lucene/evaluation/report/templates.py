"""Fills the templates of all pages that are written as files; whatever is filled in is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from splade_lucene.errors import SpladeLuceneError


def render(template: str, filters: Mapping[str, Callable[..., Any]] | None = None, **values: Any) -> str:
    """A page from one of the templates in ``assets``.

    Args:
        template: its file name.
        filters: functions that it calls besides Jinja's own.
        values: what it is filled with; one that is missing is an error.

    Returns:
        HTML that UTF-8 can hold: half a surrogate pair, which JSON may spell, becomes the replacement character.

    Raises:
        SpladeLuceneError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise SpladeLuceneError(f"pages need {error.name}: pip install 'splade_lucene[report]'") from error

    environment = Environment(
        loader=PackageLoader("splade_lucene.evaluation.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # tojson escapes <, >, & and ' so that no text can end the script element that holds it.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    environment.filters |= filters or {}
    return re.sub("[\ud800-\udfff]", "\ufffd", environment.get_template(template).render(**values))
