"""Keeps transformers from printing bars and warnings while it loads a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Within the block transformers prints errors alone."""
    from transformers.utils import logging

    logs: Any = logging
    had_progress, verbosity = logs.is_progress_bar_enabled(), logs.get_verbosity()
    logs.disable_progress_bar()
    logs.set_verbosity_error()
    try:
        yield
    finally:
        logs.set_verbosity(verbosity)
        if had_progress:
            logs.enable_progress_bar()
