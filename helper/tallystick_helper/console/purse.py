"""What `tallystick status` tells of money: what came in, what is to be claimed, and whether a claim has its gas."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.rpc import RpcError

from ..operator_gas import operator_gas
from ..place import Place
from .earnings import earnings
from .outlook import Outlook

PATIENCE = 5.0
"""Seconds for a chain to answer: the rest of the state does not wait for it."""
NEEDED = ("token", "pays", "fee", "worth", "channels", "threshold", "error")


async def purse(places: Sequence[Place], outlooks: Mapping[str, Outlook], crypto: Crypto) -> dict[str, Any]:
    """`earnings`: sums by chain and token. `chains`, those that serve: `claims` to come and `gas` of the operator,
    each null where the chain does not answer. Amounts are decimal text in smallest units.
    """
    found = await earnings(places)
    serving = [place for place in places if place.running is not None]
    told = await asyncio.gather(*(_chain(place, outlooks[place.name], crypto) for place in serving))
    return {
        "earnings": [{**one, "symbol": found["symbols"].get(one["chain"], "")} for one in found["sums"]],
        "chains": {place.name: one for place, one in zip(serving, told, strict=True)},
    }


async def _chain(place: Place, outlook: Outlook, crypto: Crypto) -> dict[str, Any]:
    told: dict[str, Any] = {"symbol": place.settings.chain.symbol, "claims": None, "gas": None}
    try:
        async with asyncio.timeout(PATIENCE):
            told["gas"] = (await operator_gas(place.settings, crypto, place.rpc)).values()
            waits = (await outlook.values())["next"]
    except (TallystickError, RpcError, TimeoutError):
        return told
    return {**told, "claims": [{name: one[name] for name in NEEDED if name in one} for one in waits]}
