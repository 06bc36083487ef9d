"""Makes the archive of Java's classes: lists those that searches load, then has Java archive them.

    python -m splade_lucene.lucene.class_training

The first `splade-lucene search` of a user starts this in the background; a container's build can run it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.class_archive import CLASSES, NATIVE_ACCESS, ClassArchive, archive_of
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.searcher import LuceneSearcher
from splade_lucene.records import EncoderRecord, EncoderSide, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.writer import VectorWriter

_LIST = "classes"
# Seconds after which Java is stuck.
_PATIENCE = 300
_DOCUMENTS = 1000
# Archives that stay: of two environments.
_KEPT = 2


def make_archive(archive: ClassArchive) -> None:
    """Makes an archive, unless another process is at it or it is there.

    Raises:
        JavaError: Java could not; the archive's ``failure`` says so, too.
        OSError: the folder cannot be written.
    """
    folder = archive.file.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(archive.file.with_suffix(".lock"), mode=0o600, blocking=False):
            if not archive.usable():
                _make(archive)
                _remove_others(archive)
    except Timeout:
        return
    except (JavaError, subprocess.TimeoutExpired) as error:
        archive.failure.write_text(f"{error}\n", encoding="utf-8")
        raise


def _make(archive: ClassArchive) -> None:
    home, anserini = jvm.java_home(), jvm.anserini_jar()
    with TemporaryDirectory(prefix=".java-", dir=archive.file.parent) as name:
        folder = Path(name)
        jar, made = folder / "own.jar", folder / "archive"
        with zipfile.ZipFile(jar, "w") as whole:
            for file in sorted(CLASSES.rglob("*.class")):
                whole.write(file, file.relative_to(CLASSES))
        jar.replace(archive.jar)  # Java keeps its path in the archive
        _build_indexes(folder)
        _run([sys.executable, "-m", "splade_lucene.lucene.class_training", str(folder)])
        files = [f"-XX:SharedClassListFile={folder / _LIST}", f"-XX:SharedArchiveFile={made}"]
        options = ["-Xlog:disable", "-Xlog:all=error:stderr", "-XX:+UseG1GC", NATIVE_ACCESS, "-cp", f"{anserini}{os.pathsep}{archive.jar}"]
        _run([str(home / "bin" / "java"), "-Xshare:dump", *files, *options])
        made.replace(archive.file)


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except OSError as error:
        raise JavaError(f"{command[0]} cannot be started ({error.strerror})") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["without a word"]
        raise JavaError(f"{command[0]} ended with status {done.returncode}: {lines[-1]}")


def _remove_others(archive: ClassArchive) -> None:
    """Java and Anserini are updated, and archives of those from before would stay for ever."""
    found = sorted(archive.file.parent.glob("java-*.jsa"), key=lambda file: file.stat().st_mtime)
    for file in found[:-_KEPT]:
        for kind in (".jsa", ".jar", ".failure", ".lock"):
            file.with_suffix(kind).unlink(missing_ok=True)


def _build_indexes(folder: Path) -> None:
    # As many as have skip lists in their postings.
    passages = [Passage(f"d{number}", f"search of documents {number}") for number in range(_DOCUMENTS)]
    vectors = [ImpactVector(passage.doc_id, {token: 10 + at for at, token in enumerate(passage.text.split())}) for passage in passages]
    side = EncoderSide("none", None, "", "")
    writer = VectorWriter(folder / "vectors", encoder=EncoderRecord(side, side, 64, 100, "fp32"), settings=VectorSettings())
    writer.write_shard(passages, vectors)
    writer.finish()
    build_impact_index(folder / "vectors", folder / "impact")
    build_bm25_index(passages, folder / "bm25")


def _list_classes(folder: Path) -> None:
    """Does what `splade-lucene search` does, with each kind of index, in a JVM that writes down its classes."""
    import jnius_config

    jnius_config.add_options(f"-XX:DumpLoadedClassList={folder / _LIST}")
    jvm.start(brief=True)
    searchers: list[LuceneSearcher[Any]] = [ImpactIndexSearcher(folder / "impact", _Words()), Bm25Searcher(folder / "bm25")]
    for searcher in searchers:
        with searcher:
            searcher.run_batch({"q": "documents 1"}, 10)
            searcher.mean_length()
            searcher.document_frequencies(["documents"])


class _Words:
    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        return [dict.fromkeys(text.split(), 10) for text in texts]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _list_classes(Path(sys.argv[1]))
        sys.stdout.flush()
        os._exit(0)  # Python's end would take the JVM apart
    os.nice(10)
    wanted = archive_of(jvm.java_home(), jvm.anserini_jar())
    if wanted is None:
        sys.exit("there is no cache folder")
    make_archive(wanted)
