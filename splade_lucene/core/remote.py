"""Files and folders at URLs, with the part of ``pathlib``'s interface that reading needs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, cast

from splade_lucene.core.remote_stream import BLOCK, RemoteStream
from splade_lucene.core.stores import Place, Url, find_place, without_secrets
from splade_lucene.errors import InputError

# A scheme of one letter would be a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
# What `Path` makes of a URL.
_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_LOCAL = ("file", "local")
# What says that a file is another one than before, as far as a store tells; names differ between stores.
_VERSION = ("size", "ETag", "etag", "Last-Modified", "LastModified", "last_modified", "mtime", "generation", "sha256")


def is_url(text: str) -> bool:
    """Whether a text names something by its URL: ``s3://…``, ``https://…``, or fsspec's chains like ``simplecache::https://…``."""
    return _URL.match(text) is not None


def refuse_url(path: Path) -> None:
    """Refuses to write to a URL, which as a path would be a folder ``s3:`` here.

    Raises:
        InputError: it is one.
    """
    if _URL_AS_PATH.match(str(path)) and not Path(path.parts[0]).exists():
        problem = "is a URL, and results are written on this machine, whole or not at all; give a local name and copy what is there"
        raise InputError(without_secrets(str(path).replace(":/", "://", 1)), problem)


def local_path(url: str) -> Path | None:
    """The path that a ``file://`` URL names; None for others."""
    scheme, _, path = url.partition("://")
    if scheme.lower() not in _LOCAL or "::" in url:
        return None
    from urllib.parse import unquote

    return Path(unquote(path.removeprefix("localhost")))


class RemotePath:
    """A file or folder at a URL. Nothing is asked of its store before it is read.

    As text it is its URL without what may be secret: user, password and query.

    Args:
        url: of fsspec or pyarrow.
        place: where it is, if that is known.
    """

    def __init__(self, url: str, place: Place | None = None) -> None:
        self._url = Url.parse(url)
        self._known = place
        self._pure = PurePosixPath(self._url.path)

    def __str__(self) -> str:
        return str(self._url)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __truediv__(self, name: str) -> RemotePath:
        place, (url, mark, query) = self._place, self._url.text.partition("?")
        path, in_path, _ = place.path.partition("?") if self._url.over_http else (place.path, "", "")
        below = f"{path.rstrip('/')}/{name}" + (mark + query if in_path else "")
        return RemotePath(f"{url.rstrip('/')}/{name}{mark}{query}", Place(place.system, below))

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._pure.name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self._pure.stem

    @property
    def suffix(self) -> str:
        """The last suffix of the name."""
        return self._pure.suffix

    @property
    def parent(self) -> RemotePath:
        """The folder that it is in."""
        url, mark, query = self._url.text.partition("?")
        return RemotePath(f"{url.rstrip('/').rpartition('/')[0]}{mark}{query}")

    def is_file(self) -> bool:
        """Whether there is such a file.

        Raises:
            InputError: nobody can say: the store does not answer or denies access, the URL is of an unknown kind, a package is missing.
        """
        return (self._place.info(self._url) or {}).get("type") == "file"

    def is_dir(self) -> bool:
        """Whether there is such a folder; over HTTP one is what ends with a slash.

        Raises:
            InputError: as from :meth:`is_file`.
        """
        return (self._place.info(self._url) or {}).get("type") == "directory"

    def exists(self) -> bool:
        """Whether there is such a file or folder.

        Raises:
            InputError: as from :meth:`is_file`.
        """
        return self._place.info(self._url) is not None

    def iterdir(self) -> Iterator[RemotePath]:
        """What a folder holds.

        Raises:
            InputError: as from :meth:`is_file`.
        """
        try:
            names = [str(entry["name"]) for entry in self._place.system.ls(self._place.path, detail=True)]
        except Exception as error:  # whatever a store's library raises
            raise self._url.failed(error) from None
        return (self / name.rstrip("/").rpartition("/")[2] for name in names)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Opens the file for its bytes. Reading raises InputError where less arrives than the store said there is."""
        return cast(IO[bytes], io.BufferedReader(RemoteStream(self._url, self._place, self.size()), BLOCK))

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole file."""
        with self.open() as stream:
            return stream.read().decode(encoding)

    def size(self) -> int:
        """The bytes of the file.

        Raises:
            InputError: there is no such file, or nobody knows its size.
        """
        info = self._place.info(self._url)
        if info is None:
            raise InputError(str(self), "no such file")
        if info.get("size") is None:
            problem = "the server does not say how long the file is, so a cut connection would go unnoticed; download it and give the file"
            raise InputError(str(self), problem)
        return int(info["size"])

    def version(self) -> tuple[str, ...]:
        """What tells this file from a later one of the same name, as far as the store knows."""
        info = self._place.info(self._url) or {}
        return tuple(f"{key}={info[key]}" for key in _VERSION if info.get(key) is not None)

    @property
    def _place(self) -> Place:
        return self._known or self._found

    @cached_property
    def _found(self) -> Place:
        return find_place(self._url)
