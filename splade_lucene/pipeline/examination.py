"""Examines the installation: what is there, what works, and what to do about the rest."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from splade_lucene._version import __version__
from splade_lucene.core.findings import Finding
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.records import Passage

_NAME = "splade_lucene"
_REQUIREMENT = re.compile(r"([\w.-]+).*?(?:;.*extra\s*==\s*[\"']([\w-]+)[\"'])?$")
# Of developers, not of users.
_NOT_FOR_USERS = {"dev", "bench"}


def examine() -> Iterator[Finding]:
    """Looks at everything, yielding what is found as it goes."""
    from splade_lucene.encoding.examination import examine_models, examine_processor, examine_torch
    from splade_lucene.lucene.examination import examine_java

    yield Finding(_NAME, "works", f"{__version__} in {Path(__file__).resolve().parents[1]}")
    yield Finding("Python", "works", f"{platform.python_version()} in {sys.prefix}; {platform.platform()}")
    yield from _memory()
    yield from _packages()
    broken = False
    for examination in (examine_processor, examine_torch, examine_java, examine_models):
        for finding in _guarded(examination):
            broken = broken or finding.state == "broken"
            yield finding
    if not broken:
        yield from _guarded(_whole_way)


def _guarded(examination: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """An examination must not end the examination of the rest."""
    try:
        yield from examination()
    except Exception as error:  # what is wrong with an installation shows in any way
        yield Finding(examination.__name__.strip("_").replace("_", " "), "broken", f"{type(error).__name__}: {error}", "report this")


def _memory() -> Iterator[Finding]:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    text = f"{free / 1e9:.0f} GB free in {tempfile.gettempdir()}"
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        text = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB of memory, {text}"
    yield Finding("memory and disk", "works", text)


def _packages() -> Iterator[Finding]:
    """The packages that this one needs, and its extras."""
    try:
        requirements = importlib.metadata.requires(_NAME) or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("packages", "missing", f"{_NAME} runs from its sources and is not installed", "pip install -e .")
        return
    extras: dict[str | None, list[str]] = {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match:
            extras.setdefault(match[2], []).append(match[1])
    for extra, names in extras.items():
        if extra in _NOT_FOR_USERS:
            continue
        versions = {name: _version(name) for name in names}
        there = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        absent = [name for name, version in versions.items() if version is None]
        topic = "packages" if extra is None else f"extra {extra}"
        if not absent:
            yield Finding(topic, "works", there)
        elif extra is None:
            yield Finding(topic, "broken", f"not installed: {', '.join(absent)}", f"pip install {' '.join(absent)}")
        else:
            yield Finding(topic, "missing", f"not installed: {', '.join(absent)}", f"pip install '{_NAME}[{extra}]'")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _whole_way() -> Iterator[Finding]:
    """Encodes, indexes and searches two passages."""
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.lucene.indexing import build_impact_index
    from splade_lucene.pipeline.encode import encode_collection
    from splade_lucene.pipeline.search import ImpactSearcher

    try:
        model = SpladeModel.load("tiny", device="cpu")
    except SpladeLuceneError:
        return  # which was found before
    passages = [Passage("glass", "Glass cracks under thermal stress."), Passage("bread", "Bread rises with yeast.")]
    with tempfile.TemporaryDirectory() as folder:
        out, index = Path(folder) / "vectors", Path(folder) / "index"
        encode_collection(passages, out, model=model)
        build_impact_index(out, index)
        with ImpactSearcher(index, model=model) as searcher:
            (hit, *_) = searcher.search("why does glass break", k=1)
    if hit.doc_id == "glass":
        yield Finding("encode, index, search", "works", "two passages, the right one first")
    else:
        yield Finding("encode, index, search", "broken", f"the wrong passage came first, with a score of {hit.score:g}", "report this")
