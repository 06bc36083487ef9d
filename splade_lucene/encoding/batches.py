"""Texts through a network, batch by batch, in several threads."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from typing import Generic, Protocol, TypeVar

import torch

from splade_lucene.encoding.batching import batches_by_length
from splade_lucene.encoding.sparse import NO_WEIGHTS, SparseWeights
from splade_lucene.encoding.threads import encoding_executor, encoding_threads, one_thread
from splade_lucene.encoding.tokenizer import Tokenizer
from splade_lucene.errors import ModelError

# Tokens per batch, padding included: large enough for matrix products to run at speed, small enough for any machine; on a CPU small
# enough for its caches and for all threads to have some (docs/encoding.md).
_TOKEN_BUDGET = 4096
_TOKEN_BUDGETS = {"cpu": 1024, "cuda": 65536}
# A text counts as at least that many tokens of those large batches: its weights take memory as well, however short it is.
_LEAST = {"cuda": 64}
# Threads that feed a GPU: one prepares a batch and takes the weights of one apart while the GPU computes that of the other.
_FEEDING = 2
# Operations from which on a text that is encoded alone gets all threads of torch: one thread would take a tenth of a second.
_LONG = 1e10
# Windows whose batches wait for a thread while the one before is being encoded.
_AHEAD = 1

Bag = TypeVar("Bag")


class Network(Protocol):
    """What turns token ids into weights.

    Attributes:
        tokenizer: texts to the token ids that it reads.
        tokens: the vocabulary, in the order of the weights.
        max_positions: the largest number of tokens that can be read at once.
        device_type: ``cpu``, ``cuda`` or what else torch calls it.
        kernels: that compute its products: ``torch``, ``onednn`` or ``triton``.
        products: multiplications with weights that a token costs.
    """

    tokenizer: Tokenizer
    tokens: list[str]
    max_positions: int
    device_type: str
    kernels: str
    products: int

    def pooled_weights(self, token_ids: Sequence[list[int]]) -> list[SparseWeights]:
        """Pools a batch: the weights of each text."""


class BatchEncoder:
    """Encodes texts in batches.

    Batches are cut before they are dealt out, and each is computed by one thread: results do not depend on the number of threads.

    Args:
        network: token ids to weights.
        name: of the model, for messages.
    """

    def __init__(self, network: Network, name: str) -> None:
        self._network, self._name = network, name
        self._budget = _TOKEN_BUDGETS.get(network.device_type, _TOKEN_BUDGET)
        self._least = _LEAST.get(network.device_type, 1)

    def encode(self, windows: Iterable[Sequence[str]], max_length: int, bag: Callable[[SparseWeights], Bag]) -> Iterator[list[Bag]]:
        """Encodes texts in windows, those of a window sorted by length together.

        While one window is being encoded, the next is read and tokenized, and the caller has time for the one before. If reading
        fails, what was read before is yielded first.

        Args:
            windows: the texts; consumed as they are needed.
            max_length: tokens that a text is cut at.
            bag: makes what is wanted of the weights of a text. It runs in the threads that encode.

        Yields:
            For each window what became of its texts, in order.

        Raises:
            ModelError: a text is too much for the memory of a GPU.
        """
        pending: deque[_Window[Bag]] = deque()
        source, failure = iter(windows), None
        try:
            while failure is None:
                try:
                    texts = next(source, None)
                except Exception as error:
                    failure = error
                    break
                if texts is None:
                    break
                pending.append(self._deal(texts, max_length, bag))
                if len(pending) > _AHEAD:
                    yield pending.popleft().bags()
            while pending:
                yield pending.popleft().bags()
            if failure is not None:
                raise failure
        finally:
            for window in pending:
                window.cancel()

    def encode_now(self, texts: Sequence[str], max_length: int, bag: Callable[[SparseWeights], Bag]) -> list[Bag]:
        """Encodes texts, sorted by length together; what is only one batch is encoded by the calling thread."""
        return self._deal(texts, max_length, bag, alone=True).bags()

    def _deal(self, texts: Sequence[str], max_length: int, bag: Callable[[SparseWeights], Bag], *, alone: bool = False) -> _Window[Bag]:
        """Cuts texts into batches and deals them out; a single batch is encoded here and now if ``alone``."""
        token_ids = self._network.tokenizer.token_ids(texts, max_length)
        # A text without a token, which a tokenizer without special tokens makes of an empty one, stays an empty bag.
        filled = [position for position, ids in enumerate(token_ids) if ids]
        batches = [[filled[place] for place in batch] for batch in self._cut([token_ids[position] for position in filled])]
        works = [partial(self._encode_batch, [token_ids[position] for position in batch], bag) for batch in batches]
        results: list[Future[list[Bag]]]
        if alone and len(works) == 1:
            work = 2 * self._network.products * sum(map(len, token_ids))
            with nullcontext() if len(texts) == 1 and work > _LONG else one_thread():
                results = [_done(works[0])]
        else:
            executor = encoding_executor(self._threads())
            results = [executor.submit(work) for work in works]
        return _Window(len(texts), batches, results, partial(bag, NO_WEIGHTS))

    def _cut(self, token_ids: Sequence[list[int]]) -> Iterator[list[int]]:
        return batches_by_length([max(len(ids), self._least) for ids in token_ids], self._budget)

    def _threads(self) -> int:
        return encoding_threads() if self._network.device_type == "cpu" else _FEEDING

    def _encode_batch(self, token_ids: Sequence[list[int]], bag: Callable[[SparseWeights], Bag]) -> list[Bag]:
        return [bag(row) for row in self._pool(token_ids)]

    def _pool(self, token_ids: Sequence[list[int]]) -> list[SparseWeights]:
        """The weights of a batch, in smaller ones where the memory of a GPU is too small for it.

        Args:
            token_ids: of each text; each has at least one.

        Returns:
            The weights of each text.

        Raises:
            ModelError: a single text is too much.
        """
        tokens = len(token_ids) * max(map(len, token_ids))
        if len(token_ids) == 1 or tokens <= self._budget:  # which may have shrunk since the batches were planned
            try:
                return self._network.pooled_weights(token_ids)
            except torch.OutOfMemoryError:
                pass  # what follows should not keep alive what the exception holds on to
            self._shrink(tokens, alone=len(token_ids) == 1)
        pooled: dict[int, SparseWeights] = {}
        for places in self._cut(token_ids):
            pooled.update(zip(places, self._pool([token_ids[place] for place in places]), strict=True))
        return [pooled[place] for place in range(len(token_ids))]

    def _shrink(self, tokens: int, *, alone: bool) -> None:
        """Halves the budget after a batch of ``tokens`` tokens was too large for memory."""
        if alone:
            raise ModelError(
                f"the memory of the device is too small for {self._name} to read a text of {tokens} tokens; "
                "give a smaller --max-length, or --device cpu"
            )
        torch.cuda.empty_cache()
        if self._budget > tokens // 2:  # otherwise another thread was here
            self._budget = tokens // 2
            warnings.warn(
                f"the memory of the device is too small for {tokens} tokens at once; continuing with {tokens // 2}",
                RuntimeWarning,
                stacklevel=2,
            )


class _Window(Generic[Bag]):
    """Texts whose batches were dealt out.

    Args:
        texts: how many.
        batches: which of them each batch has.
        results: what becomes of each batch.
        empty: makes what becomes of a text that is in no batch.
    """

    def __init__(self, texts: int, batches: list[list[int]], results: list[Future[list[Bag]]], empty: Callable[[], Bag]) -> None:
        self._texts, self._batches, self._results, self._empty = texts, batches, results, empty

    def bags(self) -> list[Bag]:
        """What became of the texts, in their order, as soon as all are encoded."""
        found: dict[int, Bag] = {}
        try:
            for batch, result in zip(self._batches, self._results, strict=True):
                found.update(zip(batch, result.result(), strict=True))
        except BaseException:  # Ctrl-C too
            self.cancel()
            raise
        return [found[position] if position in found else self._empty() for position in range(self._texts)]

    def cancel(self) -> None:
        """Cancels the batches that no thread has started."""
        for result in self._results:
            result.cancel()


def _done(work: Callable[[], list[Bag]]) -> Future[list[Bag]]:
    """Does the work in the calling thread."""
    future: Future[list[Bag]] = Future()
    future.set_result(work())
    return future
