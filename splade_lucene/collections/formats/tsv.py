"""TSV: ``id<TAB>text``, or the columns that a header line names."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from splade_lucene.collections.formats.base import ID, TEXT, FileFormat, FileRow
from splade_lucene.collections.formats.headers import header_columns
from splade_lucene.collections.formats.lines import estimate_lines
from splade_lucene.core.files import Lines
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath
from splade_lucene.errors import InputError


def _sniff(head: bytes) -> bool:
    return b"\t" in head


def _read(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    names, first = [ID, TEXT], True
    lines = Lines(file, bad)
    for line in lines:
        if not line.strip():
            continue
        header = header_columns(line.split("\t"), file) if first else None
        first = False
        if header:
            names = header
            continue
        values = line.split("\t", len(names) - 1)
        if len(values) == len(names):
            yield FileRow(lines.number, dict(zip(names, values, strict=True)))
        elif names == [ID, TEXT]:
            bad.handle(InputError(file, "no tab; a TSV line is id, tab, text", lines.number))
        else:
            bad.handle(InputError(file, f"{len(values)} columns; the header names {len(names)}", lines.number))


FORMAT = FileFormat("TSV", (".tsv",), _sniff, _read, estimate_lines)
