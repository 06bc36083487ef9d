"""CSV as spreadsheets write it: ``id,text``, or the columns that a header line names; text may be quoted and have line breaks."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator

from splade_lucene.collections.formats.base import ID, TEXT, FileFormat, FileRow
from splade_lucene.collections.formats.headers import header_columns
from splade_lucene.collections.formats.lines import estimate_lines
from splade_lucene.core.files import MAX_LINE, Lines
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath
from splade_lucene.errors import InputError


def _read(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    csv.field_size_limit(MAX_LINE)  # of the csv module as a whole; its own is 128 KiB, less than some passages have
    names, first = [ID, TEXT], True
    lines = Lines(file, bad)
    records = csv.reader((line + "\n" for line in lines), strict=True)
    try:
        for values in records:
            if not values:
                continue
            header = header_columns(values, file) if first else None
            first = False
            if header:
                names = header
            elif len(values) == len(names):
                yield FileRow(lines.number, dict(zip(names, values, strict=True)))
            else:
                remedy = f"{len(values)} columns instead of {len(names)} ({', '.join(names)}); quote a text that has commas"
                bad.handle(InputError(file, remedy, lines.number))
    except csv.Error as error:
        raise InputError(file, f"not CSV ({error}); correct the quotes", lines.number) from None


# A first line with a comma is no sign: sentences have commas too.
FORMAT = FileFormat("CSV", (".csv",), lambda head: False, _read, estimate_lines)
