"""The files around the package say the same: versions of Python, the release, and where things go."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from splade_lucene import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def versions_declared() -> list[str]:
    prefix = "Programming Language :: Python :: 3."
    return [f"3.{each.removeprefix(prefix)}" for each in PROJECT["classifiers"] if each.startswith(prefix)]


def test_the_workflow_checks_every_python_that_is_declared() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["checks"]
    assert job["strategy"]["matrix"]["python"] == versions_declared()
    assert job["steps"][-1]["run"] == "scripts/test --all --python ${{ matrix.python }}"
    assert PROJECT["requires-python"] == f">={versions_declared()[0]}"


def test_releases_are_dated_and_the_newest_is_this_version() -> None:
    headings = re.findall(r"^## (?!Unreleased$)(.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", each) for each in headings)
    assert not headings or headings[0].split()[0] == __version__


def test_the_extras_that_the_checks_install_exist() -> None:
    """pip only warns of one that does not."""
    setup = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
    (extras,) = re.findall(r"-e '\.\[([\w,]+)\]'", setup)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/architecture.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:splade_lucene|tests|docs|scripts|java|examples)/[\w/.-]*)`", text)
    links = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    missing = [each for each in named if "NAME" not in each and not (ROOT / each).exists()]
    missing += [each for each in links if not ((ROOT / page).parent / each).exists()]
    assert missing == []


def test_the_hooks_are_the_checks() -> None:
    """pre-commit runs the tools of the environment, so that they are the same versions."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    checks = (ROOT / "scripts" / "test").read_text(encoding="utf-8")
    for hook in hooks:
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$bin/{tool}" in checks


def test_each_step_of_the_walks_through_the_code_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    steps = re.findall(r"^\| \d+ \| `([\w/]+\.(?:py|java))` `(\w+)` \|", page, re.MULTILINE)
    assert len(steps) == len(re.findall(r"^\| \d+ \|", page, re.MULTILINE)) > 20
    for file, name in steps:
        source = (ROOT / file if file.startswith("java/") else ROOT / "splade_lucene" / file).read_text(encoding="utf-8")
        assert re.search(rf"\b(?:def|class) {name}\b|^  [\w<>\[\] ]+ {name}\(", source, re.MULTILINE), (file, name)
