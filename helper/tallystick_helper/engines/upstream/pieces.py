"""Parts of a server's stream as pieces of output, each with the units that the meter gives it."""

from __future__ import annotations

from collections.abc import Iterator

from tallystick_shared.chat import Call, Kind, Scored, frame

from ..events import Piece
from .stream import Part
from .units import Meter

_FRAME_TEXT, _FRAME_SCORES, _ID = 4096, 400, 64
"""Characters and scores that surely fit a frame, and characters of a call's id or name."""


def pieces_of(part: Part, meter: Meter, scored: bool) -> Iterator[Piece]:
    """What is handed out for a part, as far as the meter lets it: text, or a frame where it was asked to be scored, or
    is a call.
    """
    if part.call is None and not scored:
        yield from meter.pieces(part.text, part.kind)
        return
    for body, text in _frames(part):
        kind = Kind.CALLS if isinstance(body, Call) else Kind.SCORED
        if (piece := meter.whole(text, frame(body), kind)) is not None:
            yield piece


def _frames(part: Part) -> Iterator[tuple[Call | Scored, str]]:
    """A part as structures that fit a frame, each with the text that it stands for."""
    if part.call is not None:
        call = part.call
        for at in range(0, max(1, len(call.arguments)), _FRAME_TEXT):
            some = call.arguments[at : at + _FRAME_TEXT]
            name = "" if at else call.name
            yield Call(call.index, some, "" if at else call.id[:_ID], name[:_ID]), name + some
        return
    tokens = part.scores
    if sum(1 + len(token.top) for token in tokens) > _FRAME_SCORES:
        tokens = ()  # a server that gathers hundreds of tokens: their text counts more than their scores
    for at in range(0, len(part.text), _FRAME_TEXT):
        yield (
            Scored(part.text[at : at + _FRAME_TEXT], tokens if at == 0 else (), part.kind),
            part.text[at : at + _FRAME_TEXT],
        )
