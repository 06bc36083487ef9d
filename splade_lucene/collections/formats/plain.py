"""Plain text: one query per line; the ids are the numbers of the lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from splade_lucene.collections.formats.base import ID, TEXT, FileFormat, FileRow
from splade_lucene.collections.formats.lines import estimate_lines
from splade_lucene.core.files import Lines
from splade_lucene.core.notices import notice
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath


def _read(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    lines = Lines(file, bad)
    for line in lines:
        if line.strip():
            notice(f"{file}: plain text, one query per line; their ids are the numbers of the lines")
            yield FileRow(lines.number, {ID: str(lines.number), TEXT: line.strip()})


FORMAT = FileFormat("plain text", (), lambda head: bool(head.strip()), _read, estimate_lines, passages=False)
