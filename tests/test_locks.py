"""One process at a time on an output, and what killed processes leave goes away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from splade_lucene.core import atomic, files
from splade_lucene.core.files import atomic_file, atomic_folder
from splade_lucene.core.locks import locked
from splade_lucene.errors import InputError

ROOT = Path(__file__).parents[1]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def hold(code: str, path: Path) -> subprocess.Popen[str]:
    """Starts a process that writes ``path`` and says so, and then waits to be ended."""
    script = "from pathlib import Path\nfrom splade_lucene.core.files import *\nfrom splade_lucene.core.locks import locked\n"
    script += f"path = Path({str(path)!r})\n"
    script += f"with {code} as made:\n    print(made, flush=True)\n    input()"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    child.stdout.readline()
    return child


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()


def test_a_lock_keeps_others_out_until_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        refused = pytest.raises(InputError, match=f"process .PID {os.getpid()}.; wait until it is done or give")
        with locked(tmp_path / "out"), refused, locked(tmp_path / "out"):
            pytest.fail("two have the lock")
    assert names(tmp_path) == []


def test_a_lock_is_one_whatever_the_path_is_called(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with locked(tmp_path / "real"), pytest.raises(InputError), locked(tmp_path / "x" / ".." / "link"):
        pytest.fail("two have the lock")


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    child = hold("locked(path)", tmp_path / "out")
    with pytest.raises(InputError, match=f"PID {child.pid}"), locked(tmp_path / "out"):
        pytest.fail("two have the lock")
    kill(child)
    assert names(tmp_path) == [".out.lock"]
    with locked(tmp_path / "out"):
        pass
    assert names(tmp_path) == []


def test_of_many_threads_one_at_a_time_has_the_lock(tmp_path: Path) -> None:
    inside, most, taken = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, taken
        while taken < 200:
            try:
                with locked(tmp_path / "out"):
                    inside += 1
                    most = max(most, inside)
                    taken += 1
                    inside -= 1
            except InputError:
                continue

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and taken >= 200
    assert names(tmp_path) == []


def _count(path: Path, times: int) -> None:
    for _ in range(times):
        while True:
            try:
                with locked(path):
                    path.write_text(str(int(path.read_text()) + 1))
                break
            except InputError:
                continue


def test_of_many_processes_one_at_a_time_has_the_lock(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_count, args=(tmp_path / "count", 100)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert (tmp_path / "count").read_text() == "300"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_killed_process_left_goes_away_and_what_a_living_one_has_stays(tmp_path: Path, kind: str) -> None:
    code = "atomic_folder(path, overwrite=True)" if kind == "folder" else "atomic_file(path)"
    kill(hold(code, tmp_path / "out"))
    other = hold(code, tmp_path / "out.other")  # whose temporary names begin alike
    before = {name for name in names(tmp_path) if name.startswith(".out.other.")}
    assert len(names(tmp_path)) > len(before)
    if kind == "folder":
        with atomic_folder(tmp_path / "out", overwrite=False) as folder:
            (folder / "a").write_text("new")
    else:
        with atomic_file(tmp_path / "out") as stream:
            stream.write("new")
    assert set(names(tmp_path)) == {"out", *before}
    other.communicate("\n")
    assert names(tmp_path) == ["out", "out.other"]


def test_a_living_writer_of_the_same_file_is_left_alone_and_the_last_one_stays(tmp_path: Path) -> None:
    child = hold("atomic_file(path)", tmp_path / "out")
    with atomic_file(tmp_path / "out") as stream:
        stream.write("mine")
    assert (tmp_path / "out").read_text() == "mine"
    child.communicate("\n")
    assert child.returncode == 0
    assert (tmp_path / "out").read_text() == ""


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    child = hold("atomic_folder(path, overwrite=True)", tmp_path / "out")
    with pytest.raises(InputError, match="is being written by another process"), atomic_folder(tmp_path / "out", overwrite=True):
        pytest.fail("two write")
    child.communicate("\n")
    assert child.returncode == 0 and names(tmp_path) == ["out"]


@pytest.fixture(params=["one step", "two steps"])
def swapping(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the system's swap of names, and as on systems that have none."""
    if request.param == "two steps":
        monkeypatch.setattr(files, "swap", lambda first, second: False)


@pytest.mark.usefixtures("swapping")
def test_an_old_folder_gives_way_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with atomic_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "new").touch()
    assert (names(tmp_path), names(tmp_path / "out")) == (["out"], ["new"])


def test_this_system_swaps_in_one_step(tmp_path: Path) -> None:
    if sys.platform not in {"linux", "darwin"}:
        pytest.skip("no swap of names")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"of {name}").touch()
    assert atomic.swap(tmp_path / "a", tmp_path / "b")
    assert (names(tmp_path / "a"), names(tmp_path / "b")) == (["of b"], ["of a"])
    assert not atomic.swap(tmp_path / "a", tmp_path / "c")


def test_a_process_killed_between_two_steps_has_lost_nothing(tmp_path: Path) -> None:
    """On a system without a swap the old folder has no name for a moment; the next writer gives it back, whatever becomes of its own."""
    (tmp_path / ".out.abcd1234.old").mkdir()
    (tmp_path / ".out.abcd1234.old" / "old").touch()
    (tmp_path / ".out.abcd5678.tmp").mkdir()
    with pytest.raises(InputError, match="exists already"), atomic_folder(tmp_path / "out", overwrite=False):
        pytest.fail("the old one was lost")
    assert (names(tmp_path), names(tmp_path / "out")) == (["out"], ["old"])


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_folder(tmp_path / "link", overwrite=True) as folder:
        (folder / "new").touch()
    assert names(tmp_path) == ["link", "real"] and (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == ["new"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_a_file_replaces_only_a_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """As root, writing a run to /dev/null would otherwise put a file in its place."""
    make(tmp_path / "out")
    with pytest.raises(InputError, match="is not a regular file, refusing to overwrite it"), atomic_file(tmp_path / "out"):
        pytest.fail("it was opened")
    assert names(tmp_path) == ["out"]


def test_temporary_files_are_private(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a"), atomic_folder(tmp_path / "b", overwrite=False), locked(tmp_path / "c"):
        modes = {each.name.split(".")[1]: each.stat().st_mode & 0o777 for each in tmp_path.iterdir() if not each.name.endswith(".lock")}
        locks = {each.stat().st_mode & 0o777 for each in tmp_path.glob(".*.lock")}
    assert (modes, locks) == ({"a": 0o600, "b": 0o700}, {0o600})
