"""The chain's word from two sources, before vouchers count beyond the window.

A voucher is worth what stands on chain, and a node knows that from an RPC. One that lies could invent a deposit, or
hide that its payer took it back, and have the node serve for nothing. So where two RPC addresses are set, a channel's
vouchers count beyond the window W only once two of them gave its word; the lower deposit and the earlier expiry
count. That word is asked for anew every few minutes, sooner than the shortest notice ends a channel.

Where the second source is silent, such vouchers count up to one budget of the whole node, so that one dead RPC does
not stop it. Where only one address is set, its word is all there is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from tallystick_shared.channel import ChannelState
from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc, RpcError

from .backfill import Backfill
from .budget import Budget

GOOD_FOR = 300.0
"""Seconds; a third of the shortest notice that a channel can have."""
LOOKS = 4
"""A source that is a block or two behind gets so many looks, a second apart."""
PAUSE = 1.0
ALONE = "one source is silent"
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sworn:
    """What two sources said of a channel: the cap of this payee, and until when that is good (monotonic seconds)."""

    cap: int
    until: float

    def covers(self, amount: int, now: float) -> bool:
        return amount <= self.cap and now < self.until


class Witness:
    """Asks two sources; `sources` are the RPC addresses in their order, each by itself."""

    def __init__(
        self,
        sources: Sequence[Rpc],
        channels: Channels,
        budget: Budget,
        *,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Vouchers beyond the window that count on one source's word alone take their part of `budget`."""
        self._sources = [Backfill(source, channels) for source in sources]
        self._budget, self._pause, self._clock = budget, pause, clock

    @property
    def able(self) -> bool:
        """Are there two sources?"""
        return len(self._sources) > 1

    def now(self) -> float:
        return self._clock()

    async def swear(
        self, channel_id: bytes, depth: int, amount: int, window: int, check: Callable[[ChannelState], None]
    ) -> Sworn:
        """Two sources say that a channel pays `amount`; `check` raises PeerError where a state may not be served.

        Raises that PeerError where both say the same, ABOVE_CAP likewise; UNCONFIRMED where they differ, or where one
        is silent and the budget is used up.
        """
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(self._pause)
            states = await self._ask(channel_id)
            if len(states) < 2:
                return self._on_credit(channel_id, amount - window, states)
            self._budget.clear(ALONE)
            lower = lowest(states)
            fault = _fault(lower, depth, amount, check)
            if fault is None:
                return Sworn(lower.cap(depth), self._clock() + GOOD_FOR)
            if states[0] == states[1]:
                raise fault
        log.error("sources_disagree", channel=channel_id.hex(), words=[str(state) for state in states])
        raise PeerError(Code.UNCONFIRMED, reason="two sources disagree")

    async def _ask(self, channel_id: bytes) -> list[ChannelState]:
        """What the first two that answer say."""
        found: list[ChannelState] = []
        rest = iter(self._sources)
        while len(found) < 2 and (some := list(islice(rest, 2 - len(found)))):
            answers = await asyncio.gather(*(one.state(channel_id) for one in some), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, ChannelState):
                    found.append(answer)
                elif not isinstance(answer, TallystickError | RpcError):
                    raise answer
        return found

    def _on_credit(self, channel_id: bytes, beyond: int, states: list[ChannelState]) -> Sworn:
        budget = self._budget
        try:
            budget.take(ALONE, channel_id, beyond)
        except PeerError:
            log.error("one_source_only", refused=beyond, taken=budget.taken, budget=budget.limit, sources=len(states))
            raise
        log.warning("one_source_only", taken=budget.taken, budget=budget.limit, sources=len(states))
        # Good for this voucher alone: the next one asks again.
        return Sworn(0, 0.0)


def lowest(states: Sequence[ChannelState]) -> ChannelState:
    """The least that they have in common. A channel that one does not know is unknown, one that ended is ended."""
    return ChannelState(
        min(state.deposit for state in states),
        max(state.claimed for state in states),
        min(state.expiry for state in states),
    )


def _fault(state: ChannelState, depth: int, amount: int, check: Callable[[ChannelState], None]) -> PeerError | None:
    if not state.known:
        return PeerError(Code.UNKNOWN_CHANNEL)
    try:
        check(state)
    except PeerError as error:
        return error
    return PeerError(Code.ABOVE_CAP, amount=amount) if amount > state.cap(depth) else None
