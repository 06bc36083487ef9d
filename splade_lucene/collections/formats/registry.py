"""All kinds of files; a new one is a module of this package and its name here."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from splade_lucene.collections.formats import arrow, csv_file, json_file, plain, trec_topics, tsv
from splade_lucene.collections.formats.base import FileFormat
from splade_lucene.core.streams import AnyPath, first_line, is_standard

FORMATS = (json_file.FORMAT, tsv.FORMAT, csv_file.FORMAT, arrow.PARQUET, arrow.ARROW, trec_topics.FORMAT, plain.FORMAT)
"""In the order in which they are tried on a file whose suffix says nothing."""

SUFFIXES = tuple(suffix for each in FORMATS for suffix in each.suffixes)


def format_by_suffix(file: AnyPath) -> FileFormat | None:
    """The kind of a file whose suffix is one of :data:`SUFFIXES`; None for others."""
    packed = file.suffix == ".gz"
    suffix = (Path(file.stem).suffix if packed else file.suffix).lower()
    return next((each for each in FORMATS if suffix in each.suffixes and (each.packed or not packed)), None)


def find_format(file: AnyPath) -> FileFormat | None:
    """The kind of a file, by its suffix or else by its first line; None if it is no kind that is known, or cannot be read."""
    if not is_standard(file) and (known := format_by_suffix(file)):
        return known
    try:
        head = first_line(file)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, OSError):
        return None
    return next((each for each in FORMATS if each.sniff(head)), None)
