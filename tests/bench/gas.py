"""Gas, from receipts: of one user's thousand prompts with one provider (a deposit, a thousand paid answers, a
cooperative close), and of a provider that goes live and changes its prices.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from contracts.anvil import running
from contracts.gas_rows import registry_rows
from contracts.scene import Scene
from tests.bench.row import Row, missing
from tests.bench.streams import Visitor, visitor
from tests.check.chain import Chain
from tests.check.stack import demo

PROMPTS = 1000
GOAL = 110_000
MORPHEUS = 873_000


async def _prompts(user: Visitor) -> None:
    """A thousand short answers, one after the other on one connection."""
    for _ in range(PROMPTS):
        await user.ask("hello", 1)


async def _story(up: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        user = await visitor(up, b"\x09" * 32, Path(folder), low_latency=True)
        await _prompts(user)
        await user.conversation.settle()
        closing = await user.conversation.close()
        await user.conversation.leave()
        return closing


def gas_1000_prompts() -> list[Row]:
    """One row: the gas of every transaction between the deposit and the refund."""
    against = f"Morpheus {MORPHEUS // 1000}k"
    try:
        with demo("--engine", "echo") as up:
            chain = Chain(up["rpc"])
            start = chain.block()
            asyncio.run(_story(up))
            used = [int(chain.receipt(sent["hash"])["gasUsed"], 16) for sent in chain.transactions_since(start)]
    except (OSError, RuntimeError, json.JSONDecodeError) as error:
        return [missing("gas_1000_prompts", "gas", against, "≤ 110k", str(error))]
    total = sum(used)
    note = f"{len(used)} transactions, {PROMPTS} paid prompts"
    return [Row("gas_1000_prompts", total, "gas", against, total / MORPHEUS, "≤ 110k", total <= GOAL, 0.0, note)]


def provider_gas() -> list[Row]:
    """`gas_go_live` and `gas_reprice`: one transaction each, with a real profile of one offer."""
    against = {"gas_go_live": ("register", 1_076_000, 82_000), "gas_reprice": ("announce", 362_000, 37_000)}
    try:
        with running() as chain:
            measured = registry_rows(Scene(chain))
    except (OSError, RuntimeError) as error:
        why = str(error)
        return [
            missing(name, "gas", f"Morpheus {morpheus // 1000:,}k", f"≤ {goal // 1000}k", why)
            for name, (_, morpheus, goal) in against.items()
        ]
    rows = []
    for name, (key, morpheus, goal) in against.items():
        gas = measured[key]
        note = (
            f"1 transaction, signed profile of {measured['profile_1_offer_bytes']} bytes; ten offers, "
            f"{measured['profile_10_offers_bytes']:,} bytes: {measured[key + '_10_offers']:,}"
        )
        goal_text = f"≤ {goal // 1000}k"
        rows.append(
            Row(name, gas, "gas", f"Morpheus {morpheus // 1000:,}k", gas / morpheus, goal_text, gas <= goal, 0.0, note)
        )
    return rows
