"""The work behind `tallystick registry`: who offers what, as the chain shows it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tallystick_shared.evm.rpc import Rpc, RpcError, to_hex, to_int
from tallystick_shared.market import Listing, Market
from tallystick_shared.market_reader import Rules
from tallystick_shared.messages import amount_int
from tallystick_shared.profile import Offer, Profile

from .commands import chain_of
from .crypto import NativeCrypto
from .deployments import locate
from .guest import NativeGuest
from .settings import Settings

GWEI = 10**9
AT_ONCE = 16


@dataclass(frozen=True)
class Row:
    """A provider at `now`. `announced`: Unix seconds of its last announcement, None where the block is not known any
    more; `leaves`: from when its stake may be taken back, 0 where it did not ask.
    """

    listing: Listing
    announced: int | None
    leaves: int
    now: int

    @property
    def stake(self) -> int:
        """In wei."""
        return self.listing.stake_gwei * GWEI

    @property
    def fault(self) -> str:
        """Why it cannot be used; empty where it can."""
        error = self.listing.fault
        if self.listing.profile is not None or error is None:
            return ""
        reason = error.values.get("reason")
        return f"{error.code.name.lower()}: {reason}" if reason else error.code.name.lower()

    def values(self) -> dict[str, Any]:
        """For `--json`: amounts in smallest units as decimal text, prices per 1,000,000 units."""
        profile = self.listing.profile
        return {
            "provider": to_hex(self.listing.provider),
            "stake": str(self.stake),
            "block": self.listing.block,
            "announced": self.announced,
            "leaves": self.leaves or None,
            "fault": self.fault or None,
            "profile": _profile(profile) if profile else None,
        }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "endpoints": list(profile.endpoints),
        "node_key": to_hex(profile.node_key),
        "operator": to_hex(profile.operator),
        "payee": to_hex(profile.payee),
        "tokens": [to_hex(token) for token in profile.tokens],
        "minimum_cap": str(amount_int(profile.minimum_cap)),
        "minimum_delay": profile.minimum_delay,
        "first_voucher": str(amount_int(profile.first_voucher)),
        "window": str(amount_int(profile.window)),
        "epoch": profile.epoch,
        "offers": [_offer(offer) for offer in profile.offers],
    }


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "model": offer.model,
        "kind": offer.kind,
        "price_in": str(offer.price.input),
        "price_out": str(offer.price.output),
        "unit": offer.unit,
        "context": offer.context,
    }


async def registry_now(settings: Settings, provider: bytes | None, limit: int) -> tuple[int, list[Row]]:
    """How many providers there are, and at most `limit` of them, or the one that was named. Profiles come from two of
    the nodes, and from the logs of single blocks, each checked. Raises PeerError NOT_REGISTERED.
    """
    crypto = NativeCrypto()
    async with chain_of(settings) as (rpc, chain):
        where = await locate(settings, chain, rpc, crypto, with_block=False)
        market = Market(crypto, chain, where.registry)
        if provider is None:
            view = await NativeGuest(crypto, where).market(rpc, Rules(providers=limit, blocks=limit))
            count, listings = view.count, view.listings()
        else:
            count, listings = await market.registry.count(rpc), [await market.listing(rpc, provider)]
        now = to_int((await rpc.request("eth_getBlockByNumber", ["latest", False]))["timestamp"])
        times = await _times(rpc, {listing.block for listing in listings})
        gate = asyncio.Semaphore(AT_ONCE)

        async def row(listing: Listing) -> Row:
            async with gate:
                leaves = await market.registry.unlock_at(rpc, listing.provider)
                return Row(listing, times[listing.block], leaves, now)

        return count, list(await asyncio.gather(*map(row, listings)))


async def _times(rpc: Rpc, blocks: set[int]) -> dict[int, int | None]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(block: int) -> int | None:
        async with gate:
            return await _time_of(rpc, block)

    return dict(zip(blocks, await asyncio.gather(*map(one, blocks)), strict=True))


async def _time_of(rpc: Rpc, block: int) -> int | None:
    try:
        found = await rpc.request("eth_getBlockByNumber", [hex(block), False])
        return to_int(found["timestamp"]) if found else None
    except RpcError:
        return None
