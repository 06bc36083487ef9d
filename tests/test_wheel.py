"""The wheel holds the package and nothing else, and works in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from splade_lucene import __version__
from splade_lucene.collections import pydocs
from tests.test_docs import cut, write_beir

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since building leaves folders in the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "splade_lucene", folder / "source" / "splade_lucene", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "source")
    return next(folder.glob("*.whl"))


def run(*command: str | Path) -> str:
    """Runs a command that cannot see the source tree."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_no_java_source(wheel: Path) -> None:
    package = {file.relative_to(ROOT).as_posix() for file in (ROOT / "splade_lucene").rglob("*") if file.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == package
    assert not [name for name in held if name.endswith(".java")]
    assert f"splade_lucene-{__version__}.dist-info/licenses/LICENSE" in held


def test_what_is_installed_from_the_wheel_encodes_indexes_and_searches(wheel: Path, tmp_path: Path, tiny: object) -> None:
    """In an environment that has the dependencies of this one, but neither this source tree nor its commands."""
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python, command = environment / "bin" / "python", environment / "bin" / "splade-lucene"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    # The path as a line of a .pth file adds what is there, and not what its own .pth files name: editable installations.
    home = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (home / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    assert Path(run(python, "-c", "import splade_lucene; print(splade_lucene.__file__)").strip()).is_relative_to(home)
    assert run(command, "--version") == f"splade-lucene {__version__}\n"

    passages = pydocs.passages()
    write_beir(tmp_path / "dataset", *cut(passages, *pydocs.questions({passage.doc_id for passage in passages})))
    # One process for all commands: it imports torch and starts Java once.
    dataset, encoded, index, hits = (str(tmp_path / name) for name in ("dataset", "encoded", "index", "run.trec"))
    commands = [
        ["encode", dataset, encoded, "--model", "tiny"],
        ["index", encoded, index],
        ["search", index, dataset, hits],
        ["evaluate", dataset, hits, "--measures", "nDCG@10"],
    ]
    code = f"from splade_lucene.cli.main import main\nfor words in {commands!r}: assert main(words) == 0"
    assert float(run(python, "-c", code).splitlines()[-1].split("|")[2]) > 0.5
