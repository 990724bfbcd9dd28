"""Speed of a paid, encrypted stream through a node, beside the bare engine on the same machine in the same
minutes.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.chat import Account, Answer, Conversation
from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.engines.bare import BareRun, bare_server, bare_stream
from tallystick_helper.store import UserStore
from tallystick_shared.chains import Deployment
from tallystick_shared.deposit import Terms
from tallystick_shared.market import Listing
from tests.bench.row import Row, median, missing, pairwise, spread
from tests.check.stack import demo

TOKENS = 160
RUNS = 5
ETHER = 10**18


def prompt(number: int) -> str:
    """A new beginning each time, so that no cache of an earlier prompt helps either side."""
    return (
        f"Number {number * 7919}: write a long story about a lighthouse keeper who repairs watches, in many paragraphs."
    )


@dataclass
class Visitor:
    """A terminal user with a deposit, in this process."""

    account: Account
    listing: Listing
    store: UserStore
    conversation: Conversation

    async def ask(self, text: str, tokens: int) -> Answer:
        model = self.listing.usable().offers[0].model
        async for part in self.conversation.ask([("user", text)], model, tokens):
            if isinstance(part, Answer):
                return part
        raise RuntimeError("no answer")


async def visitor(up: dict[str, Any], key: bytes, folder: Path, *, low_latency: bool) -> Visitor:
    """Opens a deposit and connects."""
    crypto = NativeCrypto()
    rpc = HttpRpc([up["rpc"]])
    where = Deployment(up["chain_id"], bytes.fromhex(up["registry"][2:]), bytes.fromhex(up["channels"][2:]))
    store = UserStore(folder, crypto)
    account = Account(crypto, rpc, where, key, store, poll=0.02)
    await rpc.request("anvil_setBalance", ["0x" + account.address.hex(), hex(10 * ETHER)])
    listing = await account.choose(None)
    deposit, _ = await account.open(listing, Terms(5 * ETHER))
    conversation = Conversation(crypto, store, deposit, listing.usable(), low_latency=low_latency)
    await conversation.connect()
    return Visitor(account, listing, store, conversation)


def speed(answer: Answer) -> float:
    """Tokens per second between the first piece and the last, without prefill, as the bare engine's."""
    first, last = answer.arrivals[0], answer.arrivals[-1]
    return (answer.output_units - answer.units_at_first) / max(last - first, 1e-9)


async def _measure(up: dict[str, Any], low_latency: bool) -> tuple[list[Answer], list[BareRun]]:
    """RUNS answers through the node and RUNS of the bare engine, in turn, after one of each that does not count."""
    answers, bare = [], []
    server = bare_server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            user = await visitor(up, bytes([7 + low_latency]) * 32, Path(folder), low_latency=low_latency)
            for number in range(RUNS + 1):
                answers.append(await user.ask(prompt(number), TOKENS))
                bare.append(await asyncio.to_thread(bare_stream, server, prompt(number), TOKENS))
            await user.conversation.leave()
    finally:
        server.close()
    return answers[1:], bare[1:]


def streams() -> list[Row]:
    """`tokens_1` and `first_token_shaped`, at the default shape."""
    try:
        with demo() as up:
            answers, bare = asyncio.run(_measure(up, low_latency=False))
    except (OSError, RuntimeError) as error:
        why = str(error)
        return [
            missing("tokens_1", "tokens/s", "bare engine", "≥ 0.97", why),
            missing("first_token_shaped", "ms", "bare engine", "≤ +120 ms", why),
        ]
    ours, theirs = [speed(answer) for answer in answers], [run.tokens_per_s for run in bare]
    ratio = pairwise(ours, theirs, lambda a, b: a / b)
    first = [1000 * (answer.first_token or 0.0) for answer in answers]
    added = pairwise(first, [1000 * run.first_token_s for run in bare], lambda a, b: a - b)
    bare_first = statistics.median(1000 * run.first_token_s for run in bare)
    return [
        Row(
            "tokens_1",
            median(ours),
            "tokens/s",
            f"bare engine {median(theirs):.1f}",
            ratio,
            "≥ 0.97",
            ratio >= 0.97,
            spread(ours),
        ),
        Row(
            "first_token_shaped",
            median(first),
            "ms",
            f"bare engine {bare_first:.0f}",
            added,
            "≤ +120 ms",
            added <= 120,
            spread(first),
        ),
    ]
