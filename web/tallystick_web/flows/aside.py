"""Deposits whose opening has no certain end: their keys stay in this browser until the chain can open them no more.

A transaction that was lost, cancelled or never answered for may still be mined. Its deposit is then found here, with
its key, and can be used.
"""

from __future__ import annotations

from tallystick_shared.channel import ChannelState
from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, to_int

from ..app import App
from .records import Records

MOST = 50


class Aside:
    """The deposits that were set aside."""

    def __init__(self, app: App, records: Records) -> None:
        self._app, self._records = app, records

    async def add(self, record: DepositRecord) -> None:
        """Keeps it; the oldest beyond 50 goes."""
        kept = [one for one in await self._records.aside() if one.config != record.config]
        await self._records.keep_aside([*kept, record][-MOST:])

    async def remove(self, record: DepositRecord) -> None:
        await self._records.keep_aside([one for one in await self._records.aside() if one.config != record.config])

    async def opened(self, rpc: Rpc) -> list[tuple[DepositRecord, ChannelState]]:
        """Those that are open on chain after all. Forgets what is over, and what can no longer be opened. Raises
        RpcError.
        """
        crypto, site = self._app.seats.crypto, self._app.state.site
        kept = await self._records.aside()
        here = [one for one in kept if site and (one.chain_id, one.channels) == (site.chain_id, site.channels)]
        if not here:
            return []
        now = await chain_time(rpc)
        states = await Channels(crypto, here[0].channels).states(rpc, [one.channel_id(crypto) for one in here])
        pairs = list(zip(here, states, strict=True))
        over = [one for one, state in pairs if state.ended or (not state.known and not openable(one, now))]
        if over:
            await self._records.keep_aside([one for one in kept if one not in over])
        return [(one, state) for one, state in pairs if state.known and not state.ended]


def openable(record: DepositRecord, now: int) -> bool:
    """The contract opens a channel only while its expiry is a delay or more away (`now`: the chain's Unix seconds)."""
    return bool(now + record.config.delay <= record.expiry)


async def chain_time(rpc: Rpc) -> int:
    """The newest block's Unix seconds. Raises RpcError."""
    block = await rpc.request("eth_getBlockByNumber", ["latest", False])
    return to_int(block["timestamp"])
