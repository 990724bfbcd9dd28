"""A channel while somebody is connected on it: one account, shared by all its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tallystick_shared.channel import ChannelState
from tallystick_shared.money import Account
from tallystick_shared.session.detached import Shelf
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import Signed

from ..ledger import Ledger
from .admission import Admission
from .confirmations import Confirmations
from .witness import Sworn, Witness

if TYPE_CHECKING:
    from .connection import Connection
    from .job import Job


class LiveChannel:
    """What all connections of one channel share. `offered` is the AUTH that first proved it."""

    def __init__(self, offered: AuthOffered, account: Account) -> None:
        self.channel_id = offered.channel_id
        self.offered = offered
        self.account = account
        self.connections: list[Connection] = []
        self.jobs: dict[bytes, Job] = {}
        """By request id; they outlive the connection that began them."""
        self.asked: dict[bytes, str] = {}
        """The model of each request that is not recorded yet."""
        self.ending = False
        self.storing = False
        """Is what is owed on its way to the disk, outside of any voucher?"""
        self.counted = 0
        """What of its cap lies deep enough in the chain."""
        self._proven = False
        self._sworn: Sworn | None = None
        self._lock = asyncio.Lock()

    async def prove(self, admission: Admission, payee: bytes, closer: bytes, voucher: Signed) -> None:
        """Once, and before anything is served on it: the claim of a voucher pays. Raises PeerError UNCLAIMABLE."""
        if self._proven or not voucher.amount:
            return
        async with self._lock:
            if not self._proven:
                await admission.prove(self.offered, payee, closer, voucher)
                self._proven = True

    async def confirm(self, witness: Witness, amount: int, check: Callable[[ChannelState], None]) -> None:
        """Before a voucher beyond the window counts: two sources say that it is good, where there are two. Raises
        PeerError UNCONFIRMED, or what both say.
        """
        if not witness.able or amount <= self.account.window:
            return
        async with self._lock:
            if self._sworn is None or not self._sworn.covers(amount, witness.now()):
                offered, window = self.offered, self.account.window
                self._sworn = await witness.swear(self.channel_id, offered.depth, amount, window, check)

    def bound(self, cap: int) -> None:
        """The chain says that this payee's cap is so much now: more after a top-up, less where a reorganisation took
        one back. Then what was made sure of before does not count any longer.
        """
        if cap < self.account.cap:
            self._sworn, self.counted = None, 0
        self.account.cap = cap

    async def cover(self, confirmations: Confirmations, amount: int) -> None:
        """Before it may come to owe a window more than `amount`: that much of it lies deep enough, or is within the
        node's credit. Raises PeerError UNCONFIRMED.
        """
        account = self.account
        reach = min(account.cap, max(account.owed, amount + account.window))
        if reach > self.counted:
            self.counted = await confirmations.cover(self.channel_id, self.offered.depth, reach)

    async def store_owed(self, ledger: Ledger) -> None:
        """What is owed now is on disk when this returns."""
        owed = self.account.owed
        await ledger.store_owed(self.channel_id, owed)
        self.account.store(owed)

    async def store_voucher(self, ledger: Ledger, voucher: Signed) -> None:
        """The voucher, and what is owed."""
        owed = self.account.owed
        await ledger.store_voucher(self.channel_id, voucher, owed)
        self.account.store(owed)

    def made_with(self, request_id: bytes, units: int, shelf: Shelf) -> int:
        """What would be owed if all that engines made were delivered, and for this request so many units were made."""
        total = self.account.owed
        for other, running in self.account.running.items():
            job, held = self.jobs.get(other), shelf.find((self.channel_id, other))
            made = units if other == request_id else job.made if job is not None else None
            if made is None:
                made = held.queued_units if held is not None else 0
            total += running.with_output(max(made, running.output_units)) - running.amount
        return total

    @property
    def open_connections(self) -> list[Connection]:
        """Those that are not over; `connections` has also what only waits for its socket."""
        return [connection for connection in self.connections if not connection.session.closed]

    def silent_longest(self) -> Connection:
        return min(self.open_connections, key=lambda connection: connection.heard_at)
