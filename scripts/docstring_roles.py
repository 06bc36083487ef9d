"""For the API pages: what docstrings hold that is no Markdown, as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe


class DocstringRoles(griffe.Extension):
    """Writes ``:func:`~a.b``` as ```b```, and makes an ``Example:`` a section, as Google style has it."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", obj.docstring.value)
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
