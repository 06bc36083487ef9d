"""Parquet files, and the Arrow files of Hugging Face datasets that were saved on disk; batches of rows are read at a time."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splade_lucene.collections.formats.base import FileFormat, FileRow
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath, is_standard
from splade_lucene.errors import InputError

if TYPE_CHECKING:
    from pyarrow import RecordBatch

DATASET, DATASET_DICT, STATE = "dataset_info.json", "dataset_dict.json", "state.json"
"""What `datasets` writes beside the data: of one split, of several, and which files hold it."""

_ROWS = 1024


def dataset_files(folder: AnyPath) -> list[AnyPath] | None:
    """The Arrow files of a dataset that ``datasets`` saved in a folder, in their order; None if the folder holds none.

    Raises:
        InputError: it has several splits, or says something that is not so.
    """
    if (folder / DATASET_DICT).is_file():
        splits = _json(folder / DATASET_DICT).get("splits") or []
        if len(splits) != 1:
            places = ", ".join(str(folder / str(name)) for name in splits)
            raise InputError(folder, f"has {len(splits)} splits; name the folder of one of them: {places}")
        return dataset_files(folder / str(splits[0]))
    if not ((folder / DATASET).is_file() and (folder / STATE).is_file()):
        return None
    names = [str(each["filename"]) for each in _json(folder / STATE).get("_data_files") or []]
    return [folder / name for name in names]


def _json(file: AnyPath) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(file, f"cannot be read ({error}); save the dataset again") from None
    if not isinstance(found, dict):
        raise InputError(file, "is not what `datasets` writes; save the dataset again")
    return found


def _read_parquet(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    def batches() -> Iterator[RecordBatch]:
        import pyarrow.parquet

        with _opened(file) as opened, pyarrow.parquet.ParquetFile(opened) as source:
            yield from source.iter_batches(batch_size=_ROWS, columns=_columns(source.schema_arrow.names, wanted))

    return _rows(file, batches)


def _read_arrow(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    def batches() -> Iterator[RecordBatch]:
        import pyarrow.ipc

        with _opened(file) as source, pyarrow.ipc.open_stream(source) as stream:
            columns = _columns(stream.schema.names, wanted)
            for batch in stream:
                chosen = batch.select(columns)
                for start in range(0, chosen.num_rows, _ROWS):
                    yield chosen.slice(start, _ROWS)

    return _rows(file, batches)


def _columns(names: list[str], wanted: Collection[str] | None) -> list[str]:
    """The columns to read: where those that are needed are not there, all, for the message that says so."""
    chosen = [name for name in names if wanted is None or name in wanted]
    return chosen if len(chosen) > 1 else names


def _rows(file: AnyPath, batches: Callable[[], Iterator[RecordBatch]]) -> Iterator[FileRow]:
    number = 0
    if is_standard(file):
        raise InputError(file, "Parquet cannot be read from standard input; name the file")
    if isinstance(file, zipfile.Path):
        raise InputError(file, "Parquet and Arrow files are not read within a zip; unpack it")
    try:
        import pyarrow
    except ImportError:
        raise InputError(file, "reading it needs pyarrow: pip install pyarrow") from None
    try:
        for batch in batches():
            for fields in batch.to_pylist():
                number += 1
                yield FileRow(number, fields)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(file, f"cannot be read ({reason}); write or fetch the file again", number or None) from None


def _opened(file: AnyPath) -> Any:
    """The bytes of a file, for Arrow: mapped into memory where it is on disk."""
    import pyarrow

    return pyarrow.memory_map(str(file)) if isinstance(file, Path) else file.open("rb")


def _estimate_parquet(file: AnyPath) -> float:
    try:
        import pyarrow.parquet

        with _opened(file) as source:
            return float(pyarrow.parquet.read_metadata(source).num_rows)
    except Exception:  # reading it says what is wrong; Arrow raises whatever its file systems do
        return 0.0


def _estimate_arrow(file: AnyPath) -> float:
    """The rows, exactly: the data stay on disk."""
    try:
        import pyarrow.ipc

        if not isinstance(file, Path):  # all of it would have to be fetched
            return 0.0
        with _opened(file) as source, pyarrow.ipc.open_stream(source) as stream:
            return float(sum(batch.num_rows for batch in stream))
    except Exception:  # as above
        return 0.0


PARQUET = FileFormat("Parquet", (".parquet",), lambda head: head.startswith(b"PAR1"), _read_parquet, _estimate_parquet, packed=False)
ARROW = FileFormat("Arrow", (".arrow",), lambda head: False, _read_arrow, _estimate_arrow, packed=False)
