"""How many lines a text file has, estimated from samples."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from splade_lucene.core.streams import AnyPath, is_standard

# Bytes that are looked at, and bytes of one sample of them.
_SAMPLE, _BLOCK = 1 << 24, 1 << 16


def estimate_lines(file: AnyPath) -> float:
    """The number of lines: exact for small plain files, else from samples, which large compressed files have only at their start."""
    if not isinstance(file, Path) or is_standard(file):
        return 0.0  # inside a zip, or to come
    size, read, lines = file.stat().st_size, 0, 0
    try:
        with file.open("rb") as raw:
            if file.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw) as stream:
                    lines = stream.read(_SAMPLE).count(b"\n")
                    # The decompressor reads ahead a little; at the end of the file it has read all.
                    read = raw.tell()
            else:
                step = max(1, size // _SAMPLE)
                for start in range(0, size, _BLOCK * step):
                    raw.seek(start)
                    block = raw.read(_BLOCK)
                    read, lines = read + len(block), lines + block.count(b"\n")
    except (OSError, EOFError, zlib.error):
        return 0.0  # reading it will say what is wrong
    return lines * size / max(1, read)
