"""What the package never does, read from its own source: unpickle, run code from data or strings, or call a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "splade_lucene").rglob("*.py")) + sorted((ROOT / "scripts").glob("*.py"))
# Modules that run what data tells them, or unpack archives without looking at their members.
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "commands", "xmlrpc"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "execfile"),
    *("os.system", "os.popen", "pty.spawn", "subprocess.getoutput", "subprocess.getstatusoutput", "shutil.unpack_archive"),
    *("yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all"),
    *("torch.load", "np.load", "numpy.load", "pandas.read_pickle", "pd.read_pickle", "tempfile.mktemp"),
}
FORBIDDEN_METHODS = {"extractall", "extract"}


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_runs_no_data_and_no_shell(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not modules & FORBIDDEN_MODULES
    for name, call in calls(file):
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        place = f"{file.relative_to(ROOT)}:{call.lineno}"
        assert name not in FORBIDDEN_CALLS, f"{place} calls {name}"
        assert name.rpartition(".")[2] not in FORBIDDEN_METHODS, f"{place} unpacks an archive as it is"
        assert options.get("shell", "False") == "False", f"{place} calls a shell"
        if name.startswith("subprocess.") and call.args:
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), f"{place} runs a string"
        assert options.get("trust_remote_code", "False") == "False", f"{place} runs code from a model"
        assert options.get("allow_pickle", "False") == "False" and options.get("weights_only", "True") == "True", f"{place} unpickles"
        if name.endswith(".from_pretrained") and "AutoModel" in name:
            assert options.get("use_safetensors") == "True" and options.get("trust_remote_code") == "False", place


def test_the_rules_find_what_they_forbid(tmp_path: Path) -> None:
    for source in (
        "import pickle",
        "from marshal import loads",
        "eval('1')",
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run(['ls'], shell=True)",
        "import subprocess\nsubprocess.run('ls')",
        "import torch\ntorch.load('x')",
        "import zipfile\nzipfile.ZipFile('x').extractall('y')",
        "AutoModel.from_pretrained('x', trust_remote_code=True, use_safetensors=True)",
        "AutoModelForMaskedLM.from_pretrained('x', trust_remote_code=False)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "import numpy as np\nnp.load('x')",
    ):
        file = ROOT / "splade_lucene" / "vector_factory.py"
        planted = tmp_path / file.name
        planted.write_text(source)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.test_security.ROOT", tmp_path)
            with pytest.raises(AssertionError):
                test_a_file_runs_no_data_and_no_shell(planted)
