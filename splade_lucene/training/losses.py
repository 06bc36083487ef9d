"""The ranking loss with known positives masked, and what a batch costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from sentence_transformers.sparse_encoder.losses import SparseDistillKLDivLoss, SparseMultipleNegativesRankingLoss
from sentence_transformers.util import pairwise_dot_score
from torch import Tensor


class BatchCost(NamedTuple):
    """What the vectors of a batch cost.

    Attributes:
        flops: mean multiplications to score one of its queries against one of its passages.
        query_terms: mean number of active entries of a query.
        document_terms: of a passage.
    """

    flops: float
    query_terms: float
    document_terms: float


def batch_cost(queries: Tensor, documents: Tensor) -> BatchCost:
    """Counts active entries; both arguments are texts × vocabulary."""
    with torch.no_grad():
        of_queries, of_documents = (queries > 0).float(), (documents > 0).float()
        shared = (of_queries.mean(dim=0) * of_documents.mean(dim=0)).sum()
        return BatchCost(float(shared), float(of_queries.sum(dim=1).mean()), float(of_documents.sum(dim=1).mean()))


class DistillationLoss(SparseDistillKLDivLoss):
    """sentence-transformers' distillation, which also tells what a batch costs.

    Args:
        model: sentence-transformers' model.
        scale: factor of the model's scores before the softmax; the teacher's are taken as they are.

    Attributes:
        cost: of the last batch.
    """

    def __init__(self, model: Any, scale: float) -> None:
        super().__init__(model, similarity_fct=pairwise_dot_score, student_temperature=1 / scale, teacher_temperature=1.0)
        self.cost: BatchCost | None = None

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The divergence of the teacher's scores of a row's passages, batch × passages, and the model's."""
        self.cost = batch_cost(embeddings[0], torch.cat(embeddings[1:]))
        found: Tensor = super().compute_loss_from_embeddings(embeddings, labels)
        return found


class MaskedRankingLoss(SparseMultipleNegativesRankingLoss):
    """sentence-transformers' ranking loss, without passages that are known to be relevant among the negatives of a query.

    Args:
        model: sentence-transformers' model.
        known: number of a query → numbers of its positives.
        scale: factor of the scores before the softmax.

    Attributes:
        cost: of the last batch.
    """

    def __init__(self, model: Any, known: Mapping[int, frozenset[int]], *, scale: float) -> None:
        super().__init__(model, scale=scale)
        self._known = known
        self.cost: BatchCost | None = None

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        """The cross entropy of each query's own positive among the passages of the batch.

        Args:
            embeddings: of queries, positives, and negatives if there are any, each batch × vocabulary.
            labels: batch × (1 + columns of passages): the number of the query, then those of the passages of its row.
        """
        queries, documents = embeddings[0], torch.cat(embeddings[1:])
        self.cost = batch_cost(queries, documents)
        scores: Tensor = self.similarity_fct(queries, documents) * self.scale
        own = torch.arange(len(queries), device=scores.device)
        mask = known_positives(labels.tolist(), self._known).to(scores.device)
        mask[own, own] = False
        return torch.nn.functional.cross_entropy(scores.masked_fill(mask, -torch.inf), own)


def known_positives(labels: list[list[int]], known: Mapping[int, frozenset[int]]) -> Tensor:
    """Which passages of a batch are positives of which query: bool, queries × passages, column by column of the rows."""
    documents = [row[column] for column in range(1, len(labels[0])) for row in labels]
    return torch.tensor([[document in known[row[0]] for document in documents] for row in labels])
