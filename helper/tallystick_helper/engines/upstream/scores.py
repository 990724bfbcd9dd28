"""Log-probabilities as servers write them, as `chat.ScoredToken`.

    {"content": [{"token": "Hi", "id": 9, "bytes": [72, 105], "logprob": -0.1, "top_logprobs": [{…}, …]}, …]}
    {"tokens": ["Hi"], "token_logprobs": [-0.1], "top_logprobs": [{"Hi": -0.1, …}]}          of completions

`id` comes from llama.cpp alone, `bytes` may be null; vLLM may write an id as the token's text, `token_id:9`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tallystick_shared.chat import Score, ScoredToken

LEAST = -9999.0
"""Stands for a token that cannot come at all: minus infinity, or null."""
_ID = re.compile(r"token_id:(\d{1,9})")


def read_scores(logprobs: Any, most: int) -> tuple[ScoredToken, ...]:
    """The tokens of a delta, each with at most so many of the likeliest. What cannot be read is left out."""
    if not isinstance(logprobs, dict):
        return ()
    entries = logprobs.get("content")
    if isinstance(entries, list):
        return tuple(_scored(entry, most) for entry in entries if isinstance(entry, dict))
    return tuple(_older(logprobs, most))


def _scored(entry: dict[str, Any], most: int) -> ScoredToken:
    others = entry.get("top_logprobs")
    top = (_score(other) for other in others or () if isinstance(other, dict)) if isinstance(others, list) else ()
    return ScoredToken(_score(entry), _best(top, most))


def _score(entry: dict[str, Any]) -> Score:
    text = entry.get("token")
    text = text if isinstance(text, str) else ""
    number = entry.get("id", entry.get("token_id"))
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 32:
        written = _ID.fullmatch(text)
        number = int(written[1]) if written else -1
    return Score(number, _bytes(entry.get("bytes"), text), _logprob(entry.get("logprob")))


def _older(logprobs: dict[str, Any], most: int) -> Iterator[ScoredToken]:
    tokens, values, tops = (logprobs.get(name) or [] for name in ("tokens", "token_logprobs", "top_logprobs"))
    for at, text in enumerate(tokens):
        if not isinstance(text, str):
            continue
        others = tops[at] if at < len(tops) and isinstance(tops[at], dict) else {}
        top = (Score(-1, _bytes(None, str(other)), _logprob(value)) for other, value in others.items())
        value = values[at] if at < len(values) else None
        yield ScoredToken(Score(-1, _bytes(None, text), _logprob(value)), _best(top, most))


def _best(scores: Iterable[Score], most: int) -> tuple[Score, ...]:
    return tuple(sorted(scores, key=lambda score: -score.logprob)[:most])


def _bytes(given: Any, text: str) -> bytes:
    if isinstance(given, list) and all(isinstance(value, int) and 0 <= value < 256 for value in given):
        return bytes(given)
    return text.encode("utf-8", "replace")


def _logprob(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return LEAST
    return min(max(float(value), LEAST), 0.0)
