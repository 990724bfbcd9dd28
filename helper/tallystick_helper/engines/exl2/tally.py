"""From a generator's steps to pieces: which text goes out, and how many tokens it stands for.

A token counts when its whole text has been handed out. Not counted are tokens without text (the one that ends an
answer, other special ones), what a stop string cut off, and the beginning of a character that never became whole.

The libraries differ at the end of an answer, and are evened out here: exllamav2 hands out the beginning of a character
as U+FFFD where the limit cuts it, and a stop string where the limit falls on its last token; both keep for themselves
what they held back when the end token comes, though it is text of the answer.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import replace

from tallystick_shared import chat

from ..events import Piece, Reason
from .steps import Likelihood, Step
from .text import Text

_LENGTH = "max_new_tokens"


class Tally:
    """Takes the steps of one answer, in order."""

    def __init__(self, text: Text, stops: Sequence[str] = (), scored: bool = False) -> None:
        self._text = text
        self._stops = stops
        self._scored = scored

    def take(self, step: Step) -> tuple[list[Piece], Reason | None]:
        """What the step brings, and why the answer ended, once it has."""
        if not step.end:
            return self._pieces(step.text, step), None
        if step.end == "stop_token":
            kept = replace(step, ids=step.ids or step.held[:-1])
            return self._pieces(whole(self._text.data(kept.ids)), kept), Reason.STOP
        if step.end != _LENGTH:
            return self._pieces(step.text, step), Reason.STOP
        text = whole(self._text.data(step.ids))
        at = min((found for stop in self._stops if (found := text.find(stop)) >= 0), default=-1)
        return self._pieces(text if at < 0 else text[:at], step), Reason.LENGTH if at < 0 else Reason.STOP

    def _pieces(self, text: str, step: Step) -> list[Piece]:
        data = text.encode()
        if not data:
            return []
        counted = self._counted(len(data), step.ids)
        if not self._scored:
            return [Piece(data, len(counted))]
        scores = [(step.ids[index], step.likelihoods[index]) for index in counted if index < len(step.likelihoods)]
        tokens = tuple(self._score(token, likelihood) for token, likelihood in scores)
        return [Piece(chat.frame(chat.Scored(text, tokens)), len(counted), chat.Kind.SCORED)]

    def _counted(self, size: int, ids: Sequence[int]) -> list[int]:
        """Which of the ids have text that lies wholly within the first `size` bytes."""
        found, end = [], 0
        for index, token in enumerate(ids):
            length = len(self._text.piece(token))
            end += length
            if length and end <= size:
                found.append(index)
        return found

    def _score(self, token: int, likelihood: Likelihood) -> chat.ScoredToken:
        return chat.ScoredToken(
            chat.Score(token, self._text.piece(token), likelihood.own),
            tuple(chat.Score(other, self._text.piece(other), own) for other, own in likelihood.top),
        )


def whole(data: bytes) -> str:
    """Bytes as text, without the beginning of a character at their end."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)
