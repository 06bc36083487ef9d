from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.evaluation.cost import QueryTime
from splade_lucene.evaluation.numbers import DIFFERENCE, PAGE, SCORE, write
from splade_lucene.evaluation.report import FILE, plots, write_report
from splade_lucene.evaluation.report.queries import DETAILED_QUERIES, decisive_pair, read_queries
from splade_lucene.evaluation.report.svg import axes, style, to_svg
from splade_lucene.evaluation.result_records import Comparison
from splade_lucene.evaluation.results import write_results
from tests.evaluation_sample import SYSTEMS, gain, write_sample


def page_of(folder: Path) -> str:
    assert write_report(folder) == folder / FILE
    return (folder / FILE).read_text(encoding="utf-8")


def test_the_page_says_what_the_results_say(tmp_path: Path) -> None:
    write_sample(tmp_path)
    page = page_of(tmp_path)
    said = (
        "0.6111", "0.6311", "0.7654", "0.6200 −0.0089", "12–5", "9.92", "5.9", "256/64 tokens",  # the table
        "trec-covid</strong>: cannot be had", "a note", "noted",
        "nDCG@10 is −0.0089 off the published 0.6200", "judged queries without hits: 2", "left out", "remove_query",
        "<0.0001", "155.5", "10 better", "9 worse", "8.0 GB", "splade_lucene",
    )  # fmt: skip
    assert [text for text in said if text not in page and text.replace("<", "&lt;") not in page] == []


def test_the_page_names_nothing_outside_itself(tmp_path: Path) -> None:
    write_sample(tmp_path)
    page = page_of(tmp_path)
    assert set(re.findall(r"""\b(?:src|href|action|srcset|data)=["']?([^"'>\s]+)""", page)) <= {"data:,"} | set(
        re.findall(r"#[\w-]+", page)
    )
    assert not re.search(r"@import|url\((?!#)|https?://", page)
    assert "default-src 'none'" in page


def test_the_page_is_the_same_for_the_same_results(tmp_path: Path) -> None:
    write_sample(tmp_path)
    command = [sys.executable, "-c", f"from splade_lucene.evaluation.report import write_report; write_report({str(tmp_path)!r})"]
    pages = []
    for _ in range(2):
        subprocess.run(command, check=True)
        pages.append((tmp_path / FILE).read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ({"systems": 1}, "BM25 flat is the only system here"),
        ({"queries": 0}, "No judged query has a score from BM25 flat"),
        ({"queries": 1}, "1 judged query"),
        ({"datasets": 0}, "No data set could be evaluated."),
        ({"rows": (), "references": {}}, "No system has results on this data set."),
        ({"baseline": "splade"}, "compared with SPLADE tiny"),
        ({"settings": {}, "versions": {}, "machine": {}, "references": {}, "skipped": (), "notes": ()}, "0.6111"),
    ],
)
def test_evaluations_with_little_in_them_make_a_page(tmp_path: Path, sample: dict[str, object], says: str) -> None:
    write_sample(tmp_path, **sample)  # type: ignore[arg-type]
    assert says in page_of(tmp_path)


def test_runs_made_elsewhere_have_no_texts_and_no_cost(tmp_path: Path) -> None:
    results = write_sample(tmp_path)
    dataset = dataclasses.replace(results.datasets[0], latency=None, evidence=None, passages=None, documents=None, sha256=None, split=None)
    rows = tuple(dataclasses.replace(row, cost=None, timings=None) for row in results.rows)
    systems = tuple(dataclasses.replace(system, kind="run") for system in results.systems)
    write_results(tmp_path, dataclasses.replace(results, datasets=(dataset,), rows=rows, systems=systems))
    page = page_of(tmp_path)
    assert "10 better" in page and "0.6311" in page
    assert "Quality against cost" not in page and "FLOPS" not in page and "Latency</h3>" not in page
    assert read_queries(results, dataset, tmp_path).detailed == 0
    assert "published figure and how far" in page and "▲ ▼: better" in page
    assert "judged queries without hits" not in page  # the notes of a comparison say it


