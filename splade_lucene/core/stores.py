"""Where a URL leads: to a store of S3, Google or Azure through pyarrow, to any other through fsspec; each is imported when it is needed.

Credentials, endpoints, proxies are found as these libraries find them: in the environment and in the vendors' own files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

from splade_lucene.errors import InputError

_OF_ARROW = ("s3", "gs", "gcs", "abfs", "abfss")
_OF_HTTP = ("http", "https")
_EXTRAS = {"aiohttp": "'splade_lucene[http]'"}
_SECRETS = re.compile(r"(?<=//)[^/@?]*(?=@)|(?<=\?).*")
# Seconds without an answer.
_PATIENCE = 60
_MISSING, _DENIED = (404, 410), (401, 403)


def without_secrets(url: str) -> str:
    """A URL without user, password and query."""
    return _SECRETS.sub("***", url)


class Url(NamedTuple):
    """A URL and its parts; nothing is asked of what it names.

    Attributes:
        text: all of it.
        own: of a chain of fsspec, the first link that says where; else all of it.
    """

    text: str
    own: str

    @classmethod
    def parse(cls, text: str) -> Url:
        """The parts of a URL."""
        return cls(text, next((link for link in text.split("::") if "://" in link), text))

    def __str__(self) -> str:
        return without_secrets(self.text)

    @property
    def scheme(self) -> str:
        """In lower case, such as ``s3`` and ``https``."""
        return self.own.partition("://")[0].lower()

    @property
    def over_http(self) -> bool:
        """Whether a web server has it."""
        return self.scheme in _OF_HTTP

    @property
    def path(self) -> str:
        """What follows the scheme, without the query."""
        return self.own.partition("://")[2].partition("?")[0]

    def failed(self, error: BaseException) -> InputError:
        """What is wrong, in a sentence, where a store's library raised an error."""
        status = getattr(error, "status", None)
        said = without_secrets(f"HTTP {status}" if status else _first_line(error).replace(self.text, str(self)))
        if status in _DENIED or isinstance(error, PermissionError) or "ACCESS_DENIED" in said:
            return InputError(str(self), f"access is denied ({said}); check the credentials in the environment")
        return InputError(str(self), f"cannot be read ({said}); check the URL and the connection, and run the same command again")


class Place(NamedTuple):
    """A path of one of fsspec's file systems.

    Attributes:
        system: the file system.
        path: in it.
    """

    system: Any
    path: str

    def info(self, url: Url) -> Mapping[str, Any] | None:
        """What the store says of it now; None if there is nothing.

        Args:
            url: of the place.

        Raises:
            InputError: nobody can say: the store does not answer or denies access.
        """
        if url.over_http and self.path.endswith("/"):
            return {"type": "directory"}
        try:
            self.system.invalidate_cache(self.path)
            return cast(Mapping[str, Any], self.system.info(self.path))
        except FileNotFoundError as error:
            # fsspec says so of whatever goes wrong over HTTP.
            cause = error.__cause__
            if type(cause).__module__.startswith("aiohttp") and getattr(cause, "status", None) not in _MISSING:
                raise url.failed(cause or error) from None
            return None
        except Exception as error:  # whatever a store's library raises
            raise url.failed(error) from None


def find_place(url: Url) -> Place:
    """Finds the store and the path in it.

    Raises:
        InputError: the URL is of an unknown kind or names nothing, a package is missing, or the store does not answer.
    """
    try:
        if not PurePosixPath(url.path).name:
            raise InputError(str(url), "names no file or folder")
        return _of_arrow(url.text) if url.text == url.own and url.scheme in _OF_ARROW else _of_fsspec(url.text)
    except InputError:
        raise
    except ImportError as error:
        missing = next((package for package in _EXTRAS if package in str(error)), None)
        remedy = f"run: pip install {_EXTRAS[missing]}" if missing else _first_line(error)
        raise InputError(str(url), f"a package that reads such URLs is not installed; {remedy}") from None
    except Exception as error:
        if isinstance(error, ValueError) and "Protocol not known" in str(error):
            problem = f"unknown kind of URL {url.scheme!r}; known are s3, gs, abfs, https, hf and others of fsspec"
            raise InputError(str(url), problem) from None
        raise url.failed(error) from None


def _of_arrow(url: str) -> Place:
    from urllib.parse import quote

    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow.fs import FileSystem

    # Names of objects may have spaces and letters that URIs do not.
    system, path = FileSystem.from_uri(quote(url, safe="%/:=&?~#+!$,;'@()*[]"))
    return Place(ArrowFSWrapper(system), path)


def _of_fsspec(url: str) -> Place:
    from fsspec.core import url_to_fs

    scheme = url.rpartition("::")[2].partition("://")[0]
    if scheme not in _OF_HTTP:
        return Place(*url_to_fs(url))
    import aiohttp

    # Proxies and .netrc as other tools have them; and no limit for a whole file, however slowly it is read.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE, sock_read=_PATIENCE)
    return Place(*url_to_fs(url, **{scheme: {"client_kwargs": {"trust_env": True, "timeout": timeout}}}))


def _first_line(error: BaseException) -> str:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return said if isinstance(error, OSError) or type(error).__module__ == "builtins" else f"{type(error).__name__}: {said}"
