"""Vectors from disk as the text that Lucene tokenizes, checked and formatted in a process of its own.

Reading JSON holds Python's lock, and so do the calls into Java: in two threads they wait for each other, in two processes they do not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.vectors.reader import read_vectors

# Between a token and its impact; read_vectors refuses tokens that hold it.
DELIMITER = "\x01"


class Posted(NamedTuple):
    """A vector ready for Lucene.

    Attributes:
        docid: the docid.
        text: ``token<DELIMITER>impact`` separated by spaces.
        contents: the text of the passage, where it was kept.
    """

    docid: str
    text: str
    contents: str | None


def stream_impacts(out: Path) -> Iterator[Posted]:
    """Streams the vectors of a folder that ``encode`` wrote; those that are empty are passed over.

    Raises:
        InputError: a line is no vector.
    """
    # As a module and not as a fork: the JVM does not survive one.
    command = [sys.executable, "-m", __name__, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            for line in child.stdout:
                docid, text, contents = line[:-1].decode().split("\t")
                yield Posted(docid, text, json.loads(contents) if contents else None)
        except BaseException:
            child.kill()
            raise
        failure = child.stderr.read().decode(errors="replace")
    if child.returncode == 1 and failure.startswith("["):
        raise InputError(*json.loads(failure))
    if child.returncode:
        raise SpladeLuceneError(f"reading {out} ended with status {child.returncode}: {failure.strip()[-500:]}")


def impact_text(vector: Mapping[str, int]) -> str:
    r"""A vector as the text from which Lucene's tokenizer makes terms with frequencies.

    Example:
        >>> impact_text({"glass": 243, "|": 7})
        'glass\x01243 |\x017'
    """
    # The JSON encoder does the work in C; it escapes what could be taken for its quotes, and then the slow way is the safe one.
    dumped = json.dumps(vector, ensure_ascii=False, separators=(" ", DELIMITER))
    if "\\" not in dumped:
        return dumped[1:-1].replace('"', "")
    return " ".join(f"{token}{DELIMITER}{impact}" for token, impact in vector.items())


def main() -> int:
    """The child: vectors of the folder in the first argument to lines on stdout."""
    try:
        for vector in read_vectors(Path(sys.argv[1])):
            if vector.vector:
                contents = "" if vector.contents is None else json.dumps(vector.contents)
                sys.stdout.buffer.write(f"{vector.id}\t{impact_text(vector.vector)}\t{contents}\n".encode())
    except InputError as error:
        print(json.dumps([str(error.path), error.problem, error.line]), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
