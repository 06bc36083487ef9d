"""How many lines a text file has, estimated from samples."""

from __future__ import annotations

import gzip
import zipfile
import zlib

from splade_lucene.core.remote import RemotePath
from splade_lucene.core.streams import AnyPath, is_standard
from splade_lucene.errors import InputError

# Bytes that are looked at, bytes of one sample of them, and bytes of a file that has to be fetched.
_SAMPLE, _BLOCK, _FETCHED = 1 << 24, 1 << 16, 1 << 20


def estimate_lines(file: AnyPath) -> float:
    """The number of lines: exact for small plain files, else from samples, which large compressed files have only at their start."""
    if isinstance(file, zipfile.Path) or is_standard(file):
        return 0.0  # inside a zip, or to come
    read, lines = 0, 0
    try:
        size = file.size() if isinstance(file, RemotePath) else file.stat().st_size
        with file.open("rb") as raw:
            if file.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw) as stream:
                    lines = stream.read(_FETCHED if isinstance(file, RemotePath) else _SAMPLE).count(b"\n")
                    # The decompressor reads ahead a little; at the end of the file it has read all.
                    read = raw.tell()
            elif isinstance(file, RemotePath):
                block = raw.read(_FETCHED)
                read, lines = len(block), block.count(b"\n")
            else:
                step = max(1, size // _SAMPLE)
                for start in range(0, size, _BLOCK * step):
                    raw.seek(start)
                    block = raw.read(_BLOCK)
                    read, lines = read + len(block), lines + block.count(b"\n")
    except (OSError, EOFError, zlib.error, InputError):
        return 0.0  # reading it will say what is wrong
    return lines * size / max(1, read)
