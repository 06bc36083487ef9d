"""Files at URLs: of S3, Google and Azure through pyarrow, of all else through fsspec; each is imported where a URL is read.

Credentials, endpoints, proxies are found as these libraries find them: in the environment and in the vendors' own files.
"""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from splade_lucene.errors import InputError

# A scheme of one letter would be a drive of Windows.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:://|::)")
# What `Path` makes of a URL.
_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_OF_ARROW = ("s3", "gs", "gcs", "abfs", "abfss")
_OF_HTTP = ("http", "https")
_LOCAL = ("file", "local")
_EXTRAS = {"aiohttp": "'splade_lucene[http]'"}
# What says that a file is another one than before, as far as a store tells; names differ between stores.
_VERSION = ("size", "ETag", "etag", "Last-Modified", "LastModified", "last_modified", "mtime", "generation", "sha256")
_SECRETS = re.compile(r"(?<=//)[^/@?]*(?=@)|(?<=\?).*")
# Bytes asked for at a time, and seconds without an answer.
_BLOCK, _PATIENCE = 4 << 20, 60
_MISSING, _DENIED = (404, 410), (401, 403)


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
        raise InputError(_without_secrets(str(path).replace(":/", "://", 1)), problem)


class _Place(NamedTuple):
    """A path of one of fsspec's file systems."""

    system: Any
    path: str


class RemotePath:
    """A file or folder at a URL, with the part of ``pathlib``'s interface that reading needs. Nothing is asked of it before that.

    As text it is its URL without what may be secret: user, password and query.

    Args:
        url: of fsspec or pyarrow.
        place: where it is, if that is known.
    """

    def __init__(self, url: str, place: _Place | None = None) -> None:
        self._url = url
        self._known = place
        # Of a chain, the first that says where.
        self._own = next((link for link in url.split("::") if "://" in link), url)
        self._pure = PurePosixPath(self._own.partition("://")[2].partition("?")[0])

    def __str__(self) -> str:
        return _without_secrets(self._url)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __truediv__(self, name: str) -> RemotePath:
        place, (url, mark, query) = self._place, self._url.partition("?")
        path, in_path, _ = place.path.partition("?") if self._scheme in _OF_HTTP else (place.path, "", "")
        below = f"{path.rstrip('/')}/{name}" + (mark + query if in_path else "")
        return RemotePath(f"{url.rstrip('/')}/{name}{mark}{query}", _Place(place.system, below))

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
        url, mark, query = self._url.partition("?")
        return RemotePath(f"{url.rstrip('/').rpartition('/')[0]}{mark}{query}")

    def is_file(self) -> bool:
        """Whether there is such a file.

        Raises:
            InputError: nobody can say: the store does not answer or denies access, the URL is of an unknown kind, a package is missing.
        """
        return (self._info() or {}).get("type") == "file"

    def is_dir(self) -> bool:
        """Whether there is such a folder; over HTTP one is what ends with a slash.

        Raises:
            InputError: as from :meth:`is_file`.
        """
        return (self._info() or {}).get("type") == "directory"

    def exists(self) -> bool:
        """Whether there is such a file or folder.

        Raises:
            InputError: as from :meth:`is_file`.
        """
        return self._info() is not None

    def iterdir(self) -> Iterator[RemotePath]:
        """What a folder holds.

        Raises:
            InputError: as from :meth:`is_file`.
        """
        try:
            names = [str(entry["name"]) for entry in self._place.system.ls(self._place.path, detail=True)]
        except Exception as error:  # whatever a store's library raises
            raise self._failed(error) from None
        return (self / name.rstrip("/").rpartition("/")[2] for name in names)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Opens the file for its bytes. Reading raises InputError where less arrives than the store said there is."""
        return cast(IO[bytes], io.BufferedReader(_Reading(self), _BLOCK))

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole file."""
        with self.open() as stream:
            return stream.read().decode(encoding)

    def size(self) -> int:
        """The bytes of the file.

        Raises:
            InputError: there is no such file, or nobody knows its size.
        """
        info = self._info()
        if info is None:
            raise InputError(str(self), "no such file")
        if info.get("size") is None:
            problem = "the server does not say how long the file is, so a cut connection would go unnoticed; download it and give the file"
            raise InputError(str(self), problem)
        return int(info["size"])

    def version(self) -> tuple[str, ...]:
        """What tells this file from a later one of the same name, as far as the store knows."""
        info = self._info() or {}
        return tuple(f"{key}={info[key]}" for key in _VERSION if info.get(key) is not None)

    @property
    def _scheme(self) -> str:
        return self._own.partition("://")[0].lower()

    @property
    def _place(self) -> _Place:
        return self._known or self._found

    @cached_property
    def _found(self) -> _Place:
        try:
            if not self._pure.name:
                raise InputError(str(self), "names no file or folder")
            return _of_arrow(self._url) if self._url == self._own and self._scheme in _OF_ARROW else _of_fsspec(self._url)
        except InputError:
            raise
        except ImportError as error:
            missing = next((package for package in _EXTRAS if package in str(error)), None)
            remedy = f"run: pip install {_EXTRAS[missing]}" if missing else _first_line(error)
            raise InputError(str(self), f"a package that reads such URLs is not installed; {remedy}") from None
        except Exception as error:
            if isinstance(error, ValueError) and "Protocol not known" in str(error):
                problem = f"unknown kind of URL {self._scheme!r}; known are s3, gs, abfs, https, hf and others of fsspec"
                raise InputError(str(self), problem) from None
            raise self._failed(error) from None

    def _info(self) -> Mapping[str, Any] | None:
        """What the store says of it now; None if there is nothing."""
        system, path = self._place
        if self._scheme in _OF_HTTP and path.endswith("/"):
            return {"type": "directory"}
        try:
            system.invalidate_cache(path)
            return cast(Mapping[str, Any], system.info(path))
        except FileNotFoundError as error:
            # fsspec says so of whatever goes wrong over HTTP.
            cause = error.__cause__
            if type(cause).__module__.startswith("aiohttp") and getattr(cause, "status", None) not in _MISSING:
                raise self._failed(cause or error) from None
            return None
        except Exception as error:  # whatever a store's library raises
            raise self._failed(error) from None

    def _failed(self, error: BaseException) -> InputError:
        status = getattr(error, "status", None)
        said = _without_secrets(f"HTTP {status}" if status else _first_line(error).replace(self._url, str(self)))
        if status in _DENIED or isinstance(error, PermissionError) or "ACCESS_DENIED" in said:
            return InputError(str(self), f"access is denied ({said}); check the credentials in the environment")
        return InputError(str(self), f"cannot be read ({said}); check the URL and the connection, and run the same command again")


