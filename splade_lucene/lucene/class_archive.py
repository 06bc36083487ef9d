"""Java's classes in one file that the JVM maps when it starts, instead of reading and checking each: class-data sharing.

The file is in the user's cache folder. It belongs to one Java, one Anserini and one version of our own classes, of which its name has
the hash. Java makes sure on its own that they are the same, and starts without the file where they are not.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# The environment variable that names the cache folder; ``off`` for none.
SETTING = "SPLADE_LUCENE_CACHE"
# To be raised where what is in the archive, or how it is made, changes.
_FORMAT = "2"
# Lucene 10 calls the operating system's memory functions, of which Java would warn. An archive made without it is of less use with it.
NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED"
# Of our own Java classes.
CLASSES = Path(__file__).absolute().parent / "classes"


class ClassArchive(NamedTuple):
    """The archive for one Java, whether it is there or not.

    Attributes:
        file: the archive.
        jar: our own classes: Java archives only classes from jars.
        failure: why it could not be made, if that was tried.
    """

    file: Path
    jar: Path
    failure: Path

    def usable(self) -> bool:
        """Whether it was made, by this user: its classes are run as they are."""
        try:
            return {self.file.stat().st_uid, self.jar.stat().st_uid} == {os.getuid()}
        except OSError:
            return False

    def options(self) -> list[str]:
        """What starts Java with it. Of an archive that does not fit, Java says so on standard output unless its log is off."""
        return [f"-XX:SharedArchiveFile={self.file}", "-Xshare:auto", "-Xlog:disable"]


def cache_folder() -> Path | None:
    """The folder of archives, there or not; None if the user wants none or has no home."""
    setting = os.environ.get(SETTING)
    if setting is not None:
        return None if setting in ("", "off") else Path(setting).absolute()
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "splade_lucene"
    except RuntimeError:  # there is no home
        return None


def archive_of(home: Path, jar: Path) -> ClassArchive | None:
    """The archive for a Java and Anserini's jar, made or not; None if there is no cache folder."""
    folder = cache_folder()
    if folder is None:
        return None
    key = hashlib.sha256("\n".join((_FORMAT, *map(_state, _files(home, jar)))).encode()).hexdigest()[:16]
    return ClassArchive(*(folder / f"java-{key}.{kind}" for kind in ("jsa", "jar", "failure")))


def make_in_background(archive: ClassArchive) -> None:
    """Makes the archive in a process that outlives this one, unless that failed before or the folder cannot be written."""
    folder = archive.file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return
    if archive.failure.exists() or not os.access(folder, os.W_OK):
        return
    subprocess.Popen(
        [sys.executable, "-m", "splade_lucene.lucene.class_training"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def why_not(archive: ClassArchive | None) -> str:
    """Why there is no archive, as a sentence for people."""
    if archive is None:
        return f"there is no cache folder ({SETTING} is off, or there is no home)"
    folder = archive.file.parent
    if archive.failure.exists():
        return f"making it failed: {archive.failure.read_text(encoding='utf-8').strip()} (delete {archive.failure} to try again)"
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK) or not existing.is_dir():
        return f"{existing} cannot be written"
    return f"`splade-lucene search` makes it in {folder} once it has answered"


def _files(home: Path, jar: Path) -> Iterator[Path]:
    yield home / "release"
    yield from sorted((home / "lib" / "server").glob("libjvm.*"))
    yield jar
    yield from sorted(CLASSES.rglob("*.class"))


def _state(file: Path) -> str:
    found = file.stat()
    return f"{file} {found.st_size} {found.st_mtime_ns}"
