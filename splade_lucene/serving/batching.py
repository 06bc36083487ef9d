"""Encodes the queries of concurrent requests together: a matrix product of 16 short texts takes far less than 16 of one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from splade_lucene.serving.query_cache import CachingEncoder


class _Waiting(NamedTuple):
    text: str
    future: asyncio.Future[dict[str, int]]


class BatchingEncoder:
    """Encodes queries in batches, one batch at a time. Use it from one event loop.

    Args:
        encoder: what encodes.
        thread: where; one thread is enough, as the encoder uses all cores.
        wait: seconds that the first query of a batch waits for others.
        size: the most queries of a batch.
    """

    def __init__(self, encoder: CachingEncoder, thread: Executor, *, wait: float, size: int) -> None:
        self.encoder = encoder
        self._thread, self._wait, self._size = thread, wait, size
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None

    async def encode(self, text: str) -> dict[str, int]:
        """Encodes a query: token → impact."""
        known = self.encoder.known(text)
        if known is not None:
            return known
        future: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(text, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._wait and len(self._waiting) < self._size:
                    await asyncio.sleep(self._wait)
                batch: list[_Waiting] = []
                while self._waiting and len(batch) < self._size:
                    each = self._waiting.popleft()
                    if not each.future.done():  # its client is still there
                        batch.append(each)
                if batch:
                    await self._encode(batch)
        finally:
            self._running = None

    async def _encode(self, batch: Sequence[_Waiting]) -> None:
        try:
            encoded = await asyncio.get_running_loop().run_in_executor(
                self._thread, self.encoder.encode_queries, [each.text for each in batch]
            )
        except Exception as error:  # whatever it is, it belongs to the request, not to the server
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for each in batch:  # the others of the batch are not to blame
                await self._encode([each])
            return
        for each, impacts in zip(batch, encoded, strict=True):
            if not each.future.done():
                each.future.set_result(impacts)


def _fail(each: _Waiting, error: Exception) -> None:
    if not each.future.done():
        each.future.set_exception(error)
