"""The packages of the extra ``train``."""

from __future__ import annotations

from importlib.util import find_spec

from splade_lucene.errors import SpladeLuceneError

_PACKAGES = ("sentence_transformers", "accelerate", "datasets")


def require_packages() -> None:
    """Makes sure that what training needs is installed.

    Raises:
        SpladeLuceneError: something is missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise SpladeLuceneError(f"training needs {', '.join(missing)}; run: pip install 'splade_lucene[train]'")
