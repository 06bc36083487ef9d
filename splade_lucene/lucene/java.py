"""The names of all Java classes that this package uses, in one place.

A rule for every call: pyjnius keeps the object of a method in a place that all objects of its class share, from the moment the method
is looked up. So arguments are made before the call, never inside its parentheses: while they are made, another thread could look the
same method up on another object. And where several threads can be, the object has a variable of its own: an object that only that
place holds ends when another thread puts its own there, in the middle of the call.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from splade_lucene.lucene import jvm

_PRIMITIVES = {"void": "Void", "boolean": "Boolean", "int": "Integer"}
_CLASSES = {
    name.rpartition(".")[2].replace("$", ""): name
    for name in (
        "com.fasterxml.jackson.databind.ObjectMapper",
        "io.anserini.analysis.AnalyzerMap",
        "io.anserini.analysis.AnalyzerUtils",
        "io.anserini.analysis.DefaultEnglishAnalyzer",
        "io.anserini.index.IndexCollection",
        "io.anserini.index.IndexCollection$Args",
        "io.anserini.search.query.BagOfWordsQueryGenerator",
        "io.anserini.search.similarity.ImpactSimilarity",
        "java.lang.Class",
        "java.lang.Float",
        "java.lang.Integer",
        "java.lang.Object",
        "java.lang.String",
        "java.lang.Void",
        "java.lang.invoke.MethodHandles",
        "java.lang.invoke.MethodType",
        "java.net.URLClassLoader",
        "java.nio.file.Paths",
        "java.util.ArrayList",
        "java.util.HashMap",
        "java.util.Map",
        "java.util.function.BiFunction",
        "java.util.function.Function",
        "org.apache.lucene.analysis.Analyzer",
        "org.apache.lucene.analysis.core.WhitespaceAnalyzer",
        "org.apache.lucene.index.DirectoryReader",
        "org.apache.lucene.index.FieldInfos",
        "org.apache.lucene.index.IndexReader",
        "org.apache.lucene.index.IndexWriter",
        "org.apache.lucene.index.IndexWriterConfig",
        "org.apache.lucene.index.LogDocMergePolicy",
        "org.apache.lucene.index.MergePolicy",
        "org.apache.lucene.index.MultiReader",
        "org.apache.lucene.index.Term",
        "org.apache.lucene.search.BoostQuery",
        "org.apache.lucene.search.IndexSearcher",
        "org.apache.lucene.search.Query",
        "org.apache.lucene.search.TermQuery",
        "org.apache.lucene.search.similarities.BM25Similarity",
        "org.apache.lucene.search.similarities.Similarity",
        "org.apache.lucene.store.Directory",
        "org.apache.lucene.store.FSDirectory",
        "org.apache.lucene.util.Version",
        "org.apache.logging.log4j.Level",
        "org.apache.logging.log4j.core.config.Configurator",
        "org.kohsuke.args4j.CmdLineParser",
    )
}


@cache
def java_class(name: str) -> Any:
    """A Java class by its short name (``Term``, ``FieldStore``), starting the JVM if needed.

    Raises:
        JavaError: the JVM cannot be started.
        KeyError: the class is not listed in this file.
    """
    return jvm.jnius().autoclass(_CLASSES[name])


@cache
def java_type(name: str) -> Any:
    """The ``java.lang.Class`` of a class by its short name, of a primitive type (``int``), or of an array (``Object[]``)."""
    if name in _PRIMITIVES:
        return java_class(_PRIMITIVES[name]).TYPE
    of, array, _ = name.partition("[]")
    return java_class("Class").forName(f"[L{_CLASSES[of]};" if array else _CLASSES[of])


# In a forked process the next call asks the JVM again, and is told that it is not one of that process.
os.register_at_fork(after_in_child=java_class.cache_clear)
os.register_at_fork(after_in_child=java_type.cache_clear)


def open_reader(index: Path) -> Any:
    """Lucene's reader of an index folder; close it. Java keeps the working directory that it started in, so it gets absolute paths."""
    path = java_class("Paths").get(str(index.absolute()))
    directory = java_class("FSDirectory").open(path)
    return java_class("DirectoryReader").open(directory)


def stores(reader: Any, field: str) -> bool:
    """Whether any document of an open index has a field."""
    every = upcast("IndexReader", reader)
    return java_class("FieldInfos").getMergedFieldInfos(every).fieldInfo(field) is not None


def postings_of(reader: Any, fields: Iterable[str]) -> int:
    """The number of (term, document) pairs in fields of an open index."""
    leaves = reader.leaves()
    contexts = [leaves.get(number) for number in range(leaves.size())]
    readers = [context.reader() for context in contexts]
    every = [leaf.terms(field) for leaf in readers for field in fields]
    return sum(terms.getSumDocFreq() for terms in every if terms is not None)


def lucene_version() -> str:
    """The version of the Lucene in Anserini's jar."""
    return str(java_class("Version").LATEST.toString())


def upcast(name: str, value: Any) -> Any:
    """``value`` as its superclass ``name``: pyjnius picks overloads by the declared class alone."""
    return jvm.jnius().cast(_CLASSES[name], value)
