"""Requests of all sizes, a fifth of them malformed, too long or cancelled at some moment: the node keeps its memory,
and each unit that is billed was delivered. The moments come from a seed, which a failure names.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tallystick_shared.chat import chat_input
from tallystick_shared.errors import Code

from .paid import Outcome, Payer, slots_free
from .world import new_world, serving

pytestmark = [pytest.mark.model, pytest.mark.timeout(1200)]

PAYERS = 4
SEED = 20
WORDS = "the brown fox jumps over a lazy dog while rain falls on grey hills and nobody asks why".split()  # noqa: SIM905
BAD = (
    "malformed input",
    "malformed params",
    "too long",
    "cancelled at once",
    "cancelled while it is read",
    "cancelled later",
)


@dataclass(frozen=True)
class Size:
    """How much is asked: requests in all, tokens of a slot, words of a prompt, of one that is read for long, and
    units of an answer.
    """

    requests: int
    context: int
    words: tuple[int, ...]
    read: int
    units: tuple[int, ...]


SHORT = Size(30, 512, (1, 5, 12), 80, (1, 2, 6))
FULL = Size(100, 1024, (1, 5, 20, 60, 150, 400), 500, (1, 4, 16, 40, 100))


@dataclass(frozen=True)
class Wish:
    """One request of the soak; `kind` is empty for a good one."""

    kind: str
    text: str
    units: int
    data: bytes | None = None
    params: bytes = b""
    cancel_at: int | None = None


def wishes(size: Size, rng: random.Random) -> list[Wish]:
    """Requests in no order, exactly a fifth of them bad, all bad kinds among them."""
    bad = size.requests // 5
    kinds = [BAD[at % len(BAD)] for at in range(bad)] + [""] * (size.requests - bad)
    rng.shuffle(kinds)
    return [wish(kind, size, rng) for kind in kinds]


def wish(kind: str, size: Size, rng: random.Random) -> Wish:
    some = " ".join(rng.choices(WORDS, k=rng.choice(size.words)))
    usual = Wish(kind, some, rng.choice(size.units))
    match kind:
        case "malformed input":
            whole = chat_input([("user", some)])
            return replace(usual, data=rng.choice((b"\xc1", whole[: len(whole) // 2], rng.randbytes(40), b"\x90")))
        case "malformed params":
            return replace(usual, params=rng.choice((b"\xff\xff", b"\x91\xcb\x40\x22" + bytes(6), rng.randbytes(20))))
        case "too long":
            return replace(usual, text="word " * (size.context + rng.randrange(1, 2000)))
        case "cancelled at once":
            return replace(usual, units=40, cancel_at=0)
        case "cancelled while it is read":
            return replace(usual, text=some + " word" * size.read, units=40, cancel_at=-rng.randrange(1, 40))
        case "cancelled later":
            return replace(usual, text="Count to a hundred.", units=40, cancel_at=rng.randrange(1, 8))
    return usual


async def spend(payer: Payer, some: list[Wish], seen: Counter[str]) -> None:
    """One user's requests, one after the other."""
    for one in some:
        outcome = await payer.ask(one.text, one.units, params=one.params, data=one.data, cancel_at=one.cancel_at)
        check(one, outcome)
        seen[one.kind or "good"] += 1


def check(one: Wish, outcome: Outcome) -> None:
    """It ended as such a request should."""
    assert outcome.units <= one.units, one
    match one.kind:
        case "malformed input" | "malformed params":
            assert outcome.error is not None and outcome.error.code is Code.BAD_REQUEST, (one, outcome)
            assert outcome.amount == 0
        case "too long":
            assert outcome.error is not None and outcome.error.code is Code.PROMPT_TOO_LONG, (one, outcome)
            assert outcome.amount == 0
        case "":
            assert outcome.error is None and outcome.finish in ("stop", "length"), (one, outcome)
            assert outcome.input_units > 0
        case _:
            assert outcome.error is None and outcome.finish in ("cancelled", "stop", "length"), (one, outcome)


def resident() -> int:
    """Bytes of this process, in which the node runs."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


async def test_memory_and_money_after_many_requests(tmp_path: Path, full: bool) -> None:
    rng, size = random.Random(SEED), FULL if full else SHORT
    options = {"context": size.context, "slots": PAYERS, "queue": 8, "threads": 1}
    async with new_world(tmp_path) as world, serving(world, engine={"kind": "gguf", "options": options}) as node:
        payers = [await Payer.at(node) for _ in range(PAYERS)]
        # Warm: each slot has seen the longest request, and each kind of request came once.
        deep = Wish("", "word " * size.words[-1], size.units[-1])
        await asyncio.gather(*(spend(payer, [deep], Counter()) for payer in payers))
        await spend(payers[0], [wish(kind, size, rng) for kind in BAD], Counter())
        await slots_free(node)
        before = resident()
        seen: Counter[str] = Counter()
        wanted = wishes(size, rng)
        await asyncio.gather(*(spend(payer, wanted[at::PAYERS], seen) for at, payer in enumerate(payers)))
        await slots_free(node)
        grown = resident() / before
        assert sum(seen.values()) == size.requests and seen["good"] * 5 == 4 * size.requests
        assert 0.9 < grown < 1.1, f"{before} bytes became {grown:.3f} of that, seed {SEED}"
        delivered = sum([await payer.check_money() for payer in payers])
        held = await world.balance(node.provider)
        for payer in payers:
            await payer.close()
        assert await world.balance(node.provider) - held == delivered > 0
        print(
            f"memory: {before} bytes, {grown:.3f} of that after {size.requests} requests; {delivered} wei: {dict(seen)}"
        )
