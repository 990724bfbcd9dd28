"""The channels that this node knows, by id: their state on chain, and whether their payer asked for the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from tallystick_shared.channel import ENDED, ChannelState
from tallystick_shared.evm.channels import ChannelLog


@dataclass(frozen=True)
class Tracked:
    """A channel's state; `closing` after a CloseRequested that no extension followed."""

    state: ChannelState
    closing: bool = False


class ChannelTable:
    """Filled by the follower and by single look-ups; waits for a channel end as soon as it appears."""

    def __init__(self) -> None:
        self._channels: dict[bytes, Tracked] = {}
        self._waiting: dict[bytes, list[asyncio.Future[Tracked]]] = {}

    def __len__(self) -> int:
        return len(self._channels)

    def ids(self) -> list[bytes]:
        """Of all channels in it."""
        return list(self._channels)

    def get(self, channel_id: bytes) -> Tracked | None:
        return self._channels.get(channel_id)

    def put(self, channel_id: bytes, state: ChannelState, *, closing: bool | None = None) -> None:
        """What a read of the contract said. `closing` None leaves that mark alone. An unknown channel is taken out."""
        if not state.known:
            self._channels.pop(channel_id, None)
            return
        known = self._channels.get(channel_id, Tracked(state))
        mark = known.closing if closing is None else closing
        self._set(channel_id, replace(known, state=state, closing=mark))

    def apply(self, log: ChannelLog) -> None:
        """One event of the contract, in its order. Sums are provisional until the contract's word is put; marks
        stay.
        """
        known = self._channels.get(log.channel_id)
        if known is not None:
            self._set(log.channel_id, _after(known, log))
        elif log.name == "Opened":
            self._set(log.channel_id, Tracked(ChannelState(log.values["deposit"], 0, log.values["expiry"])))

    def _set(self, channel_id: bytes, tracked: Tracked) -> None:
        self._channels[channel_id] = tracked
        for future in self._waiting.pop(channel_id, []):
            if not future.done():
                future.set_result(tracked)

    async def wait(self, channel_id: bytes, seconds: float) -> Tracked | None:
        """The channel, as soon as it is known; None after that many seconds."""
        known = self._channels.get(channel_id)
        if known is not None:
            return known
        future: asyncio.Future[Tracked] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel_id, []).append(future)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            return None
        finally:
            others = [other for other in self._waiting.get(channel_id, []) if other is not future]
            if others:
                self._waiting[channel_id] = others
            else:
                self._waiting.pop(channel_id, None)


def _after(known: Tracked, log: ChannelLog) -> Tracked:
    state, values = known.state, log.values
    if log.name == "ToppedUp":
        extended = values["expiry"] > state.expiry
        return replace(
            known,
            state=ChannelState(values["deposit"], state.claimed, values["expiry"]),
            closing=known.closing and not extended,
        )
    if log.name == "Claimed":
        return replace(known, state=replace(state, claimed=state.claimed + values["paid"]))
    if log.name == "CloseRequested":
        return replace(known, state=replace(state, expiry=values["expiry"]), closing=True)
    if log.name == "Opened":
        return known
    return replace(known, state=replace(state, expiry=ENDED))
