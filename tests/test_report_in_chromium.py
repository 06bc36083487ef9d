"""The report in a real browser: nothing fetched, nothing planted runs, readable on a phone, in the dark and without JavaScript."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.evaluation.report import write_report
from splade_lucene.evaluation.results import write_results
from tests.chromium import PHONE, Visits, chromium
from tests.evaluation_sample import write_sample

# Each would set window.planted, or break the page or a plot, if it were taken for more than text.
PLANTED = (
    " $\\frac{1}{0}$ <script>window.planted=1</script></script><script>window.planted=2</script><img src=x onerror='window.planted=3'>"
    "\"><svg onload=\"window.planted=4\"> ' onmouseover='window.planted=5' </title></style><!--{{ 7 * 7 }}{% raw %}]]>"
    "&lt;b&gt; javascript:window.planted=6 \u2028 <https://planted.example/x.png>"
)

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages that are looked at, made once."""
    folder = tmp_path_factory.mktemp("reports")
    write_sample(folder / "plain", datasets=2)
    write_sample(folder / "planted", suffix=PLANTED)
    many = write_sample(folder / "many", datasets=29, queries=3, systems=2)
    fewer_plots = tuple(dataclasses.replace(each, latency=None) for each in many.datasets)
    no_cost = tuple(dataclasses.replace(row, cost=None, timings=None) for row in many.rows)
    write_results(folder / "many", dataclasses.replace(many, datasets=fewer_plots, rows=no_cost))
    return {name: write_report(folder / name) for name in ("plain", "planted", "many")}


@pytest.fixture
def visit(browser: Any, pages: dict[str, Path]) -> Iterator[Open]:
    """Opens a page; afterwards nothing may have been fetched, logged or thrown."""
    visits = Visits(browser)

    def open_page(name: str = "plain", **options: Any) -> Any:
        return visits.open(pages[name].as_uri(), **options)

    yield open_page
    visits.close()
    local = {page.as_uri() for page in pages.values()}
    assert [url for url in visits.requests if url not in local and not url.startswith("data:")] == []
    assert visits.said == []


def opened(page: Any, system: int = 1) -> Any:
    """The part of the first data set that compares a system with the baseline, in view."""
    bars = page.locator(f".bars[data-system='{system}']").first
    if bars.get_attribute("open") is None:
        bars.locator("summary").click()
    bars.locator(".track").scroll_into_view_if_needed()
    return bars


def point(page: Any, bars: Any, share: float) -> None:
    box = bars.locator(".track").bounding_box()
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


def test_pointing_at_a_bar_shows_the_query(visit: Open) -> None:
    page = visit()
    bars = opened(page)
    shown = bars.locator(".query")
    assert shown.locator("h4").inner_text() == "question 0"  # from the start, the query that gains most
    point(page, bars, 0.999)
    assert shown.locator("h4").inner_text() == "question 19"
    assert "20 of 20" in shown.inner_text() and "−0.4500" in shown.inner_text()
    point(page, bars, 0.075)
    assert shown.locator("h4").inner_text() == "question 1"
    assert [part.locator(".hits li").count() for part in shown.locator(".pair > div").all()[:2]] == [5, 2]
    assert shown.locator(".hits").nth(1).locator("li").first.inner_text().split("\n")[0:2] == ["1", "d2 relevant (2)"]
    assert "SPLADE tiny ranks d2 above d0, BM25 flat the other way round" in shown.inner_text()
    assert shown.locator(".terms").all_inner_texts()[0].split() == ["stem", "+500"]
    assert "BM25 flat: 0.5000 more for d0" in shown.inner_text()


def test_a_click_holds_the_query_and_another_lets_it_go(visit: Open) -> None:
    page = visit()
    bars = opened(page)
    shown = bars.locator(".query h4")
    point(page, bars, 0.525)
    page.mouse.down()
    page.mouse.up()
    point(page, bars, 0.1)
    assert shown.inner_text() == "question 10"
    point(page, bars, 0.525)
    page.mouse.down()
    page.mouse.up()
    point(page, bars, 0.125)
    assert shown.inner_text() == "question 2"


def test_keys_and_buttons_go_through_the_queries_in_the_order_of_the_plot(visit: Open) -> None:
    page = visit()
    bars = opened(page, system=2)
    bars.locator("input").focus()
    differences = []
    for _ in range(20):
        differences.append(bars.locator(".query .facts b").nth(2).inner_text())
        page.keyboard.press("ArrowRight")
    values = [float(each.replace("−", "-")) for each in differences]
    assert values == sorted(values, reverse=True) and (values[0], values[-1]) == (0.25, -0.225)
    bars.locator("button").first.click()
    assert bars.locator(".query h4").inner_text() == "question 18"
    assert "SPLADE tiny" in bars.locator(".query").inner_text() or bars.locator(".terms").count() == 0


def test_a_fusion_shows_the_terms_of_what_it_joins(visit: Open) -> None:
    bars = opened(visit(), system=2)
    assert bars.locator(".why .pair h5").all_inner_texts() == ["BM25 flat: 0.5000 more for d0", "SPLADE tiny: 500 more for d1"]


