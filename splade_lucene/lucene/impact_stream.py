"""Vectors from disk as lines that Lucene indexes, checked and formatted in a process of its own.

Reading JSON holds Python's lock, and Java's loop needs none of it: in two processes both go at full speed, and Java reads from the pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.files import Lines, parse_object
from splade_lucene.lucene.docids import FILE as DOCIDS
from splade_lucene.lucene.docids import Docids
from splade_lucene.lucene.impact_text import Posted, QuickReader, impact_text
from splade_lucene.seen import SeenIds
from splade_lucene.vectors.manifest import SHARDS
from splade_lucene.vectors.reader import check_vector


@contextmanager
def impact_stream(out: Path, *, append_to: Path | None = None, deleted: Path | None = None) -> Iterator[Path]:
    """Opens the vectors of a folder that ``encode`` wrote as a stream of lines; those that are empty are passed over.

    Args:
        out: the folder.
        append_to: an index whose docids must not come again.
        deleted: a file of those that may, one a line.

    Yields:
        A file to read once: for each vector the docid, its text (see :func:`~splade_lucene.lucene.impact_text.impact_text`), and, where
        the passage's text was kept, the JSON that Anserini stores in ``raw``, separated by tabs.

    Raises:
        InputError: at the end of the block; a line is no vector or repeats an id.
    """
    # As a module and not as a fork: the JVM does not survive one.
    command = [sys.executable, "-m", __name__, str(out), *(str(path) for path in (append_to, deleted) if path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            yield Path(f"/dev/fd/{child.stdout.fileno()}")
        except BaseException:
            child.kill()
            raise
        failure = child.stderr.read().decode(errors="replace")
    if child.returncode == 1 and failure.startswith("["):
        raise InputError(*json.loads(failure))
    if child.returncode:
        raise SpladeLuceneError(f"reading {out} ended with status {child.returncode}: {failure.strip()[-500:]}")


def read_posted(out: Path, append_to: Path | None = None, deleted: Path | None = None) -> Iterator[Posted]:
    """Reads the vectors of a folder; those that are empty are passed over.

    Args:
        out: the folder.
        append_to: an index whose docids must not come again.
        deleted: a file of those that may, one a line.

    Raises:
        InputError: a line is no vector or repeats an id.
    """
    seen, known, quick = SeenIds(), set[str](), QuickReader()
    gone = {line.strip() for line in Lines(deleted)} if deleted else set()
    for docid in Docids(append_to / DOCIDS) if append_to else ():
        if docid not in gone:
            seen.add(docid)
    for file in sorted((out / SHARDS).glob("*.jsonl")):
        lines = Lines(file)
        for line in lines:
            if not line.strip():
                continue
            posted = quick.read(line)
            if posted is None:
                vector = check_vector(parse_object(line, file, lines.number), known, file, lines.number)
                posted = Posted(vector.id, impact_text(vector.vector), vector.contents)
            if not seen.add(posted.docid):
                where = f"was there before, here or in {append_to}" if append_to else "was there before"
                raise InputError(file, f"the id {posted.docid!r} {where}; ids must be unique, so rename or remove one", lines.number)
            if posted.text:
                yield posted


def _raw(docid: str, contents: str) -> str:
    item = {"id": docid, "contents": contents}
    raw = json.dumps(item, ensure_ascii=False)
    try:
        raw.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot carry
        return json.dumps(item)
    return raw


def main() -> int:
    """The child: vectors of a folder to lines on stdout; the arguments are those of :func:`read_posted`."""
    paths = map(Path, sys.argv[1:])
    write = sys.stdout.buffer.write
    try:
        for docid, text, contents in read_posted(*paths):
            raw = "" if contents is None else _raw(docid, contents)
            write(f"{docid}\t{text}\t{raw}\n".encode())
    except InputError as error:
        print(json.dumps([str(error.path), error.problem, error.line]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
