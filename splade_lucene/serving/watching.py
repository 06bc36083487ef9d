"""The watch over index folders: what was replaced on disk is opened again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from splade_lucene.serving.catalog import Catalog
from splade_lucene.serving.logs import log_event

# Seconds between two looks.
_PAUSE = 1.0


@asynccontextmanager
async def watched(catalog: Catalog, reloaded: Callable[[str], None] = lambda name: None) -> AsyncIterator[None]:
    """Looks after the folders of a catalog during a block.

    Args:
        catalog: the indexes.
        reloaded: told the name of each index that was opened again.
    """
    task = asyncio.create_task(_watch(catalog, reloaded))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(catalog: Catalog, reloaded: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            names = await asyncio.to_thread(catalog.reload_changed)
        except Exception:  # keep watching, whatever a folder holds
            log_event("watch failed", level=logging.ERROR, exc_info=True)
            continue
        for name in names:
            reloaded(name)
            log_event("index reloaded", index=name, documents=catalog[name].current.card.documents)