def test_without_javascript_tables_and_plots_are_there(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    table = page.locator("#dataset-0 table").first
    assert table.is_visible() and "0.6311" in table.inner_text() and "9.92" in table.inner_text()
    assert page.locator("#overview table").is_visible()
    page.locator("#dataset-0 summary", has_text="Cost").click()
    assert page.locator("#dataset-0 table", has_text="155.5").first.is_visible()
    assert page.locator("#dataset-0 .panels svg").count() == 3
    assert all(svg.bounding_box()["height"] > 100 for svg in page.locator("#dataset-0 svg:visible").all())
    assert (
        page.locator("#dataset-0 .examples").first.is_visible()
        and "question 19" in page.locator("#dataset-0 .examples").nth(1).inner_text()
    )
    assert not page.locator(".picker").first.is_visible() and not page.locator(".scripted").first.is_visible()


@pytest.mark.parametrize("script", [True, False])
def test_planted_markup_is_text(visit: Open, script: bool) -> None:
    page = visit("planted", java_script_enabled=script)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    if script:
        for system in (1, 2):
            bars = opened(page, system)
            for share in (0.02, 0.4, 0.99):
                point(page, bars, share)
                assert PLANTED[:60] in bars.locator(".query h4").inner_text()
            assert PLANTED[:60] in bars.locator(".query .hits").first.inner_text()
            point(page, bars, 0.02)
            assert PLANTED[:60] in bars.locator(".query .terms").first.inner_text()
    for element in page.locator(".legend, .bars .name, .skipped, h1, .remarks, .examples, #made").all():
        element.hover(force=True)
    page.wait_for_timeout(50)
    assert page.evaluate("window.planted") is None
    assert page.evaluate("document.images.length + document.links.length") == 0
    assert page.evaluate("[...document.scripts].map(each => each.type)") == ["application/json", ""]
    handlers = "[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames()).filter(name => name.startsWith('on'))"
    assert page.evaluate(handlers) == []
    assert PLANTED[:60] in page.locator("h1").inner_text()
    assert "{{ 7 * 7 }}" in page.locator("h1").inner_text()
    assert any("\\frac" in text for text in page.locator("svg text").all_text_contents())


def test_what_got_in_could_neither_run_nor_fetch(browser: Any, pages: dict[str, Path]) -> None:
    page = browser.new_page()
    page.goto(pages["plain"].as_uri())
    page.evaluate(
        """() => {
            window.refused = [];
            document.addEventListener('securitypolicyviolation', (event) => window.refused.push(event.effectiveDirective));
            const script = document.createElement('script');
            script.textContent = 'window.planted = 1';
            document.body.append(script);
            const box = document.createElement('div');
            box.innerHTML = '<img src="https://planted.example/x.png" onerror="window.planted = 2">';
            document.body.append(box);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.planted") is None
    assert {"script-src-elem", "img-src", "script-src-attr"} <= set(page.evaluate("window.refused"))
    page.close()


@pytest.mark.parametrize("name", ["plain", "planted", "many"])
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_the_page_without_scrolling_sideways(visit: Open, name: str, width: int) -> None:
    page = visit(name, viewport={**PHONE, "width": width}, is_mobile=True, has_touch=True)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if name == "plain":
        assert not page.locator("figure.wide").first.is_visible()
        sizes = "[...document.querySelectorAll('svg text')].map(each => each.getBoundingClientRect().height).filter(height => height > 0)"
        heights = page.evaluate(sizes)
        assert heights and min(heights) >= (11 if width == PHONE["width"] else 9)
        box = opened(page).locator(".track").bounding_box()
        page.touchscreen.tap(box["x"] + 0.98 * box["width"], box["y"] + 20)
        assert opened(page).locator(".query h4").inner_text() == "question 19"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_colour_schemes(visit: Open, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    colours = page.evaluate(
        """() => {
            const fill = (selector, name) => getComputedStyle(document.querySelector(selector))[name];
            return {
                paper: fill('body', 'backgroundColor'), ink: fill('body', 'color'), small: fill('.key', 'color'),
                aside: fill('.aside td', 'color'), link: fill('nav a', 'color'), head: fill('tbody th', 'backgroundColor'),
                label: fill('.panels svg text', 'fill'), warning: fill('small.off', 'color'),
            };
        }"""
    )
    paper = luminance(colours["paper"])
    assert (paper < 0.05) == (scheme == "dark")
    assert colours.pop("head") == colours.pop("paper")
    for name, colour in colours.items():
        lighter, darker = sorted((luminance(colour), paper), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, f"{name} has too little contrast (WCAG 2.2, 1.4.3)"


def test_many_data_sets_are_folded_and_found(visit: Open) -> None:
    page = visit("many")
    assert page.locator("details.dataset").count() == 29
    assert page.locator("details.dataset[open]").count() == 0
    page.locator("nav a", has_text="set17").click()
    assert page.locator("details.dataset[open] h2").all_inner_texts() == ["set17"]
    assert page.locator("details.dataset[open] .query h4").first.inner_text() == "question 0"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, as WCAG 2.2 defines it."""
    shares = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
