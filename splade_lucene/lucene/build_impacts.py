"""Puts vectors into an index: read in Java where they are as ``encode`` writes them, else by way of Python's reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import InputError, JavaError
from splade_lucene.lucene.lucene_writer import OtherFormError, add_impacts, count_postings, delete_documents, impact_writer, merge
from splade_lucene.lucene.normalize import Source, impact_stream

# So many postings fit into Lucene's buffer.
_BUFFERED = 40_000_000


def write_impacts(
    folder: Path,
    source: Source | None = None,
    *,
    postings: int = 0,
    threads: int | None = None,
    delete: Sequence[str] = (),
    store_contents: bool = False,
    optimize: bool = True,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Deletes documents from an index, new or there already, then adds others.

    That no docid comes twice is left to the caller to see to.

    Args:
        folder: of the index.
        source: the vectors to add, if any.
        postings: how many (term, document) pairs they have, as the manifest says.
        threads: how many add at the same time; if None, one a core, but a single one if all fits into Lucene's buffer: then there is one
            segment at once, while those of several threads would have to be merged.
        delete: docids.
        store_contents: store the text of each passage.
        optimize: merge all segments into one.
        advance: told the number of documents added since the last call; a negative one where reading begins again.

    Raises:
        InputError: a line is no vector, repeats an id, or lacks the text to store.
        JavaError: Lucene failed, or does not hold so many postings.
    """
    added = 0

    def count(documents: int) -> None:
        nonlocal added
        added += documents
        advance(documents)

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
                        store_contents=store_contents,
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
            if optimize:
                merge(writer)

    if source is None:
        work(nullcontext([]), checked=False)
        return
    try:
        work(nullcontext(source.shards()), checked=False)
    except OtherFormError:
        advance(-added)
        try:
            work(_stream(source), checked=True)
        except OtherFormError:
            raise InputError(source.out, "has a vector without the text to store; encode again with --store-contents") from None


@contextmanager
def _stream(source: Source) -> Iterator[list[Path]]:
    with impact_stream(source) as lines:
        yield [lines]