class _Reading(io.RawIOBase):
    """The bytes of a remote file: all that the store said there are, or an error."""

    def __init__(self, path: RemotePath) -> None:
        self._path, self._size, self._at = path, path.size(), 0
        self._file: Any = None
        self._is_copy = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._size - self._at))
        if not count:
            return 0
        data = self._read(count)
        if not data:
            problem = f"ended after {self._at:,} of {self._size:,} bytes; run the same command again"
            raise InputError(str(self._path), problem)
        self._at += len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()

    def _read(self, count: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._path._place.system.open(self._path._place.path, "rb")
            if self._file.tell() != self._at:
                self._file.seek(self._at)
            return bytes(self._file.read(count))
        except ValueError as error:
            # A web server that sends a file from its beginning only.
            if self._path._scheme not in _OF_HTTP or self._is_copy:
                raise self._path._failed(error) from None
        except Exception as error:  # whatever a store's library raises
            raise self._path._failed(error) from None
        self._copy()
        return self._read(count)

    def _copy(self) -> None:
        """Takes a copy of the whole file in its place."""
        copy = tempfile.TemporaryFile()  # noqa: SIM115  # closed with this
        try:
            with self._path._place.system.open(self._path._place.path, "rb", block_size=0) as source:
                shutil.copyfileobj(source, copy, _BLOCK)
        except Exception as error:  # whatever a store's library raises
            copy.close()
            raise self._path._failed(error) from None
        self._file.close()
        self._file, self._is_copy = copy, True


def _of_arrow(url: str) -> _Place:
    from urllib.parse import quote

    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import FileSystem

    # Names of objects may have spaces and letters that URIs do not.
    system, path = FileSystem.from_uri(quote(url, safe="%/:=&?~#+!$,;'@()*[]"))
    return _Place(ArrowFSWrapper(system), path)


def _of_fsspec(url: str) -> _Place:
    from fsspec.core import url_to_fs

    scheme = url.rpartition("::")[2].partition("://")[0]
    if scheme not in _OF_HTTP:
        return _Place(*url_to_fs(url))
    import aiohttp

    # Proxies and .netrc as other tools have them; and no limit for a whole file, however slowly it is read.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
    return _Place(*url_to_fs(url, **{scheme: {"client_kwargs": {"trust_env": True, "timeout": timeout}}}))


def local_path(url: str) -> Path | None:
    """The path that a ``file://`` URL names; None for others."""
    scheme, _, path = url.partition("://")
    if scheme.lower() not in _LOCAL or "::" in url:
        return None
    from urllib.parse import unquote

    return Path(unquote(path.removeprefix("localhost")))


def _without_secrets(text: str) -> str:
    return _SECRETS.sub("***", text)


def _first_line(error: BaseException) -> str:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return said if isinstance(error, OSError) or type(error).__module__ == "builtins" else f"{type(error).__name__}: {said}"
