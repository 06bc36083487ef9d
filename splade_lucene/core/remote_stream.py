"""The bytes of a remote file: all that the store said there are, or an error."""

from __future__ import annotations

import io
import shutil
import tempfile
from typing import Any

from splade_lucene.core.stores import Place, Url
from splade_lucene.errors import InputError

# Bytes asked for at a time.
BLOCK = 4 << 20


class RemoteStream(io.RawIOBase):
    """A remote file that is read, from anywhere in it.

    Args:
        url: of the file, for messages.
        place: where it is.
        size: its bytes, as the store said.

    Raises:
        InputError: when reading: less arrives, or the store does not answer.
    """

    def __init__(self, url: Url, place: Place, size: int) -> None:
        self._url, self._place, self._size, self._at = url, place, size, 0
        self._file: Any = None
        self._is_copy = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Reads from there on."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Reads into a buffer; returns how much."""
        count = max(0, min(len(buffer), self._size - self._at))
        if not count:
            return 0
        data = self._read(count)
        if not data:
            problem = f"ended after {self._at:,} of {self._size:,} bytes; run the same command again"
            raise InputError(str(self._url), problem)
        self._at += len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Closes the connection."""
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()

    def _read(self, count: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._place.system.open(self._place.path, "rb")
            if self._file.tell() != self._at:
                self._file.seek(self._at)
            return bytes(self._file.read(count))
        except ValueError as error:
            # A web server that sends a file from its beginning only.
            if not self._url.over_http or self._is_copy:
                raise self._url.failed(error) from None
        except Exception as error:  # whatever a store's library raises
            raise self._url.failed(error) from None
        self._copy()
        return self._read(count)

    def _copy(self) -> None:
        """Takes a copy of the whole file in its place."""
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # closed with this
        try:
            with self._place.system.open(self._place.path, "rb", block_size=0) as source:
                shutil.copyfileobj(source, copy, BLOCK)
        except Exception as error:  # whatever a store's library raises
            copy.close()
            raise self._url.failed(error) from None
        self._file.close()
        self._file, self._is_copy = copy, True
