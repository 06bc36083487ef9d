"""Vectors in any form of JSON, as lines in the one form that is read in Java: checked and written again in a process of its own.

Java has a loop of its own, so in two processes both go at full speed, and Java reads from the pipe.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from splade_lucene.core.files import read_objects
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.lucene.docids import docids_of
from splade_lucene.lucene.filters import FilterKind, check_fields
from splade_lucene.lucene.java import open_reader
from splade_lucene.records import ImpactVector
from splade_lucene.vectors.manifest import SHARDS
from splade_lucene.vectors.reader import check_vector
from splade_lucene.vectors.writer import vector_lines, vector_object


class VectorSource(NamedTuple):
    """Vectors that go into an index.

    Attributes:
        folder: of vectors, as ``encode`` wrote it.
        append_to: an index whose docids must not come again.
        deleted: those of its docids that may.
        files: the names of the shards to take; all if None.
        filter_fields: fields to filter by, with their kinds.
    """

    folder: Path
    append_to: Path | None = None
    deleted: Sequence[str] = ()
    files: Sequence[str] | None = None
    filter_fields: Mapping[str, FilterKind] = MappingProxyType({})

    def shards(self) -> list[Path]:
        """The files of vectors, in order."""
        if self.files is not None:
            return [self.folder / SHARDS / name for name in self.files]
        return sorted((self.folder / SHARDS).glob("*.jsonl"))

    def read(self, taken: Iterable[str] = ()) -> Iterator[ImpactVector]:
        """Reads the vectors, those that are empty too.

        Args:
            taken: docids that must not come.

        Raises:
            InputError: a line is no vector or repeats an id.
        """
        seen, known = UniqueIds(), set[str]()
        for doc_id in taken:
            seen.add(doc_id)
        for file in self.shards():
            for line, item in read_objects(file):
                vector = check_vector(item, known, file, line)
                if self.filter_fields:
                    check_fields(vector.fields, self.filter_fields, vector.doc_id, file, line)
                if not seen.add(vector.doc_id):
                    where = f", here or in {self.append_to}" if self.append_to else ""
                    raise InputError(file, f"duplicate id {vector.doc_id!r}{where}; ids must be unique, so rename or remove one", line)
                yield vector

    def check(self) -> None:
        """Reads all vectors, to find the line that is wrong.

        Raises:
            InputError: as from :meth:`read`, or an id is in ``append_to``.
        """
        taken = set[str]()
        if self.append_to is not None:
            reader = open_reader(self.append_to)
            try:
                taken = set(docids_of(reader)).difference(self.deleted)
            finally:
                reader.close()
        for _ in self.read(taken):
            pass


@contextmanager
def impact_stream(source: VectorSource) -> Iterator[Sequence[Path]]:
    """Opens vectors as a stream of lines, as ``encode`` writes them.

    Yields:
        The one file that holds them all, to be read once.

    Raises:
        InputError: at the end of the block; a line is no vector or repeats the id of another one.
    """
    # As a module and not as a fork: the JVM does not survive one.
    job = {"files": source.files, "filter_fields": dict(source.filter_fields)}
    command = [sys.executable, "-m", __name__, str(source.folder), json.dumps(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            yield [Path(f"/dev/fd/{child.stdout.fileno()}")]
        except BaseException:
            child.kill()
            raise
        failure = child.stderr.read().decode(errors="replace")
    if child.returncode == 1 and failure.startswith("["):
        raise InputError(*json.loads(failure))
    if child.returncode:
        raise SpladeLuceneError(f"reading {source.folder} ended with status {child.returncode}: {failure.strip()[-500:]}")


def main() -> int:
    """The child: the vectors of a folder to lines on stdout."""
    lines = vector_lines(sys.stdout.buffer)
    try:
        for vector in VectorSource(Path(sys.argv[1]), **json.loads(sys.argv[2])).read():
            lines.write(vector_object(vector))
    except InputError as error:
        print(json.dumps([str(error.path), error.problem, error.line]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
