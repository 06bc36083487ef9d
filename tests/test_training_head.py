"""The head for training gives the weights and the gradients of the plain formulation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from splade_lucene.training import head


def plain(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    logits = hidden @ weight.T + bias
    return (torch.relu(logits) * mask[:, :, None]).log1p().max(dim=1).values


@pytest.mark.parametrize("tile_bytes", [1, 4096, 1 << 23])
def test_weights_and_gradients_equal_the_plain_formulation(monkeypatch: pytest.MonkeyPatch, tile_bytes: int) -> None:
    monkeypatch.setattr(head, "_TILE_BYTES", tile_bytes)
    torch.manual_seed(0)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
    inputs = [torch.randn(3, 6, 8, dtype=torch.float64), torch.randn(50, 8, dtype=torch.float64), torch.randn(50, dtype=torch.float64) - 1]
    upstream = torch.randn(3, 50, dtype=torch.float64)
    results: list[list[Tensor | None]] = []
    for function in (plain, head.pooled_weights):
        hidden, weight, bias = (each.clone().requires_grad_() for each in inputs)
        pooled = function(hidden, mask, weight, bias)
        (pooled * upstream).sum().backward()  # type: ignore[no-untyped-call]
        results.append([pooled.detach(), hidden.grad, weight.grad, bias.grad])
    assert results[0][0] is not None and 0 < len(results[0][0].nonzero()) < 3 * 50
    for expected, found in zip(*results, strict=True):
        assert expected is not None and found is not None
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
