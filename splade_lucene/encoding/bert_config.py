"""Which model folders hold plain BERT, whose forward pass is computed here and not by transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Names of layer norms' parameters in checkpoints that were converted from TensorFlow.
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}
# What must hold of config.json, with the defaults of transformers' BertConfig.
_PLAIN = {
    "hidden_act": ("gelu", "gelu"),
    "position_embedding_type": ("absolute", "absolute"),
    "is_decoder": (False, False),
    "add_cross_attention": (False, False),
    "tie_word_embeddings": (True, True),
    "chunk_size_feed_forward": (0, 0),
    "quantization_config": (None, None),
}


def plain_config(folder: Path) -> dict[str, Any] | None:
    """``config.json`` of a plain BertForMaskedLM; None if it is of another architecture, a variant, or damaged."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config["model_type"] != "bert" or config["architectures"] != ["BertForMaskedLM"]:
            return None
        if any(config.get(key, default) != wanted for key, (default, wanted) in _PLAIN.items()):
            return None
        return dict(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def plain_name(name: str) -> str:
    """The name of a weight as checkpoints have it today."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_OLD_NAMES.get(last, last)}"
