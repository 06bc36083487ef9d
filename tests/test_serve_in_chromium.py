"""The search page in a real browser, clicked and typed through: both sides, why, keys, addresses, phones, markup that stays text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.pipeline.search import ImpactSearcher
from tests.chromium import PHONE, Visits, chromium
from tests.served import PLANTED, PLANTED_ID, QUERY, Indexes, Server, serving

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Open]:
    """Opens the page; afterwards nothing may have been asked of another server, logged or thrown."""
    visits = Visits(browser, width=1280)

    def open_page(query: str = QUERY, *, address: str | None = None, **options: Any) -> Any:
        page = visits.open(address or f"{server.url}/?q={quote(query)}", **options)
        page.wait_for_selector("main[data-query]", state="attached")
        return page

    yield open_page
    visits.close()
    assert [url for url in visits.requests if not url.startswith(f"{server.url}/")] == []
    assert visits.said == []


def hits(page: Any, side: str) -> list[str]:
    found: list[str] = page.locator(f".panel[data-side={side}] .hit").evaluate_all("all => all.map(each => each.dataset.docid)")
    return found


def test_both_sides_show_what_the_searchers_find(visit: Open, indexes: Indexes, tiny: SpladeModel) -> None:
    page = visit()
    with ImpactSearcher(indexes.impact, model=tiny) as splade, Bm25Searcher(indexes.bm25) as bm25:
        first, words = splade.search(QUERY, 10), bm25.search(QUERY, 10)
    assert hits(page, "left") == [hit.doc_id for hit in words]
    assert hits(page, "right") == [hit.doc_id for hit in first]
    right = page.locator(".panel[data-side=right]")
    assert right.locator("h2").inner_text() == "SPLADE · python"
    assert right.locator(".score").first.inner_text().split()[-1] == f"{first[0].score:,.0f}"
    assert "ms" in right.locator(".time").inner_text()
    assert page.title() == f"{QUERY} · splade_lucene"
    # Words of the query are marked, and the bars add up to no more than the score.
    marked = {word.lower() for word in page.locator(".panel[data-side=left] mark.own").all_inner_texts()}
    assert marked and marked <= {"how", "do", "i", "read", "reads", "reading", "line", "lines", "of", "file", "files", "the"}
    shares = right.locator(".hit").first.locator(".terms .value").all_inner_texts()
    assert 0 < sum(int(share.replace(",", "")) for share in shares) <= first[0].score
    assert right.locator(".hit .elsewhere").first.inner_text().startswith(("rank", "not in the top 10"))


def test_the_first_visit_starts_with_an_example(visit: Open, server: Server) -> None:
    page = visit(address=f"{server.url}/")
    text = page.locator("#query").input_value()
    assert len(text.split()) > 2
    assert parse_qs(urlsplit(page.url).query)["q"] == [text]
    assert hits(page, "right")


def test_a_click_says_why_a_hit_is_above_the_next(visit: Open) -> None:
    page = visit()
    card = page.locator(".panel[data-side=right] .hit").first
    scores = [float(text.split()[-1].replace(",", "")) for text in page.locator(".panel[data-side=right] .score").all_inner_texts()[:2]]
    card.locator(".ask").click()
    page.wait_for_selector(".why .bars")
    why = card.locator(".why")
    assert f"= {scores[0] - scores[1]:,.0f}" in why.inner_text()
    more = why.locator("button.quiet")
    if more.count():
        more.click()
    gains = [float(text.replace(",", "").replace("−", "-").replace("+", "")) for text in why.locator(".value").all_inner_texts()]
    assert sum(gains) == pytest.approx(scores[0] - scores[1])
    assert card.locator(".ask").get_attribute("aria-expanded") == "true"
    card.locator(".ask").click()
    assert not why.is_visible()


def test_the_bag_of_words_of_the_query(visit: Open) -> None:
    query = visit().locator(".panel[data-side=right] .query")
    count = int(query.locator("summary").inner_text().split(":")[1].split()[0])
    query.locator("summary").click()
    query.locator("button").click()
    assert query.locator(".bars li").count() == count
    assert query.locator(".bars i.own").count() and query.locator(".bars i.added").count()


def test_a_new_search_makes_a_new_address_and_back_goes_back(visit: Open) -> None:
    page = visit()
    before = hits(page, "right")
    page.locator("#query").fill("open a network socket")
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-query='open a network socket']")
    assert page.title().startswith("open a network socket")
    assert parse_qs(urlsplit(page.url).query)["q"] == ["open a network socket"]
    after = hits(page, "right")
    assert after != before
    page.go_back()
    page.wait_for_selector(f"main[data-query='{QUERY}']")
    assert hits(page, "right") == before and page.locator("#query").input_value() == QUERY
    page.locator("#right").select_option("python+words")
    page.get_by_role("heading", name="Fusion · python + words").wait_for()
    page.wait_for_selector("main[data-query]")
    assert "words: rank" in page.locator(".panel[data-side=right] .hit").first.inner_text()
    other = visit(address=page.url)
    assert hits(other, "right") == hits(page, "right")


def test_all_of_it_by_keys(visit: Open) -> None:
    page = visit()
    focused = "document.activeElement.closest('.panel')?.dataset.side + ' ' + document.activeElement.dataset.rank"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "left 1"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "right 2"
    page.keyboard.press("Enter")
    assert page.locator(".panel[data-side=right] .hit").nth(1).locator(".whole").inner_text() == "less text"
    page.keyboard.press("w")
    page.wait_for_selector(".panel[data-side=right] .why .bars")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("/")  # a slash in the box is a slash
    assert page.locator("#query").input_value().endswith("/")


@pytest.mark.parametrize("fused", [False, True])
def test_markup_in_queries_ids_and_texts_stays_text(visit: Open, server: Server, fused: bool) -> None:
    query = f"planted markup {PLANTED[:90]}"
    right = "&left=words&right=python%2Bwords" if fused else ""
    page = visit(address=f"{server.url}/?q={quote(query)}{right}")
    found = page.locator(".panel[data-side=right] .hit").first
    assert found.locator(".docid").inner_text() == PLANTED_ID
    assert "<script>window.planted=1</script>" in found.locator(".passage").inner_text()
    assert page.locator("#query").input_value() == query and page.title().startswith(query[:40])
    if not fused:
        found.locator(".ask").click()
        page.wait_for_selector(".why .bars")
        assert PLANTED_ID in found.locator(".why h4").inner_text()
    for element in page.locator(".hit .passage, .docid, .bars li").all()[:30]:
        element.hover(force=True)
    assert page.evaluate("window.planted") is None
    assert page.evaluate("[...document.scripts].every(each => each.src.endsWith('/static/page.js'))")
    assert page.evaluate("[...document.images].every(each => each.src.endsWith('/static/icon.svg'))")
    handlers = "[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames()).filter(name => name.startsWith('on'))"
    assert page.evaluate(handlers) == []


def test_what_got_in_could_neither_run_nor_fetch(browser: Any, server: Server) -> None:
    page = browser.new_page()
    page.goto(f"{server.url}/?q=file")
    page.wait_for_selector(".hit")
    page.evaluate(
        """() => {
            window.refused = [];
            document.addEventListener('securitypolicyviolation', (event) => window.refused.push(event.effectiveDirective));
            const script = document.createElement('script');
            script.textContent = 'window.planted = 1';
            document.body.append(script);
            const box = document.createElement('div');
            box.innerHTML = '<img src="https://planted.example/x.png" onerror="window.planted = 2"><p style="color: red">';
            document.body.append(box);
            fetch('https://planted.example/').catch(() => {});
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.planted") is None
    assert {"script-src-elem", "img-src", "script-src-attr", "connect-src", "style-src-attr"} <= set(page.evaluate("window.refused"))
    page.close()


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_one_side_at_a_time_without_scrolling_sideways(visit: Open, width: int) -> None:
    page = visit(viewport={**PHONE, "width": width}, is_mobile=True, has_touch=True)
    right, left = (page.locator(f".panel[data-side={side}] .hits") for side in ("right", "left"))
    assert right.is_visible() and not left.is_visible()
    page.locator("#sides button").first.click()
    assert left.is_visible() and not right.is_visible()
    page.locator("#sides button").nth(1).click()
    page.locator(".panel[data-side=right] .ask").first.click()
    page.wait_for_selector(".why .bars")
    page.locator(".panel[data-side=right] .whole").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    targets = page.locator("#sides button").evaluate_all("all => all.map(each => each.getBoundingClientRect().height)")
    assert min(targets) >= 36


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(visit: Open, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    ratios = page.evaluate(
        """() => {
            const light = (colour) => {
                const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((value) => value / 255);
                const [r, g, b] = parts.map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = (element) => {
                for (let each = element; each; each = each.parentElement) {
                    const colour = getComputedStyle(each).backgroundColor;
                    if (!/, 0\\)$|transparent/.test(colour)) return colour;
                }
                return 'rgb(255, 255, 255)';
            };
            return ['h2', '.facts', '.time', '.docid', '.passage', 'mark.own', 'mark.added', '.value', '.ask', '.elsewhere',
                    'button.primary', '#legend', '.preview'].map((selector) => {
                const element = document.querySelector(selector);
                const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
                return [selector, (a + 0.05) / (b + 0.05)];
            });
        }"""
    )
    assert [(selector, ratio) for selector, ratio in ratios if ratio < 4.5] == []


def test_a_screen_reader_finds_its_way(visit: Open) -> None:
    page = visit()
    page.get_by_role("search").get_by_role("searchbox", name="Query").wait_for()
    for name in ("BM25 · words", "SPLADE · python"):
        assert page.get_by_role("region", name=name).get_by_role("list", name=f"Hits of {name}").count() == 1
    assert "SPLADE · python: 10 hits in" in page.get_by_role("status").inner_text()
    assert page.get_by_role("button", name="why above 2?").count() == 2
    bars = page.get_by_role("list", name="What each term adds to the score").last
    assert bars.get_by_role("listitem").count() > 0
    nameless = page.locator("button, input, select, a").evaluate_all(
        "all => all.filter(each => !(each.textContent.trim() || each.labels?.length)).map(each => each.outerHTML)"
    )
    assert nameless == []
    assert page.evaluate("document.documentElement.lang") == "en"


def test_a_server_with_a_key_asks_for_it(browser: Any, indexes: Indexes) -> None:
    with serving([str(indexes.bm25), "--api-key", "s3cret"]) as server:
        page = browser.new_page()
        page.goto(f"{server.url}/?q=file")
        page.locator("#api-key").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("The key is wrong.").first.wait_for()
        page.locator("#api-key").fill("s3cret")
        page.keyboard.press("Enter")
        page.wait_for_selector(".hit")
        assert page.locator(".panel").count() == 1 and not page.locator("#key").is_visible()
        assert "s3cret" not in page.url
        assert "no stored text" in page.locator(".hit").first.inner_text()
        page.close()


def test_the_api_is_described_without_outside_resources(visit: Open, browser: Any, server: Server) -> None:
    visit()
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/docs")
    page.locator("details", has_text="/v1/{index}/search").first.wait_for()
    page.locator("summary", has_text="Search, fuse, explain").click()
    assert f"curl '{server.url}/v1/INDEX/search'" in page.locator("details[open] pre").inner_text()
    assert "the number of hits" in page.locator("details[open] table").first.inner_text() + page.locator("details[open]").inner_text()
    assert all(url.startswith(server.url) for url in asked)
    page.close()
