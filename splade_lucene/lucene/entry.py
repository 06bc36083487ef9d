"""Calls our own Java classes (``java/``) through one method, ``Entry.call``.

In a JVM that we started they are on its class path, and pyjnius calls that method. In one that somebody else started they are found by a
loader of their own, whose classes pyjnius cannot name, so the method is called by its handle. Either way what comes back are proxies of
Java's own interfaces: functions, or opaque objects to pass back. See :mod:`~splade_lucene.lucene.java` for the rule of calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from splade_lucene.lucene import jvm
from splade_lucene.lucene.class_archive import CLASSES
from splade_lucene.lucene.java import java_class, java_type

# One loader for all threads: classes of two loaders are not the same.
_loading = threading.Lock()


def call(name: str, **given: Any) -> Any:
    """What ``Entry.java`` answers.

    Args:
        name: of what to do.
        given: strings, numbers and flags, which travel as strings, and Java objects.
    """
    with _loading:
        entry = _entry()
    return entry(name, {key: str(int(value)) if isinstance(value, int) else value for key, value in given.items()})


@cache
def _entry() -> Callable[[str, Mapping[str, Any]], Any]:
    jnius = jvm.jnius()
    try:
        jnius.find_javaclass("splade_lucene.Entry")
    except jnius.JavaException:
        return _entry_by_handle()
    # Declared here: pyjnius would ask Java for every method of every class in their signatures, which takes longer than a search.
    made, method = jnius.MetaJavaClass, jnius.JavaStaticMethod("(Ljava/lang/String;Ljava/util/Map;)Ljava/lang/Object;")
    entry = made("splade_lucene.Entry", (jnius.JavaClass,), {"__javaclass__": "splade_lucene/Entry", "call": method})
    put = jnius.JavaMethod("(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;")
    given_class = made("splade_lucene.Entry$Given", (jnius.JavaClass,), {"__javaclass__": "splade_lucene/Entry$Given", "put": put})

    def direct(name: str, given: Mapping[str, Any]) -> Any:
        arguments = given_class()
        for key, value in given.items():
            arguments.put(key, value)
        return entry.call(name, arguments)

    return direct


def _entry_by_handle() -> Callable[[str, Mapping[str, Any]], Any]:
    folder, writer = java_class("Paths").get(str(CLASSES)), java_type("IndexWriter")
    uri, parent = folder.toUri(), writer.getClassLoader()
    urls = [uri.toURL()]
    loader = java_class("URLClassLoader")(urls, parent)
    of, types = loader.loadClass("splade_lucene.Entry"), [java_type("String"), java_type("Map")]
    kind, lookup = java_class("MethodType").methodType(java_type("Object"), types), java_class("MethodHandles").publicLookup()
    # Called as it is: a function made of it has, from Java 22 on, a hidden class that pyjnius does not find.
    handle = lookup.findStatic(of, "call", kind)

    def by_handle(name: str, given: Mapping[str, Any]) -> Any:
        named, both = java_class("HashMap")(), java_class("ArrayList")()
        for key, value in given.items():
            named.put(key, value)
        both.add(name)
        both.add(named)
        return handle.invokeWithArguments(both)

    return by_handle


def _forget() -> None:
    """In a forked process the next call asks the JVM again, and is told that it is not one of that process."""
    global _loading  # noqa: PLW0603  # a thread that is not there any more may hold it
    _loading = threading.Lock()
    _entry.cache_clear()


os.register_at_fork(after_in_child=_forget)