def test_a_system_without_a_row_or_scores_is_left_out(tmp_path: Path) -> None:
    results = write_sample(tmp_path, systems=2)
    write_results(tmp_path, dataclasses.replace(results, systems=SYSTEMS))
    assert "BM25 + SPLADE" in page_of(tmp_path)


def test_several_data_sets_are_summed_up_where_every_cost_is_known(tmp_path: Path) -> None:
    results = write_sample(tmp_path, datasets=3, queries=2)
    rows = tuple(dataclasses.replace(row, cost=None) if row.dataset == "set1" and row.system == "both" else row for row in results.rows)
    rows = tuple(dataclasses.replace(row, scores={"nDCG@10": 0.3, "R@100": 0.9}) if row.dataset == "set2" else row for row in rows)
    write_results(tmp_path, dataclasses.replace(results, rows=rows))
    page = page_of(tmp_path)
    assert "means over 2 data sets" in page and "Over set0, set2: those where" in page
    assert f"SPLADE tiny: nDCG@10 {(0.6211 + 0.3) / 2:.4f}, index size, MB 5.945" in page
    assert page.count("<li>a note</li>") == 1


def test_many_data_sets_share_what_the_page_can_hold(tmp_path: Path) -> None:
    queries = DETAILED_QUERIES // 10
    results = write_sample(tmp_path, datasets=20, queries=queries)
    read = read_queries(results, results.datasets[3], tmp_path)
    assert read.detailed == DETAILED_QUERIES // 20 < queries == read.kept
    # Those that differ most: both ends of the sorted differences, not their middle.
    assert {f"q{number}" for number in (0, 1, queries - 1)} < set(read.payload["queries"])
    assert f"q{queries // 2}" not in read.payload["queries"]
    assert len(read.payload["ids"]) == len(read.differences[0].sorted) == queries


def test_differences_are_those_of_the_scores(tmp_path: Path) -> None:
    results = write_sample(tmp_path, queries=20)
    splade, both = read_queries(results, results.datasets[0], tmp_path).differences
    assert splade.sorted == pytest.approx([gain(number, 20) for number in range(20)], abs=1e-4)
    assert both.sorted == pytest.approx([gain(number, 20) / 2 for number in range(20)], abs=1e-4)
    assert splade.counts == both.counts == (10, 1, 9)
    assert [each.query_id for each in splade.gains] == ["q0", "q1", "q2", "q3", "q4"]
    assert [each.query_id for each in splade.losses] == ["q19", "q18", "q17", "q16", "q15"]
    assert splade.losses[0].text == "question 19"
    assert (splade.losses[0].baseline, splade.losses[0].system) == pytest.approx((0.5, 0.5 + gain(19, 20)))


def test_the_terms_that_made_the_difference_add_up(tmp_path: Path) -> None:
    results = write_sample(tmp_path)
    payload = read_queries(results, results.datasets[0], tmp_path).payload
    first = payload["queries"]["q0"]
    names = [payload["passages"][place][0] for place in (first["why"][1]["high"], first["why"][1]["low"])]
    assert names == ["d1", "d0"]  # SPLADE finds the relevant d1, BM25 puts d0 above it
    assert first["why"][1]["views"] == [[1, 500.0, [["stem", 500.0]], 0, 0], [0, -0.5, [["word", -0.5]], 0, 0]]
    # A fusion has no terms of its own: both systems that it joins are looked at.
    assert [view[0] for view in first["why"][2]["views"]] == [0, 1]
    # Where SPLADE loses, BM25's order has to be explained, and here it has the worse passage first: nothing to show.
    assert 1 not in payload["queries"]["q19"]["why"]


