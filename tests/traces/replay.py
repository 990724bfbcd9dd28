"""Answers said again on a clock that is handed in: through two real sessions, and as a sender without shape would."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from tallystick_shared.crypto import Crypto
from tallystick_shared.messages import Data, encode_body
from tallystick_shared.money import MILLION
from tallystick_shared.records import HEADER, size_for
from tallystick_shared.session import ClientLimits
from tests.shared.eavesdropper import OVERHEAD, Seen, Tapped
from tests.shared.pair import PRICE_OUT

from . import Answer, tokens

LATE = 0.004
"""How late a process may be, at most: drawn anew for each record, on either side, shaped or not."""
QUESTION = b"q" * 200
WINDOW = 100 * PRICE_OUT // MILLION
"""Two seconds of output at fifty tokens a second, as a node's settings have it."""


def shaped(crypto: Crypto, answer: Answer, luck: Random) -> list[Seen]:
    """What passes of a session in which the model gives this answer; times since the question."""
    pair = Tapped(crypto, window=WINDOW, late=lambda: luck.uniform(0, LATE))
    pair.client.purse.limits = ClientLimits(WINDOW, WINDOW)
    pair.connect()
    pair.seen_by.clear()
    began = pair.now
    stream = pair.ask(QUESTION)
    for token in tokens(answer):
        pair.let_pass(max(0.0, began + token.at - pair.now))
        pair.provider.data(stream, b"w" * token.size, token.units)
    pair.provider.finish(stream, "stop")
    pair.rest()
    return [replace(seen, at=seen.at - began) for seen in pair.seen_by]


def bare(answer: Answer, luck: Random, *, padded: bool = False) -> list[Seen]:
    """One record for each token, at once: with the body's own length, as a stream of server-sent events has it, or
    padded to the sizes of our records, so that only times tell anything.
    """
    seen, units = [], 0
    for seq, token in enumerate(tokens(answer), 1):
        units += token.units
        size = len(encode_body(Data(seq, units, 0, b"w" * token.size)))
        size = size_for(size) if padded else size + HEADER.size
        seen.append(Seen(token.at + luck.uniform(0, LATE), "provider", size + OVERHEAD))
    return seen


def cut(answers: Iterable[Answer], count: int) -> list[Answer]:
    """The first so many pieces of each answer that has them."""
    return [
        Answer(answer.topic, answer.sizes[:count], answer.units[:count], answer.gaps[:count])
        for answer in answers
        if len(answer.sizes) >= count
    ]
