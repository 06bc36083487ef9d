"""Finds judged collections by what a user calls them: a folder, a zip, a BEIR name, all of BEIR, an ir_datasets id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections.beir_names import ALL, FORUMS, PUBLIC, collection_name, ir_datasets_id
from splade_lucene.collections.irds import IrDatasetsCollection
from splade_lucene.collections.judged import MAX_UNPACKED, BeirCollection, JudgedCollection, beir_folders
from splade_lucene.core.remote import RemotePath
from splade_lucene.core.streams import AnyPath, as_path
from splade_lucene.errors import InputError, SpladeLuceneError

GROUPS = {"beir": PUBLIC, "cqadupstack": FORUMS}
"""Names that stand for several collections."""


class RequestedCollection(NamedTuple):
    """A collection that was asked for.

    Attributes:
        name: of the collection.
        open: opens it, which may need a download; raises InputError if it is not available.
    """

    name: str
    open: Callable[[], JudgedCollection]


class _Places(NamedTuple):
    """Where and how collections are looked for."""

    split: str
    data: Path | None
    max_unpacked: int


def find_collections(
    specs: Sequence[str], *, split: str = "test", data: Path | None = None, max_unpacked: int = MAX_UNPACKED
) -> list[RequestedCollection]:
    """What a list of names stands for. Nothing is read yet but the names of files.

    Args:
        specs: each a BEIR folder or zip, or the URL of one, the name of a BEIR collection, ``beir`` for the 13 public
            ones, ``cqadupstack`` for its 12, or an ir_datasets id. What is on disk under the name takes precedence.
        split: of the judgments in folders and zips.
        data: a folder where BEIR collections are looked for by name before ir_datasets is asked: ``scifact/`` or ``scifact.zip``.
        max_unpacked: bytes; a zip that would unpack to more is refused when it is opened.

    Returns:
        The candidates in the order of the names.

    Raises:
        SpladeLuceneError: two of them have the same name, so that their results could not be told apart.
    """
    places = _Places(split, data, max_unpacked)
    candidates = [candidate for spec in specs for candidate in _find(spec, places)]
    names = [candidate.name for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            raise SpladeLuceneError(f"the data set {name} is named twice; name each once, and rename a folder that has another's name")
    return candidates


def _find(spec: str, places: _Places) -> Iterator[RequestedCollection]:
    if spec in GROUPS and not _holds_collections(Path(spec)):
        for name in GROUPS[spec]:
            yield from _find_beir(name, places)
    elif isinstance(place := as_path(spec), RemotePath):
        yield from _on_disk(place, places)
    elif Path(spec).exists():
        yield from _on_disk(Path(spec), places)
    elif spec in ALL:
        yield from _find_beir(spec, places)
    else:
        yield RequestedCollection(collection_name(spec), lambda: IrDatasetsCollection(spec))


def _holds_collections(path: Path) -> bool:
    """Whether there is a folder with BEIR collections; one of a group's name may hold anything else, results for example."""
    try:
        return path.is_dir() and bool(beir_folders(path))
    except InputError:
        return False


def _find_beir(name: str, places: _Places) -> Iterator[RequestedCollection]:
    forum, data = name.removeprefix("cqadupstack-"), places.data
    inside = [name, f"{name}.zip", *([f"cqadupstack/{forum}", "cqadupstack.zip"] if name in FORUMS else [])]
    for place in inside if data else ():
        if data and (data / place).exists():
            found = {each.name: each for each in _on_disk(data / place, places)}
            yield found.get(name, RequestedCollection(name, _missing(name, f"{data / place} does not hold it")))
            return
    known = ir_datasets_id(name)
    if known:
        yield RequestedCollection(name, lambda: IrDatasetsCollection(known, name))
    else:
        where = data or "a folder"
        hint = f"it cannot be downloaded, only its owners distribute it; put its BEIR folder or zip into {where} and name that with --data"
        yield RequestedCollection(name, _missing(name, hint))


def _on_disk(path: Path | RemotePath, places: _Places) -> Iterator[RequestedCollection]:
    try:
        folders = beir_folders(path, max_unpacked=places.max_unpacked)
    except InputError as error:
        yield RequestedCollection(path.stem, _failing(error))
        return
    for name, folder in folders.items():
        yield RequestedCollection(name, _opener(folder, name, places.split))


def _opener(folder: AnyPath, name: str, split: str) -> Callable[[], JudgedCollection]:
    return lambda: BeirCollection(folder, name, split)


def _missing(name: str, reason: str) -> Callable[[], JudgedCollection]:
    return _failing(InputError(name, reason))


def _failing(error: InputError) -> Callable[[], JudgedCollection]:
    def fail() -> JudgedCollection:
        raise error

    return fail
