"""``--settings FILE``: what it says counts, what the command line says counts more, and what is no option is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from splade_lucene.cli.main import build_parser, commands_of, main
from splade_lucene.cli.settings_file import command_line, with_settings, write_settings
from splade_lucene.errors import InputError

SETTINGS: dict[str, dict[str, Any]] = {
    "encode": {"model": "tiny", "max-length": 32, "top-k": 5, "max-ratio": 0.1, "store-contents": True},
    "index": {"threads": 1},
    "search": {"query-idf": 0.25, "query-top-k": 3, "in-memory": False},
}


def parsed(file: Path, *arguments: str) -> dict[str, object]:
    parser = build_parser()
    given = [*arguments, "--settings", str(file)]
    return vars(parser.parse_args(with_settings(given, parser.parse_args(given), commands_of(parser))))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_settings(tmp_path / "settings.yaml", SETTINGS, ["a line"])
    return tmp_path / "settings.yaml"


def test_each_command_takes_its_section(file: Path) -> None:
    encode = parsed(file, "encode", "corpus", "vectors")
    assert {name: encode[name] for name in ("model", "max_length", "top_k", "max_ratio", "store_contents")} == {
        "model": "tiny",
        "max_length": 32,
        "top_k": 5,
        "max_ratio": 0.1,
        "store_contents": True,
    }
    assert parsed(file, "index", "vectors", "index")["threads"] == 1
    search = parsed(file, "search", "one", "two", "queries", "run")
    assert (search["query_idf"], search["query_top_k"], search["in_memory"]) == (0.25, 3, False)
    assert (search["index"], search["queries"], search["output"]) == ([Path("one"), Path("two")], Path("queries"), Path("run"))


def test_the_command_line_wins_and_the_rest_of_the_file_stays(file: Path) -> None:
    encode = parsed(file, "encode", "corpus", "--top-k", "9", "vectors")
    assert (encode["top_k"], encode["max_length"]) == (9, 32)
    assert parsed(file, "search", "index", "queries", "run", "--in-memory")["in_memory"] is True


def test_what_it_says_is_done(file: Path, tmp_path: Path) -> None:
    (tmp_path / "passages.jsonl").write_text('{"id": "a", "contents": "glass breaks"}\n{"id": "b", "contents": "sorted lists"}\n')
    (tmp_path / "queries.tsv").write_text("q\twhy does glass break\n")
    names = [str(tmp_path / name) for name in ("passages.jsonl", "vectors", "index", "queries.tsv", "run")]
    options = ["--settings", str(file)]
    assert main(["encode", *names[:2], "--device", "cpu", *options]) == 0
    assert main(["index", *names[1:3], *options]) == 0
    assert main(["search", *names[2:], "--device", "cpu", *options]) == 0
    manifest = json.loads((tmp_path / "vectors" / "manifest.json").read_text())["settings"]
    assert (manifest["max_length"], manifest["top_k"], manifest["max_ratio"], manifest["contents"]) == (32, 5, 0.1, True)
    encoder = json.loads((tmp_path / "run.json").read_text())["encoder"]
    assert (encoder["query_idf"], encoder["query_top_k"]) == (0.25, 3)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("encode: {topk: 5}", "encode: 'topk' is no option of `splade-lucene encode`; see its --help"),
        ("search: {query-idf: .25}\nencode: {query-idf: .25}", "encode: 'query-idf' is no option"),
        ("encode: {settings: x.yaml}", "encode: 'settings' is no option"),
        ("beir: {}", "has a section 'beir'; there is encode, index, search"),
        ("encode: 5", "the section encode is no mapping"),
        ("- encode", "has no sections"),
        ("", "has no sections"),
        ("encode: {top-k: null}", "encode: top-k is None, which is neither a number nor a text"),
        ("encode: {top-k: true}", "encode: top-k is True, which is neither"),
        ("encode: {store-contents: 1}", "encode: store-contents takes no value but true, not 1"),
        ("encode: {store-contents: false}", "encode: store-contents takes no value but true, not False"),
        ("encode: {", "is no YAML"),
    ],
)
def test_what_is_no_setting_is_refused_in_a_sentence(
    tmp_path: Path, content: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.yaml").write_text(content)
    assert main(["encode", "corpus", "vectors", "--settings", str(tmp_path / "s.yaml")]) == 1
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    with pytest.raises(InputError, match="cannot be read"):
        parsed(tmp_path / "none.yaml", "encode", "corpus", "vectors")


def test_a_bad_value_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.yaml").write_text("encode: {max-ratio: 1.5}")
    with pytest.raises(SystemExit, match="2"):
        main(["encode", "corpus", "vectors", "--settings", str(tmp_path / "s.yaml")])
    assert "argument --max-ratio: 1.5 is not above 0 and at most 1" in capsys.readouterr().err


def test_a_written_file_is_yaml_with_its_origin(file: Path) -> None:
    assert file.read_text().startswith("# a line\n")
    assert yaml.safe_load(file.read_text()) == SETTINGS
    assert command_line(SETTINGS["search"] | {"in-memory": "x y"}) == "--query-idf 0.25 --query-top-k 3 --in-memory 'x y'"
