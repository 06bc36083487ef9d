from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.evaluation.results import read_results
from splade_lucene.evaluation.runs import read_run
from tests.effort import ALL, rounds

# The command on the passages that are judged and a thirtieth of the others, and with the Java of the tests' own processes.
_FEWER = """
import sys
import jnius_config
from splade_lucene.cli.main import main
from splade_lucene.collections import pydocs
from splade_lucene.lucene.jvm import BRIEF

jnius_config.add_options(*BRIEF)
whole = pydocs.passages()
judged = {qrel.doc_id for qrel in pydocs.questions({passage.doc_id for passage in whole})[1]}
pydocs.passages = lambda: [passage for number, passage in enumerate(whole) if passage.doc_id in judged or number % 30 == 0]
sys.exit(main(sys.argv[1:]))
"""
_PROGRAM = ["-m", "splade_lucene.cli.main"] if ALL else ["-c", _FEWER]


@pytest.mark.slow
def test_the_demo_prints_quality_and_cost_and_examples_and_runs_again(tmp_path: Path) -> None:
    command = [sys.executable, *_PROGRAM, "demo", "--output", str(tmp_path / "demo")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, stdin=subprocess.DEVNULL)
    assert child.returncode == 0, child.stderr
    lines = child.stdout.splitlines()
    rows = {
        cells[0]: cells[1:] for line in lines if line.startswith("|") for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert rows.pop("system") == ["nDCG@10", "R@100", "RR@10", "documents", "index MB", "query ms", "FLOPS"]
    systems = {name: [float(cell.replace(",", "")) for cell in cells] for name, cells in rows.items() if not name.startswith(":")}
    assert set(systems) == {"BM25", "SPLADE", "fusion"}
    for ndcg, recall, rr, documents, megabytes, milliseconds, flops in systems.values():
        assert 0.3 < ndcg < 1
        assert 0.6 < recall <= 1
        assert 0.3 < rr < 1
        assert documents > rounds(3000, 300)
        assert min(megabytes, milliseconds, flops) > 0
    assert next(line for line in lines if line.startswith("“")).startswith("“dictionary that makes up a default value")
    assert sum(line.startswith(("  BM25 ", "  SPLADE ")) for line in lines) == 6
    for step in (
        "collecting docstrings",
        "pydocs: indexing bm25-flat",
        "pydocs: encoding with tiny",
        "pydocs: the run sum-splade-tiny is written",
    ):
        assert step in child.stderr
    results = read_results(tmp_path / "demo")
    assert len(read_run(tmp_path / "demo" / "pydocs" / "runs" / "sum-splade-tiny.trec")) >= 60
    for name, system in (("BM25", "bm25-flat"), ("SPLADE", "splade-tiny"), ("fusion", "sum-splade-tiny")):
        row = results.row("pydocs", system)
        assert row
        assert systems[name][:3] == [pytest.approx(value, abs=5e-5) for value in row.scores.values()]
    assert "dictionary that makes up a default value" in (tmp_path / "demo" / "report.html").read_text()


def test_the_demo_takes_another_model_for_queries(
    random_model: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["demo", "--output", str(tmp_path / "demo"), "--query-model"]
    assert main([*arguments, str(random_model("bert"))]) == 1
    assert f"{random_model('bert')} and tiny have different vocabularies" in capsys.readouterr().err
