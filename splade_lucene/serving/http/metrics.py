"""What Prometheus can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from splade_lucene.serving.service import SearchService

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts requests of one server.

    Args:
        service: whose indexes and queue are shown.
    """

    def __init__(self, service: SearchService) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("splade_lucene_requests", "Requests answered", ["route", "method", "status"], registry=self._registry)
        self._seconds = Histogram(
            "splade_lucene_request_seconds",
            "Time from the request's head to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._reloads = Counter("splade_lucene_index_reloads", "Indexes opened again after a change", ["index"], registry=self._registry)
        self._registry.register(_State(service))
        ProcessCollector(registry=self._registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def reloaded(self, index: str) -> None:
        """Counts the reload of an index."""
        self._reloads.labels(index).inc()

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class _State(Collector):
    """What is looked up when it is asked for."""

    def __init__(self, service: SearchService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        current = GaugeMetricFamily("splade_lucene_requests_in_progress", "Requests that wait or run")
        current.add_metric([], self._service.admission.current)
        yield current
        documents = GaugeMetricFamily("splade_lucene_index_documents", "Documents of an index", labels=["index", "kind"])
        for index in self._service.catalog:
            card = index.current.card
            documents.add_metric([index.name, card.kind], card.documents)
        yield documents
