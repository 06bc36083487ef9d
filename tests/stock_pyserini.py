"""Programs that import stock Pyserini, offline."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def without_catalogue() -> None:
    """Spares Pyserini 2 its list of indexes to download, which importing it fetches from GitHub; earlier ones hold theirs.

    Nothing that is tested looks into the list.
    """
    name = "pyserini.prebuilt_index_info"
    catalogue = ModuleType(name)

    def empty(attribute: str) -> Any:
        if attribute.isupper():
            return {}
        raise AttributeError(attribute)

    catalogue.__getattr__ = empty  # type: ignore[method-assign]
    if sys.version_info >= (3, 12):  # from there on Pyserini is 2.x
        sys.modules[name] = catalogue
