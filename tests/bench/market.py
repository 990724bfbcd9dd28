"""A filled table of a thousand providers, beside one `page` call and two snapshots fetched by hand.

The chain, the thousand registrations and two real nodes are in a process of their own (`python -m tests.bench.market
COUNT`), the reader alone in this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.guest import NativeGuest
from tallystick_helper.logs import configure
from tallystick_shared.chains import Deployment
from tallystick_shared.evm.registry import Registry
from tallystick_shared.evm.rpc import to_bytes, to_hex
from tallystick_shared.market import Market
from tallystick_shared.market_reader import MarketView
from tallystick_shared.snapshot import SnapshotAsk, most_bytes
from tests.bench.row import Row, median, missing, pairwise, spread
from tests.helper.crowd import Crowd
from tests.helper.world import World, new_world, serving, until

PROVIDERS = 1000
RUNS = 7
SHOWN = 50
GOAL = 2.0
AGAINST = "one page call, two snapshots"


# -- the other process


@contextlib.asynccontextmanager
async def _town(world: World, count: int) -> AsyncIterator[tuple[dict[str, bytes], str]]:
    """Two nodes and a crowd, `count` in all; yields the nodes' profiles and one's page once both know everybody."""
    async with serving(world) as one:
        world.owner_key = b"\x12" * 32
        await world.fund(world.owner_key)
        async with serving(world, "other") as other:
            await Crowd(world).fill(count - 2, per_block=200)
            for node in (one, other):
                market = node.up.running.market
                await until(lambda market=market: len(market) == count and not market.missing, 120)
            mine = (one.provider, other.provider)
            page = f"http://127.0.0.1:{one.up.page.port}/" if one.up.page else ""
            yield {to_hex(who): blob for who, blob in one.up.running.market.some(count).items() if who in mine}, page


async def _serve(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with new_world(Path(folder)) as world, _town(world, count) as (known, page):
            told = {name: to_hex(blob) for name, blob in known.items()}
            where = [to_hex(world.where.registry), to_hex(world.where.channels)]
            up = {"rpc": world.url, "chain": world.where.chain_id, "where": where, "known": told, "page": page}
            print(json.dumps(up), flush=True)
            await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def town(count: int) -> Iterator[dict[str, Any]]:
    """The other process, while the block runs. Raises RuntimeError where it does not come up."""
    command = [sys.executable, "-m", "tests.bench.market", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the market did not come up")
            yield json.loads(line)
        finally:
            process.stdin.close()


# -- the reader


class Reader:
    """Reads the town's market both ways. `calls` counts eth_calls, `asked` snapshots of the last reading."""

    def __init__(self, up: dict[str, Any], count: int) -> None:
        registry, channels = map(to_bytes, up["where"])
        self.crypto, self._count = NativeCrypto(), count
        self._rpc = HttpRpc([up["rpc"]])
        self.where = Deployment(up["chain"], registry, channels)
        self._known = {to_bytes(name): to_bytes(blob) for name, blob in up["known"].items()}
        self._guest = NativeGuest(self.crypto, self.where)
        self.calls = 0

    async def request(self, method: str, params: list[Any]) -> Any:
        self.calls += method == "eth_call"
        return await self._rpc.request(method, params)

    async def by_hand(self) -> tuple[float, int]:
        """Seconds, and the snapshots' bytes: nothing is parsed or checked."""
        market = Market(self.crypto, self.where.chain_id, self.where.registry)
        sources = [await market.listing(self, provider) for provider in self._known]
        started = time.perf_counter()
        await Registry(self.crypto, self.where.registry).page(self, 0, min(1000, self._count))
        given = await self._guest.snapshots(sources, SnapshotAsk(0, self._count), most_bytes(self._count))
        sizes = [len(data) for data in given if isinstance(data, bytes)]
        if len(sizes) != 2:
            raise RuntimeError(f"a snapshot did not come: {given}")
        return time.perf_counter() - started, sum(sizes)

    async def read(self) -> tuple[float, MarketView]:
        """Seconds until a table of all providers is filled, the rows that are shown with their signatures checked."""
        self.calls = 0
        started = time.perf_counter()
        view = await self._guest.market(self, known=self._known)
        rows = [row(view, provider) for provider in view]
        shown = [view.listing(provider).usable() for provider in list(view)[:SHOWN]]
        taken = time.perf_counter() - started
        if not view.complete or len(rows) != self._count or len(shown) != min(SHOWN, self._count):
            raise RuntimeError(f"{len(view.missing)} of {view.count} are missing")
        return taken, view

    async def close(self) -> None:
        await self._rpc.aclose()


def row(view: MarketView, provider: bytes) -> tuple[str, str, int, int]:
    """What a table shows of a provider: address, first model, its prices."""
    profile = view.glance(provider)
    if profile is None:
        raise RuntimeError("a profile is missing")
    offer = profile.offers[0]
    return to_hex(provider), offer.model, offer.price.input, offer.price.output


@dataclass
class Runs:
    """What was measured: seconds both ways, bytes of a snapshot, the most calls and snapshots that a reading took, and
    seconds for the signatures of all rows that are not shown.
    """

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    size: int = 0
    calls: int = 0
    snapshots: int = 0
    signatures: float = 0.0


async def _measure(up: dict[str, Any], count: int) -> Runs:
    """Both ways in turn, after one of each that does not count."""
    reader, runs = Reader(up, count), Runs()
    try:
        for number in range(RUNS + 1):
            taken, view = await reader.read()
            runs.calls, runs.snapshots = max(runs.calls, reader.calls), max(runs.snapshots, len(view.sources))
            seconds, both = await reader.by_hand()
            if number:
                runs.ours.append(taken)
                runs.theirs.append(seconds)
        started = time.perf_counter()
        view.listings()
        runs.signatures, runs.size = time.perf_counter() - started, both // 2
    finally:
        await reader.close()
    return runs


def market_1000() -> list[Row]:
    """One row: milliseconds from nothing to a filled table."""
    try:
        with town(PROVIDERS) as up:
            runs = asyncio.run(_measure(up, PROVIDERS))
    except (OSError, RuntimeError, ValueError) as error:
        return [missing("market_1000", "ms", AGAINST, f"≤ {GOAL}", str(error))]
    ratio = pairwise(runs.ours, runs.theirs, lambda one, other: one / other)
    against = f"{AGAINST}: {1000 * median(runs.theirs):.0f} ms"
    note = (
        f"{runs.calls} eth_calls, {runs.snapshots} snapshots of {runs.size // 1000} kB; the other "
        f"{PROVIDERS - SHOWN} signatures: {1000 * runs.signatures:.0f} ms more"
    )
    ok = ratio <= GOAL and runs.calls <= 2 and runs.snapshots <= 2
    value = 1000 * median(runs.ours)
    return [Row("market_1000", value, "ms", against, ratio, f"≤ {GOAL}", ok, spread(runs.ours), note)]


if __name__ == "__main__":
    configure("error")
    asyncio.run(_serve(int(sys.argv[1])))
