"""Calls our own Java classes (``java/``), which pyjnius cannot name, as their loader is not Java's own.

The loader is one of their own so that they are found in a JVM that somebody else started, too. What comes back are proxies of Java's
own interfaces: functions, or opaque objects to pass back. See :mod:`~splade_lucene.lucene.java` for the rule of calls.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

from splade_lucene.lucene.java import java_class, java_type

# One loader for all threads: classes of two loaders are not the same.
_loading = threading.Lock()
_CLASSES = Path(__file__).absolute().parent / "classes"


def call(name: str, **given: Any) -> Any:
    """What ``Entry.java`` answers.

    Args:
        name: of what to do.
        given: strings, numbers and flags, which travel as strings, and Java objects.
    """
    with _loading:
        entry = _entry()
    arguments = java_class("HashMap")()
    for key, value in given.items():
        sent = str(int(value)) if isinstance(value, int) else value
        arguments.put(key, sent)
    both = java_class("ArrayList")()
    both.add(name)
    both.add(arguments)
    return entry.invokeWithArguments(both)


@cache
def _entry() -> Any:
    """The handle of ``Entry.call``."""
    folder, writer = java_class("Paths").get(str(_CLASSES)), java_type("IndexWriter")
    uri, parent = folder.toUri(), writer.getClassLoader()
    urls = [uri.toURL()]
    loader = java_class("URLClassLoader")(urls, parent)
    of, types = loader.loadClass("splade_lucene.Entry"), [java_type("String"), java_type("Map")]
    kind, lookup = java_class("MethodType").methodType(java_type("Object"), types), java_class("MethodHandles").publicLookup()
    # Called as it is: a function made of it has, from Java 22 on, a hidden class that pyjnius does not find.
    return lookup.findStatic(of, "call", kind)


def _forget() -> None:
    """In a forked process the next call asks the JVM again, and is told that it is not one of that process."""
    global _loading  # noqa: PLW0603  # a thread that is not there any more may hold it
    _loading = threading.Lock()
    _entry.cache_clear()


os.register_at_fork(after_in_child=_forget)
