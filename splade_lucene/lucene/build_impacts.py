"""Adds vectors to an index: Java reads the form that ``encode`` writes, Python's reader all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import InputError, JavaError
from splade_lucene.lucene.lucene_writer import OtherFormError, add_impacts, count_postings, delete_documents, impact_writer, merge
from splade_lucene.lucene.normalize import VectorSource, impact_stream

# Postings that fit into Lucene's buffer.
_BUFFERED = 40_000_000


class IndexSettings(NamedTuple):
    """How vectors become an index.

    Attributes:
        threads: the number of indexing threads; if None, one per core, but a single one if all fits into Lucene's buffer: it makes one
            segment, where those of several threads would have to be merged.
        store_contents: store the text of each passage.
        optimize: merge all segments into one.
    """

    threads: int | None = None
    store_contents: bool = False
    optimize: bool = True


def write_impacts(
    folder: Path,
    source: VectorSource | None,
    settings: IndexSettings,
    *,
    postings: int = 0,
    delete: Sequence[str] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Deletes documents from an index, new or there already, then adds others.

    The caller makes sure that docids are unique.

    Args:
        folder: of the index.
        source: the vectors to add, if any.
        settings: how they are added.
        postings: the number of their (term, document) pairs, from the manifest.
        delete: docids.
        advance: told the number of documents added since the last call; a negative one where reading starts again.

    Raises:
        InputError: a line is no vector, repeats an id, or lacks the text to store.
        JavaError: Lucene failed, or the index has another number of postings.
    """
    added = 0

    def count(documents: int) -> None:
        nonlocal added
        added += documents
        advance(documents)

    threads = settings.threads
    if threads is None:
        threads = 1 if postings < _BUFFERED else usable_processors()

    def work(files: AbstractContextManager[Sequence[Path]], *, checked: bool) -> None:
        with impact_writer(folder) as writer:
            if delete:
                delete_documents(writer, delete)
            if source is not None:
                before = count_postings(writer)
                with files as paths:
                    add_impacts(
                        writer,
                        paths,
                        threads=threads,
                        checked=checked,
                        store_contents=settings.store_contents,
                        filter_fields=source.filter_fields,
                        advance=count,
                    )
                found = count_postings(writer) - before
                if found != postings:
                    source.check()
                    raise JavaError(
                        f"{found:,} (term, document) pairs were indexed where {postings:,} were expected; "
                        "no token may come twice in a vector, so encode again with --overwrite"
                    )
            if settings.optimize:
                merge(writer)

    if source is None:
        work(nullcontext([]), checked=False)
        return
    try:
        work(nullcontext(source.shards()), checked=False)
    except OtherFormError:
        advance(-added)
        try:
            work(impact_stream(source), checked=True)
        except OtherFormError:
            raise InputError(source.folder, "has a vector without the text to store; encode again with --store-contents") from None
