"""How a token is drawn: exllamav2's settings and their order (penalties, temperature, top-k, top-p, min-p)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Settings:
    """The names and defaults of `ExLlamaV2Sampler.Settings`, as far as they are honoured here."""

    token_repetition_penalty: float = 1.025
    token_repetition_range: int = -1
    token_frequency_penalty: float = 0.0
    token_presence_penalty: float = 0.0
    temperature: float = 0.8
    top_k: int = 50
    top_p: float = 0.8
    min_p: float = 0.0


def penalised(logits: Floats, settings: Settings, sequence: Sequence[int]) -> Floats:
    """Logits (vocabulary) after the penalties for what stands in the sequence already."""
    plain = settings.token_repetition_penalty == 1.0
    if plain and not settings.token_frequency_penalty and not settings.token_presence_penalty:
        return logits
    recent = sequence if settings.token_repetition_range < 0 else sequence[-settings.token_repetition_range :]
    tokens, counts = np.unique(np.array(recent, np.int64), return_counts=True)
    known = tokens < len(logits)
    tokens, counts = tokens[known], counts[known]
    found = logits[tokens]
    factor = np.float32(settings.token_repetition_penalty)
    found = np.where(found > 0, found / factor, found * factor)
    found -= counts.astype(np.float32) * np.float32(settings.token_frequency_penalty)
    found -= np.float32(settings.token_presence_penalty)
    out = logits.copy()
    out[tokens] = found
    return out


def draw(logits: Floats, settings: Settings, chance: float) -> tuple[int, float]:
    """The token at `chance` (0 to 1) of what the settings leave of the distribution, and its share in it."""
    if settings.top_k == 1 or settings.temperature < 0.01:
        return int(np.argmax(logits)), 1.0
    order, shares = _likeliest(softmax(logits / np.float32(settings.temperature)), settings.top_k)
    keep = len(order)
    if 0 < settings.top_p < 1:
        keep = int(np.searchsorted(np.cumsum(shares / shares.sum()), settings.top_p)) + 1
    if settings.min_p > 0:
        keep = min(keep, int((shares >= settings.min_p * shares[0]).sum()))
    shares = shares[: max(1, keep)] / shares[: max(1, keep)].sum()
    index = min(int(np.searchsorted(np.cumsum(shares), chance, side="right")), len(shares) - 1)
    return int(order[index]), float(shares[index])


def softmax(logits: Floats) -> Floats:
    """Shares that add up to one, along the last axis."""
    found: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found /= found.sum(axis=-1, keepdims=True)
    return found


def _likeliest(shares: Floats, count: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """The `count` largest, the largest first; 0 is all. Equal ones in the order of the vocabulary."""
    candidates = np.arange(len(shares))
    if 0 < count < len(shares):
        candidates = np.sort(np.argpartition(-shares, count)[:count])
    order = candidates[np.argsort(-shares[candidates], kind="stable")]
    return order, shares[order]
