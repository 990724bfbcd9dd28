"""What a generator reports, made plain: no tensors, and the same for exllamav2, exllamav3 and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Of one token that came: its natural log-probability, and the likeliest in its place as (id, log-probability)."""

    own: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One report on a job. `ids` are the tokens whose text `text` is; `held` those that it kept to the end.

    `end` is why it ended: stop_token, stop_string, max_new_tokens, end_filter, loop_detected, error; empty where it
    has not.
    """

    stage: str
    text: str = ""
    ids: tuple[int, ...] = ()
    likelihoods: tuple[Likelihood, ...] = ()
    held: tuple[int, ...] = ()
    end: str = ""
    read: int = 0
    """Tokens of the prompt that are read, in stage `prefill`."""
    reused: int = 0
    """Tokens of the prompt that an earlier job had computed; told at the end."""


def read_step(result: Mapping[str, Any], top: int | None = None, vocabulary: int = 0) -> Step:
    """A result dictionary as a step. `top` is how many other tokens to tell; None looks at no logits."""
    ids = _ids(result.get("token_ids"))
    likelihoods: tuple[Likelihood, ...] = ()
    if top is not None and ids and result.get("logits") is not None:
        rows = _rows(result["logits"])[-len(ids) :, : vocabulary or None]
        likelihoods = tuple(_likelihood(row, token, top) for row, token in zip(rows, ids, strict=True))
    end = ""
    if result.get("eos"):
        end = "error" if result.get("stage") == "error" else str(result.get("eos_reason") or "error")
    return Step(
        stage=str(result.get("stage", "")),
        text=str(result.get("text") or ""),
        ids=ids,
        likelihoods=likelihoods,
        held=_ids((result.get("held") or {}).get("token_ids")),
        end=end,
        read=int(result.get("curr_progress") or 0),
        reused=int(result.get("cached_tokens") or 0),
    )


def _ids(tensor: Any) -> tuple[int, ...]:
    return () if tensor is None else tuple(int(token) for token in tensor[0].tolist())


def _rows(tensor: Any) -> Floats:
    """Logits (n, vocabulary), wherever they were computed."""
    if hasattr(tensor, "detach"):  # a tensor of PyTorch
        tensor = tensor.detach().float().cpu()
    rows: Floats = np.asarray(tensor, np.float32)[0]
    return rows


def _likelihood(row: Floats, token: int, top: int) -> Likelihood:
    best = float(row.max())
    total = best + float(np.log(np.exp(row - best).sum(dtype=np.float64)))
    order = np.argpartition(-row, top)[:top] if 0 < top < len(row) else np.arange(min(top, len(row)))
    order = order[np.argsort(-row[order], kind="stable")]
    pairs = tuple((int(index), min(0.0, float(row[index]) - total)) for index in order if np.isfinite(row[index]))
    return Likelihood(min(0.0, float(row[token]) - total), pairs)
