"""The number of processors follows affinity and quota, whatever the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from splade_lucene.core import processors
from splade_lucene.core.processors import cpu_quota, usable_processors


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 processors without a quota; its control groups are in the folder that is returned."""
    (tmp_path / "groups").mkdir()
    (tmp_path / "self").write_text("0::/\n")
    monkeypatch.setattr(processors, "_PROC", tmp_path / "self")
    monkeypatch.setattr(processors, "_CGROUPS", tmp_path / "groups")
    name = "process_cpu_count" if hasattr(os, "process_cpu_count") else "sched_getaffinity"
    monkeypatch.setattr(os, name, (lambda: 64) if name == "process_cpu_count" else (lambda _: set(range(64))), raising=False)
    return tmp_path / "groups"


def version_2(folder: Path, quota: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(f"{quota} 100000\n")


def test_without_a_quota_all_processors_of_the_affinity_count(host: Path) -> None:
    assert usable_processors() == 64
    version_2(host, "max")
    assert (cpu_quota(), usable_processors()) == (None, 64)


@pytest.mark.parametrize(("quota", "threads"), [("150000", 2), ("100000", 1), ("5000", 1), ("6400000", 64), ("9000000", 64)])
def test_a_quota_of_a_container_counts_rounded_up(host: Path, quota: str, threads: int) -> None:
    version_2(host, quota)
    assert usable_processors() == threads


def test_a_quota_of_one_and_a_half_processors_is_found_in_version_1_too(host: Path) -> None:
    (host.parent / "self").write_text("5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/unused\n")
    folder = host / "cpu,cpuacct"
    folder.mkdir()
    (folder / "cpu.cfs_quota_us").write_text("150000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert (cpu_quota(), usable_processors()) == (1.5, 2)
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert (cpu_quota(), usable_processors()) == (None, 64)


def test_the_smallest_quota_on_the_way_to_the_root_counts(host: Path) -> None:
    (host.parent / "self").write_text("0::/kubepods/pod/container\n")
    version_2(host / "kubepods" / "pod" / "container", "max")
    version_2(host / "kubepods" / "pod", "150000")
    version_2(host / "kubepods", "800000")
    assert (cpu_quota(), usable_processors()) == (1.5, 2)


@pytest.mark.parametrize("content", ["", "nonsense\n", "150000\n", "150000 0\n", "x y\n"])
def test_what_cannot_be_read_is_no_quota(host: Path, content: str) -> None:
    (host / "cpu.max").write_text(content)
    assert usable_processors() == 64


def test_without_proc_there_is_no_quota(host: Path) -> None:
    (host.parent / "self").unlink()
    assert usable_processors() == 64