@pytest.mark.parametrize(
    ("winner", "loser", "relevant", "pair"),
    [
        (["a", "b"], ["b", "a"], {"a": 1}, ("a", "b")),
        (["a", "b"], ["b", "a"], {}, ("a", "b")),
        (["a", "b"], ["b", "a"], {"b": 1}, None),  # it won in spite of this order
        (["a", "b"], ["a", "b"], {"a": 1}, None),
        (["a", "x"], ["b", "c"], {"x": 1}, ("x", "b")),
        (["a", "x", "y"], ["b", "y"], {"x": 1, "y": 2, "b": 1}, ("y", "b")),
        (["a", "y"], ["b", "c"], {"y": 2, "b": 1}, ("y", "c")),
        ([], ["b"], {"b": 1}, None),
        (["a"], [], {"a": 1}, None),
    ],
)
def test_the_decisive_pair(winner: list[str], loser: list[str], relevant: dict[str, int], pair: tuple[str, str] | None) -> None:
    assert decisive_pair(winner, loser, relevant) == pair


def test_points_stand_where_their_figures_are() -> None:
    points = [plots.PlotPoint("a <b>", 0, 10.0, 0.3), plots.PlotPoint("c", 1, 20.0, 0.5), plots.PlotPoint("d", 9, 30.0, 0.4)]
    svg = ET.fromstring(plots.quality_against_cost(points, quality="nDCG@10", cost="ms"))
    drawn = {}
    for group in svg.iter("g"):
        title = group.find("title")
        if title is not None:
            use = next(group.iter("use"))
            drawn[title.text] = (float(use.attrib["x"]), float(use.attrib["y"]), use.attrib["style"])
    assert list(drawn) == ["a <b>: nDCG@10 0.3000, ms 10", "c: nDCG@10 0.5000, ms 20", "d: nDCG@10 0.4000, ms 30"]
    (x1, y1, style1), (x2, y2, _), (x3, y3, _) = drawn.values()
    assert x2 - x1 == pytest.approx(x3 - x2, rel=1e-3) and y1 - y2 == pytest.approx(2 * (y1 - y3), rel=1e-3)
    assert "var(--s0)" in style1


def test_systems_look_different_as_long_as_possible() -> None:
    looks = [(plots.series(number), plots.marker(number)) for number in range(len(plots.MARKERS) * 8)]
    assert len(set(looks)) == len(looks)


def test_the_front_holds_what_no_other_beats() -> None:
    points = [
        plots.PlotPoint(name, 0, cost, quality) for name, cost, quality in [("a", 1, 0.3), ("b", 2, 0.2), ("c", 3, 0.5), ("d", 3, 0.4)]
    ]
    assert [point.label for point in plots.pareto_front(points)] == ["a", "c"]


def test_bars_are_drawn_to_scale() -> None:
    svg = ET.fromstring(plots.differences([0.5, 0.25, 0.0, -1.0], width="wide", label="x"))
    better, worse = (
        [[float(value) for value in pair] for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.attrib["d"])]
        for name in ("better", "worse")
        for path in svg.iter("path")
        if f"fill: var(--{name})" in path.attrib.get("style", "")
    )
    zero = max(y for _, y in better)
    assert zero - min(y for _, y in better) == pytest.approx((max(y for _, y in worse) - zero) / 2, rel=1e-3)
    assert min(x for x, _ in better) == pytest.approx(plots.MARGIN_LEFT, abs=0.1)
    assert max(x for x, _ in worse) == pytest.approx(plots.WIDTHS["wide"] - plots.MARGIN_RIGHT, abs=0.1)


@pytest.mark.parametrize("values", [[0.0], [0.0] * 50, [1.0] * 3, [-0.25], [gain(number, 20_000) for number in range(20_000)]])
def test_bars_of_any_number_of_queries_stay_small(values: list[float]) -> None:
    assert len(plots.differences(values, width="narrow", label="x")) < 60_000


