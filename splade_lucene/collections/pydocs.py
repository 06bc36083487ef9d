"""The built-in collection: the docstrings of the running Python's standard library.

Every machine that runs Python has this text, so the demo needs no network and the repository stores no data set. Only the
questions and the relevance judgments are ours (``data/``); they were written by reading the docstrings, before any system was run.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import pkgutil
import platform
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

from splade_lucene.collections.judged import JudgedCollection, passages_sha256
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.records import Passage, Qrel, Query

# Importing these prints, opens a window or a browser, or are gone in newer versions; the path modules are os.path.
_SKIPPED = frozenset({
    "antigravity", "this", "idlelib", "lib2to3", "test", "turtledemo", "turtle", "tkinter", "ensurepip", "pydoc_data",
    "posixpath", "ntpath", "genericpath", "nt", "posix", "distutils", "imp", "encodings",
})  # fmt: skip
_MIN_WORDS = 8
_DATA = Path(__file__).parent / "data"


def collect() -> Iterator[Passage]:
    """Yields one passage for each public module, class, function and method with a docstring of its own.

    The docid is the qualified name (``bisect.bisect_left``), the title the same name as words, the text the docstring. Imports
    nearly the whole standard library: call it in a process of its own, as :func:`passages` does.

    Yields:
        Passages, shortest names first; texts that repeat an earlier one (re-exports, aliases) are left out.
    """
    found: dict[str, str] = {}
    modules = dict(_modules())
    for module_name in sorted(modules):
        module = modules[module_name]
        _note(found, module_name, module)
        for name, member in _members(module):
            # What a public module re-exports from another public one is described there, under its own name; private parts of
            # a module's name (pathlib._local) are an affair of one version.
            home = str(getattr(member, "__module__", "")).split("._")[0]
            if home in modules and home != module_name:
                continue
            qualified = f"{module_name}.{name}"
            _note(found, qualified, member)
            if inspect.isclass(member):
                for attribute, value in vars(member).items():
                    if not attribute.startswith("_") and _documentable(value):
                        _note(found, f"{qualified}.{attribute}", value)
    seen: set[str] = set()
    for doc_id in sorted(found, key=lambda each: (each.count("."), each)):  # random.sample before random.Random.sample
        text = found[doc_id]
        if text not in seen:
            seen.add(text)
            yield Passage(doc_id, text, doc_id.replace(".", " ").replace("_", " "))


def passages() -> list[Passage]:
    """The collection, gathered in a child process so that this one does not import the whole standard library.

    Returns:
        About 4,000 passages (the number depends on the Python version).

    Raises:
        subprocess.CalledProcessError: the child failed; its message went to stderr.
    """
    child = subprocess.run([sys.executable, "-m", __name__], stdout=subprocess.PIPE, check=True)
    return [Passage(*json.loads(line)) for line in child.stdout.splitlines()]


def questions(doc_ids: set[str]) -> tuple[list[Query], list[Qrel]]:
    """The questions and judgments that hold for a collection as this Python version has it.

    Args:
        doc_ids: the doc_ids of :func:`passages`.

    Returns:
        The questions with at least one relevant passage in the collection, and the judgments of passages in it (2: answers the
        question; 1: helps).
    """
    qrels = [qrel for qrel in read_qrels(_DATA / "pydocs-qrels.tsv") if qrel.doc_id in doc_ids]
    answered = {qrel.query_id for qrel in qrels if qrel.relevance > 0}
    queries = [query for query in read_queries(_DATA / "pydocs-queries.jsonl") if query.query_id in answered]
    return queries, [qrel for qrel in qrels if qrel.query_id in answered]


class PydocsCollection(JudgedCollection):
    """The docstrings of the running Python's standard library, with questions and judgments."""

    def __init__(self) -> None:
        super().__init__("pydocs", f"docstrings of Python {platform.python_version()}", None)
        self._passages = passages()
        self._queries, self._qrels = questions({passage.doc_id for passage in self._passages})

    def passages(self) -> Iterator[Passage]:
        """See :meth:`JudgedCollection.passages`."""
        return iter(self._passages)

    def sha256(self) -> str:
        """A SHA-256 over all passages."""
        return passages_sha256(self._passages)


def _modules() -> Iterator[tuple[str, ModuleType]]:
    yield "os.path", importlib.import_module("os.path")
    for top in sorted(sys.stdlib_module_names):
        if top.startswith("_") or top in _SKIPPED:
            continue
        module = _import(top)
        if module is None:
            continue
        yield top, module
        for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
            if not info.name.startswith("_") and info.name not in {"test", "tests"}:
                submodule = _import(f"{top}.{info.name}")
                if submodule is not None:
                    yield f"{top}.{info.name}", submodule


def _import(name: str) -> ModuleType | None:
    """The module, or None where this platform or build does not have it (winreg on Linux, say)."""
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except (ImportError, AttributeError, OSError, SystemExit):
        return None


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    listed = getattr(module, "__all__", None)
    for name in sorted(listed if listed is not None else vars(module)):
        member = getattr(module, name, None)
        if not name.startswith("_") and (inspect.isclass(member) or _documentable(member)):
            yield name, member


def _documentable(value: object) -> bool:
    return inspect.isroutine(value) or isinstance(value, property)


def _note(found: dict[str, str], doc_id: str, owner: object) -> None:
    doc = getattr(owner, "__doc__", None)
    if isinstance(doc, str):
        text = inspect.cleandoc(doc)
        if len(text.split()) >= _MIN_WORDS:
            found.setdefault(doc_id, text)


if __name__ == "__main__":
    for passage in collect():
        print(json.dumps(passage))
