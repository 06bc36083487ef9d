"""Models of the Hugging Face hub: safetensors, tokenizers and configuration, nothing that is executed or unpickled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from splade_lucene.encoding.defaults import TINY
from splade_lucene.errors import ModelError, first_sentence

_CONFIGURATION = ["*.json", "*.txt", "*.model"]
FEW_FILES = _CONFIGURATION
"""Configuration, tokenizers and tables of token weights: all that a query side without a network needs."""
# Other weights of the same model, which would only cost time and space.
_NOT_NEEDED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*", "coreml/*", "flax*", "tf_*"]


def fetch(name: str, revision: str | None, token: str | None, *, patterns: Sequence[str] | None = None) -> Path:
    """Downloads a repository, or finds it in the hub's cache.

    Args:
        name: the hub id.
        revision: branch, tag or commit; the default branch if None.
        token: for private and gated repositories; by default what ``hf auth login`` or ``HF_TOKEN`` says.
        patterns: of the files to download; configuration and safetensors if None.

    Returns:
        The folder, named like the commit.

    Raises:
        ModelError: the repository cannot be downloaded.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    def download(revision: str | None) -> Path:
        wanted = [*_CONFIGURATION, "*.safetensors"] if patterns is None else list(patterns)
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=_NOT_NEEDED, token=token))

    try:
        folder = download(revision)
        if patterns is None and revision is None and not list(folder.rglob("*.safetensors")):
            # Repositories from before safetensors (prithivida's among them) have it in the hub's own conversion pull request;
            # this is how transformers' from_pretrained finds or requests it, the author of the request checked.
            from transformers.safetensors_conversion import get_conversion_pr_reference

            folder = download(get_conversion_pr_reference(HfApi(token=token), name))
        return folder
    except GatedRepoError:
        raise ModelError(
            f"the model {name!r} is gated: accept its terms at https://huggingface.co/{name}, then log in with `hf auth login`, set "
            "HF_TOKEN, or give --token"
        ) from None
    except RepositoryNotFoundError:
        raise ModelError(
            f"there is no model {name!r} on the Hugging Face hub, or it is private; check its name, and for a private one log in with "
            f"`hf auth login`, set HF_TOKEN, or give --token (--model {TINY} works offline)"
        ) from None
    except Exception as error:  # the hub's HTTP client, and so its exceptions, change with the version of huggingface_hub
        raise ModelError(
            f"the model {name!r} could not be downloaded from the Hugging Face hub ({first_sentence(error)}); check its name and the "
            f"network, give a local folder, or use --model {TINY} for the small model that works offline"
        ) from None
