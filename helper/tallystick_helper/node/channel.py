"""A channel while somebody is connected on it: one account, shared by all its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tallystick_shared.channel import ChannelState
from tallystick_shared.money import Account
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import Signed

from .admission import Admission
from .witness import Sworn, Witness

if TYPE_CHECKING:
    from .connection import Connection


class LiveChannel:
    """What all connections of one channel share. `offered` is the AUTH that first proved it."""

    def __init__(self, offered: AuthOffered, account: Account) -> None:
        self.channel_id = offered.channel_id
        self.offered = offered
        self.account = account
        self.connections: list[Connection] = []
        self.ending = False
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

    def silent_longest(self) -> Connection:
        return min(self.connections, key=lambda connection: connection.heard_at)
