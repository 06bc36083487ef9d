"""Threads that call into Java."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from splade_lucene.lucene import jvm


def check_threads(threads: int) -> None:
    """Makes sure that there is at least one thread.

    Raises:
        ValueError: there is none.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")


def run_in_threads(tasks: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Runs each task in a thread of its own, a single one in this thread, and raises what the first that failed has raised.

    Args:
        tasks: what to run, if anything.
        stop: makes all tasks end soon; called where one fails, or this thread is interrupted.
    """
    if len(tasks) == 1:
        tasks[0]()
        return

    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException:
            stop()
            raise
        finally:
            jvm.jnius().detach()  # a thread that ends while attached to the JVM leaks its Java half

    with ThreadPoolExecutor(len(tasks) or 1) as pool:
        running = [pool.submit(run, task) for task in tasks]
        try:
            for each in running:
                each.result()
        except BaseException:
            stop()
            raise
