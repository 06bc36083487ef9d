"""What clients may ask for in a JSON body; unknown fields are refused, so that nothing is ignored in silence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from splade_lucene.evaluation.fusion import Method

Token = Annotated[str, Field(min_length=1, max_length=256)]
# Up to here a single product of impacts is exact in Lucene's scores.
Impact = Annotated[int, Field(ge=1, lt=1 << 24, strict=True)]
Weight = Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)]
_MOST_TOKENS = 4096


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fusion(_Body):
    """Which two indexes are fused, and how."""

    other: str | None = Field(
        default=None, validation_alias="with", description="the other index; by default the BM25 index that was given with this one"
    )
    method: Method = Field(
        default="sum", description="`sum` or `max` of min-max-normalised scores, or `rrf`, reciprocal rank fusion, as the command `fuse`"
    )
    weight: float | None = Field(
        default=None, ge=0, le=1, description="of this index; the other has 1 - weight; by default both weigh the same"
    )


class SearchBody(_Body):
    """A search."""

    text: str | None = Field(default=None, description="the query", examples=["why does glass break"])
    impacts: dict[Token, Impact] | None = Field(
        default=None, max_length=_MOST_TOKENS, description="an encoded query instead of a text: token to impact, integers", examples=[None]
    )
    weights: dict[Token, Weight] | None = Field(
        default=None,
        max_length=_MOST_TOKENS,
        description="the same with the model's weights, which are multiplied by the index's scale and rounded",
        examples=[None],
    )
    k: int = Field(default=10, ge=1, description="the number of hits")
    documents: bool = Field(default=True, description="with the stored text of each hit")
    within: list[str] | None = Field(
        default=None, min_length=1, max_length=10_000, description="find only these documents, by their docids", examples=[None]
    )
    where: str | None = Field(
        default=None,
        max_length=4096,
        description="find only documents whose fields fulfil these conditions, like `lang=de,fr year>=2020`",
        examples=[None],
    )
    explain: bool = Field(default=False, description="with what each term adds to each score, and where it is in the text")
    fusion: Fusion | bool = Field(
        default=False, description="fuse with another index; `true` for the BM25 index that was given with this one"
    )

    @model_validator(mode="after")
    def _one_query(self) -> SearchBody:
        if sum(each is not None for each in (self.text, self.impacts, self.weights)) != 1:
            raise ValueError("give one of text, impacts and weights")
        if self.text is None and self.explain:
            raise ValueError("explain needs the text of the query")
        if self.text is None and self.fusion:
            raise ValueError("fusion needs the text of the query, which the BM25 index searches for")
        return self


class ExplainBody(_Body):
    """Why a document has its score, or why one is above another."""

    text: str = Field(description="the query")
    docids: list[str] = Field(min_length=1, max_length=2, description="one document, or two to compare")


class EmbedBody(_Body):
    """Texts to encode, as for text-embeddings-inference."""

    inputs: str | list[str] = Field(description="a text or several", examples=["why does glass break"])
    truncate: bool | None = Field(default=False, description="cut texts that are too long; else they are refused")
    truncation_direction: Literal["Left", "Right", "left", "right"] = Field(default="Right", description="only `Right`")
    prompt_name: str | None = Field(
        default=None, description="`query` encodes as a query, `document` as a passage; by default as a passage", examples=["query"]
    )