@pytest.mark.parametrize("times", [[QueryTime(0.0, 5.0)], [QueryTime(0.0, 0.0)] * 3, [QueryTime(9.0, 0.02), QueryTime(1.0, 2500.0)]])
def test_latencies_of_any_kind_are_drawn(times: list[QueryTime]) -> None:
    svg = plots.latencies({0: ("one $x_2$", times), 5: ("<two>\x00", times)}, width="narrow")
    assert "one $x_2$" in svg and "&lt;two&gt;\ufffd" in svg and "NaN" not in svg and "nan" not in svg


def test_figures_do_not_share_ids_and_take_the_colours_of_the_page() -> None:
    drawings = []
    for _ in range(2):
        with style():
            plane = axes(300, 200, left=30)
            plane.plot([1, 2], [1, 2], marker="o")
            drawings.append(to_svg(plane.figure, label='a "label" & <more>'))  # type: ignore[arg-type]
    first, second = (set(re.findall(r'\bid="([^"]+)"', drawing)) for drawing in drawings)
    assert first and not first & second
    assert "#0101" not in drawings[0] and "var(--ink)" not in drawings[0] and "var(--muted)" in drawings[0]
    assert ET.fromstring(drawings[0]).get("aria-label") == 'a "label" & <more>'
    assert "<style" not in drawings[0] and "<metadata" not in drawings[0]


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5000"), (-0.25, "−0.2500"), (None, "–"), (float("nan"), "–"), (1234.5, "1,234.5000")])
def test_numbers_are_written_alike(value: float | None, text: str) -> None:
    assert write(value, SCORE, PAGE) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "+0.5000"), (-0.25, "−0.2500"), (0.00001, "±0.0000"), (-0.00001, "±0.0000"), (None, "–")]
)
def test_differences_have_a_sign(value: float | None, text: str) -> None:
    assert write(value, DIFFERENCE, PAGE) == text


def test_a_difference_is_marked_only_when_both_tests_find_it(tmp_path: Path) -> None:
    results = write_sample(tmp_path)
    page = page_of(tmp_path)
    assert page.count('<span class="mark">▲</span>') == page.count('<span class="mark">▼</span>') == 4
    unsure = Comparison(0.1, 9, 0, 1, 0.001, 0.002, 0.03, 0.06)
    rows = tuple(dataclasses.replace(row, comparisons=dict.fromkeys(row.comparisons, unsure)) for row in results.rows)
    write_results(tmp_path, dataclasses.replace(results, rows=rows))
    assert '<span class="mark">▲</span>' not in page_of(tmp_path)


def test_missing_files_and_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"results\.json"):
        write_report(tmp_path)
    write_sample(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(SpladeLuceneError, match=r"the report needs matplotlib: pip install 'splade_lucene\[report\]'"):
            write_report(tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(SpladeLuceneError, match=r"pages need jinja2: pip install"):
            write_report(tmp_path)
    (tmp_path / "set0" / "scores.csv").unlink()
    with pytest.raises(InputError, match=r"scores\.csv"):
        write_report(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_importing_the_report_loads_no_plotting() -> None:
    code = "import sys, splade_lucene.evaluation.report; print([name for name in ('matplotlib', 'jinja2', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_half_characters_do_not_stop_the_page(tmp_path: Path) -> None:
    write_sample(tmp_path)
    file = tmp_path / "set0" / "evidence.jsonl"
    file.write_text(file.read_text().replace("question 0", "half \\ud83d and \\u0000 nothing"))
    assert "half \ufffd and" in page_of(tmp_path)


def test_marks_that_no_table_has_are_not_explained(tmp_path: Path) -> None:
    results = write_sample(tmp_path, systems=1)
    rows = tuple(dataclasses.replace(row, published={}) for row in results.rows)
    write_results(tmp_path, dataclasses.replace(results, rows=rows))
    page = page_of(tmp_path)
    assert "published figure and how far" not in page and "▲ ▼: better" not in page
