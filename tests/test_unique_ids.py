"""Ids are remembered exactly, in memory and beyond."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from splade_lucene.collections.passages import read_passages
from splade_lucene.core import unique_ids
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError, SpladeLuceneError

IDS = ["d1", "D1", "d1\x00", "d1\x00b", "é", "e\u0301", "日本", "\U0001f600", "\ud800", "0", "00", "0.0", "NULL"]


@pytest.mark.parametrize("in_memory", [0, 1, 5, len(IDS), 10**6])
def test_an_id_is_new_once_wherever_it_is_kept(monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    monkeypatch.setattr(unique_ids, "_IN_MEMORY", in_memory)
    ids = UniqueIds()
    assert not ids
    for number, name in enumerate(IDS, start=1):
        assert [ids.add(name), ids.add(name), ids.add(IDS[0])] == [True, False, False]
        assert len(ids) == number
    assert not any(ids.add(name) for name in IDS)


def test_a_duplicate_far_behind_in_the_collection_is_refused_with_its_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unique_ids, "_IN_MEMORY", 10)
    lines = [f"d{number}\ttext" for number in range(1000)]
    (tmp_path / "corpus.tsv").write_text("\n".join([*lines, "d3\tagain"]))
    with pytest.raises(InputError, match=r"corpus\.tsv, line 1001: duplicate id 'd3'"):
        list(read_passages(tmp_path / "corpus.tsv"))


def test_memory_does_not_grow_with_the_number_of_ids() -> None:
    script = """if True:
        import resource
        from splade_lucene.core import unique_ids
        unique_ids._IN_MEMORY, unique_ids._CACHE_KIB = 1000, 2048
        ids, peaks = unique_ids.UniqueIds(), []
        for number in range(200_000):
            ids.add(f"document-{number * 7919 % 200_003}")
            if number + 1 in (20_000, 200_000):
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        print(len(ids), peaks[1] - peaks[0])
    """
    child = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    count, growth = map(int, child.stdout.split())
    unit = 1024 if sys.platform == "darwin" else 1  # bytes there, KiB elsewhere
    assert count == 200_000
    assert growth / unit < 6 * 1024  # 200,000 strings in a set are over 20 MB


def test_a_full_temporary_folder_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unique_ids, "_IN_MEMORY", 0)
    ids = UniqueIds()
    ids.add("d0")
    assert ids._file is not None
    ids._file.execute(f"PRAGMA max_page_count = {ids._file.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(SpladeLuceneError, match=r"could not be kept in the temporary folder \(.*full\); free disk space, or set TMPDIR"):
        for number in range(10_000):
            ids.add(f"document-{number}")
