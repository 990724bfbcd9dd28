"""Is it the model that it claims to be? An answer at temperature 0, scored by one pass of the reference.

The statistic is that of Token-DiFR (2511.20621): for each token, how far its logit lies below the largest. An honest
engine takes the largest, up to rounding; another quantisation, or another model, often does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .llama import Llama, Span
from .sampling import softmax

CLIP = 3.0
"""A margin counts no more than this, so that one odd token does not decide."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of each token of an answer: its margin (logits, 0 to `CLIP`) and its natural log-probability."""

    margins: npt.NDArray[np.float32]
    logprobs: npt.NDArray[np.float32]

    @property
    def mean_margin(self) -> float:
        return float(self.margins.mean())

    @property
    def loss(self) -> float:
        """Nats a token."""
        return float(-self.logprobs.mean())

    @property
    def agreement(self) -> float:
        """The share of tokens that are the reference's own choice."""
        return float((self.margins == 0).mean())


def score(model: Llama, prompt: Sequence[int], answer: Sequence[int]) -> Score:
    """Both as token ids, at least one each."""
    ids = [*prompt, *answer[:-1]]
    logits = model.read([Span(ids, model.memory(len(ids)))], logits="all")[len(prompt) - 1 :]
    rows, tokens = np.arange(len(answer)), np.array(list(answer))
    own = logits[rows, tokens]
    return Score(np.minimum(logits.max(axis=1) - own, CLIP), np.log(softmax(logits)[rows, tokens] + 1e-30))
