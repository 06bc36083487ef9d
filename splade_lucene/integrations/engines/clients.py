"""The clients of OpenSearch and Elasticsearch, behind the few calls that are made here, and their failures as ours."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from splade_lucene.errors import EngineError
from splade_lucene.integrations.export.loading import BusyError

Vendor = Literal["opensearch", "elasticsearch"]
# Seconds for one request: a bulk of some megabytes on a server that is busy.
TIMEOUT = 60.0
# Too many requests, and servers or proxies that are away or late: worth another try.
BUSY = frozenset({408, 429, 500, 502, 503, 504})
_NOT_FOUND, _PORT = 404, 9200


class RestClient:
    """A vendor's client and one index.

    Repeating is left to the caller, who knows what may be repeated: the clients' own way does not look into bulk answers and does not
    wait.

    Args:
        vendor: whose client.
        url: of the server, with user and password if it wants them; an API key is taken from ``OPENSEARCH_API_KEY`` or
            ``ELASTICSEARCH_API_KEY``.
        index: the name of the index.
        connections: the number of concurrent requests.

    Raises:
        EngineError: the client is not installed.
    """

    def __init__(self, vendor: Vendor, url: str, index: str, *, connections: int = 1) -> None:
        self.vendor, self.index = vendor, index
        url = _with_port(url)
        key = os.environ.get(f"{vendor.upper()}_API_KEY")
        options: dict[str, Any] = {"max_retries": 0, "retry_on_timeout": False}
        # They warn of each failure, also of those that are mended.
        logging.getLogger({"opensearch": "opensearch", "elasticsearch": "elastic_transport"}[vendor]).setLevel(logging.ERROR)
        try:
            if vendor == "opensearch":
                import opensearchpy

                headers = {"Authorization": f"ApiKey {key}"} if key else None
                self._client: Any = opensearchpy.OpenSearch(url, pool_maxsize=connections, timeout=TIMEOUT, headers=headers, **options)
                self._lost: tuple[type[Exception], ...] = (opensearchpy.ConnectionError,)
                self._insecure: type[Exception] = opensearchpy.SSLError
                self._refused: tuple[type[Exception], ...] = (opensearchpy.OpenSearchException,)
            else:
                import elasticsearch
                from elastic_transport import TlsError

                self._client = elasticsearch.Elasticsearch(
                    url, connections_per_node=connections, request_timeout=TIMEOUT, api_key=key, **options
                )
                self._lost = (elasticsearch.ConnectionError, elasticsearch.ConnectionTimeout)
                self._insecure = TlsError
                self._refused = (elasticsearch.ApiError, elasticsearch.TransportError, ValueError)
        except ImportError:
            raise EngineError(f"this needs the client of {vendor}; run: pip install 'splade_lucene[{vendor}]'") from None

    def mapping(self) -> dict[str, Any] | None:
        """The index's mapping, None if there is no such index."""
        try:
            answer = self._call(lambda: self._client.indices.get_mapping(index=self.index))
        except _NotFoundError:
            return None
        (found,) = answer.values()
        mapping: dict[str, Any] = found["mappings"]
        return mapping

    def create(self, body: Mapping[str, Any]) -> None:
        """Makes the index."""
        if self.vendor == "opensearch":
            self._call(lambda: self._client.indices.create(index=self.index, body=body))
        else:
            self._call(lambda: self._client.indices.create(index=self.index, **body))

    def delete(self) -> None:
        """Deletes the index."""
        self._call(lambda: self._client.indices.delete(index=self.index))

    def bulk(self, lines: Sequence[str]) -> list[dict[str, Any]]:
        """Sends actions and documents, a line each; returns the outcome for each document."""
        if self.vendor == "opensearch":
            answer = self._call(lambda: self._client.bulk(index=self.index, body="".join(f"{line}\n" for line in lines)))
        else:
            answer = self._call(lambda: self._client.bulk(index=self.index, operations=lines))
        return [outcome for item in answer["items"] for outcome in item.values()]

    def count(self) -> int:
        """The number of documents, those that were sent just now too."""
        self._call(lambda: self._client.indices.refresh(index=self.index))
        return int(self._call(lambda: self._client.count(index=self.index))["count"])

    def search(self, body: Mapping[str, Any]) -> list[tuple[str, float]]:
        """Ids and scores of the hits."""
        if self.vendor == "opensearch":
            answer = self._call(lambda: self._client.search(index=self.index, body=body))
        else:
            options = {"source" if name == "_source" else name: value for name, value in body.items()}
            answer = self._call(lambda: self._client.search(index=self.index, **options))
        if answer.get("timed_out") or answer["_shards"]["failed"]:
            raise BusyError(f"{answer['_shards']['failed']} shards of {self.index} did not answer")
        return [(hit["_id"], hit["_score"]) for hit in answer["hits"]["hits"]]

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _call(self, request: Callable[[], Any]) -> Any:
        """What a request answers.

        Raises:
            BusyError: the server is busy or away, or the answer was lost.
            EngineError: the server refuses.
        """
        try:
            return request()
        except self._lost as error:
            if isinstance(error, self._insecure):
                raise EngineError(f"{self.vendor} is not what its certificate says, or has none ({_reason(error)})") from None
            raise BusyError(_reason(error)) from None
        except self._refused as error:
            status = getattr(error, "status_code", None)
            if status in BUSY:
                raise BusyError(f"status {status}") from None
            if status == _NOT_FOUND:
                raise _NotFoundError(f"{self.vendor} has no index {self.index!r}; check its name") from None
            raise EngineError(f"{self.vendor} refuses ({_reason(error)})") from None


class _NotFoundError(EngineError):
    pass


def _with_port(url: str) -> str:
    """A URL with its port, which Elasticsearch's client insists on."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else _PORT)
    except ValueError as error:
        raise EngineError(f"{url!r} is not an address of a server ({error})") from None
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise EngineError(f"{url!r} is not an address of a server; write http://HOST:PORT or https://HOST:PORT")
    user = parts.netloc.rpartition("@")[0]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{user + '@' if user else ''}{host}:{port}{parts.path}"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
