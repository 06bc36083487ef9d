"""The results of an evaluation on disk: ``results.json``, and where the files beside it are.

The folder that ``splade-lucene beir`` and ``compare --output`` write::

    OUT/results.json                        everything that follows, summed up; written last, replaced atomically
    OUT/table.md  table.csv  table.tex      the same as tables
    OUT/DATASET/encoded/SYSTEM/             impact vectors with their manifest
    OUT/DATASET/indexes/SYSTEM/             indexes with their cards
    OUT/DATASET/runs/SYSTEM.trec            the TREC run; SYSTEM.trec.json beside it says how it was made
    OUT/DATASET/scores.csv                  system, query_id, then a column a measure: the score of each judged query
    OUT/DATASET/latency.csv                 system, query_id, encode_ms, search_ms: times of single queries in one thread
    OUT/DATASET/evidence.jsonl              a line a query: its text, what is relevant, the top 5 of each system, the terms that matched
    OUT/DATASET/passages.jsonl              id, title and the beginning of the text of every passage in a top 5

``compare`` knows no texts, indexes or terms: of the files of a data set it writes ``scores.csv`` only, and names the runs where they are.
Paths in the records are relative to ``OUT``, or absolute for files elsewhere; None where there is no such file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import InputError
from splade_lucene.evaluation.result_records import FORMAT, Results
from splade_lucene.records import EncoderRecord

FILE = "results.json"


def write_results(folder: Path | str, results: Results) -> Path:
    """Writes ``results.json`` into a folder; the file appears when it is whole.

    Returns:
        The file.
    """
    from pydantic import TypeAdapter

    file = Path(folder) / FILE
    with atomic_file(file) as stream:
        stream.write(TypeAdapter(Results).dump_json(results, indent=1).decode() + "\n")
    return file


def read_results(path: Path | str) -> Results:
    """Reads ``results.json`` back.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        InputError: there is no such file, or it is not one of ours; the message names the first field that is wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    try:
        results = TypeAdapter(Results).validate_json(_with_records(file.read_bytes()))
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror or error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(file, f"is no results file of splade-lucene ({place or 'the file'}: {first['msg']})") from None
    if results.format != FORMAT:
        raise InputError(file, f"has the format {results.format!r}, this version reads {FORMAT!r}; evaluate again")
    return results


def _with_records(text: bytes) -> bytes:
    """Results from before there could be two encoders, in today's form; what is damaged is left for the check to name."""
    try:
        data = json.loads(text)
        for system in data["systems"]:
            encoder = system.get("encoder")
            system["encoder"] = EncoderRecord.from_json(encoder).to_json() if encoder else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    return json.dumps(data).encode()


def place(path: Path | str, folder: Path | str) -> str:
    """A path as the records name it: relative to the folder of the results if it is inside, else absolute."""
    path, folder = Path(path).resolve(), Path(folder).resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else os.fspath(path)


def locate(name: str, folder: Path | str) -> Path:
    """The path that :func:`place` named."""
    return Path(folder) / name
