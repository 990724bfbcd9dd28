"""The node: everything that its connections share, and its life from start to drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick_shared import limits
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import Rpc
from tallystick_shared.messages import amount_int
from tallystick_shared.money import Account
from tallystick_shared.profile import Profile
from tallystick_shared.session import ProviderIdentity
from tallystick_shared.session.detached import ShelfEnded
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.session.tickets import TicketBook
from tallystick_shared.trial_offer import TrialOffer
from tallystick_shared.voucher import Signed

from ..chain.follower import Follower
from ..chain.sender import Sender
from ..chain.table import Tracked
from ..devices import device_of
from ..engines.seat import Engine
from ..ledger import Ledger
from ..ledger_earned import Earned
from ..renting import Renting
from .admission import Admission, Terms
from .adverts import Adverts
from .budget import Budget
from .channel import LiveChannel
from .confirmations import Confirmations, Depths
from .connection import Connection
from .detached import Detached
from .driven import Socket
from .gate import Gate
from .guests import Guests
from .inputs import Inputs
from .job import Job
from .ticker import Ticker
from .till import Till, TillRules
from .trial import Trial
from .witness import Witness

IDLE_LIMIT = limits.IDLE.value
SESSION_LIMIT = limits.SESSION.value
SWEEP = 15.0
GOODBYE = 5.0
"""Seconds at most for the other sides to hear that it ends, and again for the till."""


@dataclass(frozen=True)
class NodeParts:
    """What a node is made of. `profile` is the announced one; the rest fills the seats."""

    crypto: Crypto
    identity: ProviderIdentity
    profile: Profile
    engine: Engine
    ledger: Ledger
    rpc: Rpc
    channels: Channels
    follower: Follower
    sender: Sender
    rules: TillRules
    sources: Sequence[Rpc] = ()
    """Each RPC address by itself; two of them are asked before vouchers count beyond the window."""
    unconfirmed: int = 0
    """What may be outstanding on deposits that are young, or that one source alone speaks of."""
    confirmations: int = 1
    """The blocks in which a deposit of many times `unconfirmed` must lie (its own is one)."""
    per_channel: int = limits.CONNECTIONS_PER_CHANNEL.value
    gate: Gate | None = None
    guests: Guests | None = None
    renting: Renting | None = None
    trial: Trial | None = None
    """What is given away to guests; None where nothing is."""


class Node:
    """A provider at work."""

    def __init__(self, parts: NodeParts) -> None:
        self.crypto, self.identity, self.profile = parts.crypto, parts.identity, parts.profile
        self.engine, self.ledger, self.follower = parts.engine, parts.ledger, parts.follower
        self.admission = Admission(parts.rpc, parts.channels, parts.follower)
        self.till = Till(
            parts.rpc, parts.channels, parts.follower, parts.ledger, parts.sender, parts.identity.payee, parts.rules
        )
        budget, depths = Budget(parts.unconfirmed), Depths(parts.confirmations, parts.unconfirmed)
        self.confirmations = Confirmations(parts.rpc, parts.channels, parts.follower, depths, budget)
        self.witness = Witness(parts.sources, parts.channels, budget)
        self.gate = Gate() if parts.gate is None else parts.gate  # an empty gate is false
        self.renting, self.trial = parts.renting, parts.trial
        self.adverts = Adverts(parts.crypto, parts.engine, parts.per_channel, time.time, self._resting, self._given)
        self.guests = parts.guests
        if self.guests is not None:
            self.guests.advert = self.advert
        self.tickets = TicketBook(parts.crypto)
        self.inputs = Inputs()
        self.ticker = Ticker()
        self.detached = Detached(self)
        self.draining = False
        self._margin = parts.rules.margin
        self._per_channel = parts.per_channel
        self._connections: set[Connection] = set()
        self._channels: dict[bytes, LiveChannel] = {}
        self._retired = 0
        self._tasks: list[asyncio.Task[None]] = []

    @staticmethod
    def now() -> int:
        """Unix time in seconds."""
        return int(time.time())

    def start(self) -> None:
        """Starts claiming and sweeping. The follower is run by whoever made it."""
        self.follower.on_block.append(self._watch)
        self._tasks = [asyncio.create_task(self.till.run()), asyncio.create_task(self._sweep())]

    def renew(self, identity: ProviderIdentity, profile: Profile) -> None:
        """A newer profile of the same provider, payee and operator: new connections and requests go by it."""
        self.identity, self.profile = identity, profile

    def _resting(self) -> bool:
        return self.renting is not None and bool(self.renting.resting)

    def _given(self) -> TrialOffer | None:
        return None if self.trial is None else self.trial.offer()

    @property
    def working(self) -> int:
        """Requests that are under way."""
        return sum(len(channel.jobs) for channel in self._channels.values())

    @property
    def connections(self) -> int:
        return len(self._connections)

    def advert(self) -> bytes:
        """How full it is, signed by the operator, for anybody."""
        return self.adverts.current(self.identity, self.profile)

    async def serve(self, socket: Socket, address: str, waited: float = 0.0) -> None:
        """One connection, until it ends. `waited`: seconds that its first message took already."""
        connection = Connection(self, socket, address, waited)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            connection.gone.set()

    @property
    def connected(self) -> int:
        """Open connections, of users with a channel and of strangers."""
        return len(self._connections)

    # -- channels

    async def admit(self, connection: Connection, offered: AuthOffered) -> tuple[LiveChannel, Signed]:
        """Takes a channel into service, its proof on disk. Raises PeerError with the reason for a refusal."""
        if self.draining:
            raise PeerError(Code.DRAINING)
        known = await self.admission.admit(offered, Terms(self.profile, self._margin))
        retired = -1
        while retired != self._retired:  # its last connection may have left meanwhile, and stored more than was read
            retired = self._retired
            fresh, highest = await self._read(offered, known)
        # From here to the end nothing is waited for: another connection may come or go in any pause.
        channel = self._channels.setdefault(offered.channel_id, fresh)
        if channel.ending or self.till.is_closing(offered.channel_id):
            raise PeerError(Code.CHANNEL_ENDED)
        if offered.alone:
            # What they would still deliver could no longer reach anybody, but would go on being owed.
            for older in list(channel.connections):
                older.end(PeerError(Code.REPLACED))
        elif len(channel.open_connections) >= self._per_channel:
            channel.silent_longest().end(PeerError(Code.TOO_MANY_CONNECTIONS))
        channel.connections.append(connection)
        return channel, highest

    async def _read(self, offered: AuthOffered, known: Tracked) -> tuple[LiveChannel, Signed]:
        """A channel as the ledger has it, its proof kept there, and its highest voucher. Raises PeerError UNCLAIMABLE,
        UNCONFIRMED.
        """
        me, auth = self.identity, offered.auth
        row = await self.ledger.store_channel(
            offered.channel_id, offered.config, auth.leaf_salt, auth.proof, me.payee, me.operator
        )
        if row.payee != me.payee:  # a voucher names its payee, and the ledger keeps one for each channel
            raise PeerError(Code.UNCLAIMABLE, reason="served before, for another payee")
        # What was claimed by vouchers that this ledger does not have was earned before, and pays nothing a second time.
        paid = await self.admission.paid(offered, me.payee, known, row.voucher.amount)
        cap, owed = known.state.cap(offered.depth), max(row.owed, paid)
        window, first = amount_int(self.profile.window), amount_int(self.profile.first_voucher)
        account = Account(cap, window, owed, max(row.voucher.amount, paid), first=first, stored=owed)
        fresh = LiveChannel(offered, account)
        await fresh.cover(self.confirmations, account.durable)
        return fresh, row.voucher

    async def confirm(self, channel: LiveChannel, voucher: Signed) -> None:
        """Makes sure of a channel before a voucher of it counts. Raises PeerError with the reason for a refusal."""
        terms, amount = Terms(self.profile, self._margin), voucher.amount
        await channel.confirm(self.witness, amount, lambda state: self.admission.check(Tracked(state), terms))
        await channel.cover(self.confirmations, amount)
        if amount > channel.account.cap:  # a reorganisation lowered it meanwhile
            raise PeerError(Code.ABOVE_CAP, amount=amount)

    async def leave(self, connection: Connection, channel: LiveChannel) -> None:
        """A connection of a channel is gone; what is owed is stored."""
        await channel.store_owed(self.ledger)
        channel.connections.remove(connection)
        self._retire(channel)

    def _retire(self, channel: LiveChannel) -> None:
        """Its account is kept while it has a connection, or a stream that waits for one."""
        if not channel.connections and not self.detached.shelf.holds(channel.channel_id):
            self._channels.pop(channel.channel_id, None)
            self._retired += 1

    def job(self, channel_id: bytes, request_id: bytes) -> Job | None:
        """The work behind a stream, wherever that is."""
        channel = self._channels.get(channel_id)
        return channel.jobs.get(request_id) if channel else None

    async def ended(self, event: ShelfEnded) -> None:
        """A stream without a connection is kept no longer: what it came to is stored."""
        channel = self._channels.get(event.channel_id)
        if channel is None:
            return
        if event.settled:
            owed = channel.account.owed
            earned = self.earned(channel, event.request_id, event.units, event.amount)
            await self.ledger.finish_request(
                event.channel_id, event.request_id, event.units, event.finish, owed, earned
            )
            channel.account.store(owed)
        self._retire(channel)

    def earned(
        self, channel: LiveChannel, request_id: bytes, units: int, amount: int, input_units: int = 0
    ) -> Earned | None:
        """What a request that is over came to; None where its model is not known."""
        model = channel.asked.pop(request_id, None)
        if model is None:
            return None
        engine = next((able.engine for able in self.engine.models() if able.model == model), "")
        return Earned(channel.offered.config.token, model, device_of(engine), units, amount, input_units)

    @property
    def channels(self) -> list[LiveChannel]:
        """Those that somebody is connected on, or that have a stream that waits for somebody."""
        return list(self._channels.values())

    async def _watch(self) -> None:
        """After a block: caps follow the chain, up and down; whoever may not be served any longer is told so."""
        await self.confirmations.look()
        for channel in list(self._channels.values()):
            known = self.follower.table.get(channel.channel_id)
            if self.till.is_closing(channel.channel_id):  # who asked waits for CLOSE_OK; nobody else is left
                continue
            try:
                if known is None:  # a reorganisation took it back: nothing more can be earned on it
                    raise PeerError(Code.UNKNOWN_CHANNEL)
                channel.bound(known.state.cap(channel.offered.depth))
                self.admission.check(known, Terms(self.profile, self._margin))
            except PeerError as error:
                for connection in list(channel.connections):
                    connection.refuse(error)
                self.detached.shelf.end_channel(channel.channel_id)
                self.detached.pump()

    # -- time and the end

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep(self.ticker.now())
            await self._watch()

    def sweep(self, now: float) -> None:
        """Ends connections that are silent or old; `now` by the ticker's clock."""
        for connection in list(self._connections):
            idle = now - connection.heard_at > IDLE_LIMIT and not connection.working
            if idle or now - connection.opened_at > SESSION_LIMIT:
                connection.end(PeerError(Code.TIMED_OUT))

    async def drain(self, patience: float = 5.0) -> None:
        """Takes nothing new, lets what runs finish for so many seconds, then says goodbye; everything owed is
        stored.
        """
        self.draining = True
        await _within(patience, [connection.idle.wait() for connection in self._connections])
        patience = min(patience, GOODBYE)
        for connection in list(self._connections):
            connection.end(PeerError(Code.DRAINING))
        await _within(patience, [connection.gone.wait() for connection in self._connections])
        await self.detached.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _within(patience, [self.till.finish()])
        self.ticker.close()


async def _within(seconds: float, waits: list[Coroutine[Any, Any, Any]]) -> None:
    """Waits for all of them, but no longer than that."""
    if waits:
        _, late = await asyncio.wait([asyncio.ensure_future(wait) for wait in waits], timeout=seconds)
        for task in late:
            task.cancel()
