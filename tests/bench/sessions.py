"""A hundred sessions with ten providers behind one deposit: how many transactions that takes, counted on the chain.

Everything is real but the model: ten nodes with keys, ledgers and sockets of their own, each with a paid, encrypted
connection for every session; the payer opens one channel whose tree has a place for each of them.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tallystick_helper.logs import configure
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.market import Listing
from tests.bench.row import Row, missing
from tests.helper.several import MARGIN, providers, session, transactions, until_claimed
from tests.helper.world import ETHER, World, new_world

PROVIDERS, SESSIONS, PROMPTS = 10, 100, 3
GOAL = 12
MORPHEUS = (200, 300)
AGAINST = f"Morpheus {MORPHEUS[0]} to {MORPHEUS[1]}"
TIMEOUT = 300.0


async def visits(world: World, deposit: Deposit, listing: Listing) -> int:
    """This provider's part of the sessions, one after the other. Returns their cost in wei."""
    return sum([await session(world, deposit, listing, PROMPTS) for _ in range(SESSIONS // PROVIDERS)])


async def story(world: World) -> tuple[int, int]:
    """(transactions, wei paid) from the deposit to the withdrawal. Raises RuntimeError where the sums do not add up."""
    async with providers(world, PROVIDERS) as standing:
        account = world.account()
        listings = [await account.choose(one.address) for one in standing]
        since = int(await world.rpc.request("eth_blockNumber", []), 16)
        terms = Terms(ETHER)
        deposits, _ = await account.open_several(listings, terms)
        costs = await asyncio.gather(*(visits(world, *pair) for pair in zip(deposits, listings, strict=True)))
        # The deposit runs out: near its end every provider claims by itself, then the payer takes the rest.
        await world.pass_time(terms.life - MARGIN + 60)
        await until_claimed(account, deposits[0], sum(costs), TIMEOUT)
        await world.pass_time(MARGIN)
        await account.withdraw(deposits[0])
        state = await account.state(deposits[0])
        if not state.ended or state.claimed != sum(costs) or not all(costs):
            raise RuntimeError(f"{state} after answers for {costs}")
        return len(await transactions(world, since)), sum(costs)


async def _measure() -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        async with new_world(Path(folder)) as world:
            return await asyncio.wait_for(story(world), TIMEOUT)


def tx_100_sessions() -> list[Row]:
    """One row: transactions on the chain, not counting those by which the providers had joined before."""
    configure("error")
    try:
        count, paid = asyncio.run(_measure())
    except (OSError, RuntimeError, TimeoutError) as error:
        return [missing("tx_100_sessions", "transactions", AGAINST, f"≤ {GOAL}", str(error) or type(error).__name__)]
    note = f"{PROVIDERS} providers behind one deposit, {SESSIONS * PROMPTS} paid prompts, {paid / 1e9:,.1f} gwei"
    ok = count <= GOAL
    return [Row("tx_100_sessions", count, "transactions", AGAINST, count / MORPHEUS[0], f"≤ {GOAL}", ok, 0.0, note)]
