"""The head for training gives the weights and the gradients of the plain formulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SparseEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sparse_encoder.modules import SpladePooling
from torch import Tensor

from splade_lucene.training.encoder import TrainedEncoder
from splade_lucene.training.head import pooled_weights


def plain(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    logits = hidden @ weight.T + bias
    return (torch.relu(logits) * mask[:, :, None]).log1p().max(dim=1).values


def test_weights_and_gradients_equal_the_plain_formulation() -> None:
    torch.manual_seed(0)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
    inputs = [torch.randn(3, 6, 8), torch.randn(50, 8), torch.randn(50) - 1]
    upstream = torch.randn(3, 50)
    results: list[list[Tensor | None]] = []
    for function in (plain, pooled_weights):
        hidden, weight, bias = (each.clone().requires_grad_() for each in inputs)
        pooled = function(hidden, mask, weight, bias)
        (pooled * upstream).sum().backward()  # type: ignore[no-untyped-call]
        results.append([pooled.detach(), hidden.grad, weight.grad, bias.grad])
    assert results[0][0] is not None and 0 < len(results[0][0].nonzero()) < 3 * 50
    for expected, found in zip(*results, strict=True):
        assert expected is not None and found is not None
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precise", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert", "roberta"])
def test_a_whole_model_has_the_vectors_and_gradients_of_the_library(
    random_model: Callable[[str], Path], family: str, activation: Any, precise: bool
) -> None:
    texts = ["a word of text", "Wrap a single paragraph of text, returning a list of wrapped lines."]

    def make() -> Any:
        modules = [
            Transformer(str(random_model(family)), transformer_task="fill-mask"),
            SpladePooling("max", activation_function=activation),
        ]
        encoder = SparseEncoder(modules=modules, device="cpu").eval()
        encoder[1].train()  # the library's own pooling overwrites its input otherwise; dropout stays off
        return encoder.double() if precise else encoder

    theirs, ours = make(), TrainedEncoder(make())
    found = []
    for encoder in (theirs, ours.encoder):
        vectors = encoder(ours.tokenize(texts, "document", 16))["sentence_embedding"]
        vectors.square().sum().backward()
        found.append((vectors.detach(), {name: parameter.grad for name, parameter in encoder.named_parameters()}))
    (expected, expected_gradients), (vectors, gradients) = found
    assert 0 < len(expected.nonzero()) < expected.numel()
    torch.testing.assert_close(vectors, expected, rtol=1e-10 if precise else 1e-5, atol=1e-10 if precise else 1e-5)
    assert gradients.keys() == expected_gradients.keys()
    # Some gradients are sums of large terms that cancel: what rounding leaves is small beside the largest, not beside them; in float64
    # it is nothing to speak of.
    largest = max(float(gradient.abs().max()) for gradient in expected_gradients.values() if gradient is not None)
    for name, gradient in expected_gradients.items():
        assert (gradient is None) == (gradients[name] is None), name
        if gradient is not None:
            absolute, relative = (1e-8, 1e-8) if precise else (1e-6 * largest, 1e-4)
            torch.testing.assert_close(gradients[name], gradient, rtol=relative, atol=absolute)
