"""Getting the rest back: with the provider, in one transaction of its own; or alone, by asking, waiting and
withdrawing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError
from tallystick_shared.user import CLOSE_TIMEOUT, CONNECT_TIMEOUT

from ..actions import DepositMoved, Linked, NoticeCleared, SheetClosed, SheetOpened
from ..app import App
from ..purse.actions import PurseMoved
from ..purse.book import ASK_BACK, WITHDRAWAL
from ..state import DepositPhase, Link, Sheet, Transit
from .chat import ChatFlow
from .deposit import DepositFlow
from .opening import log_of
from .pending import Ended, Follower, Sent
from .records import Records
from .transactions import Transactions
from .wallet import WalletFlow

PATIENCE = CONNECT_TIMEOUT + CLOSE_TIMEOUT + 5.0
"""Seconds for the provider's answer: a node waits up to 45 for a claim of its own, and the session gives up before this
does.
"""
LONGEST = 300.0
"""Seconds for its transaction."""


class CloseFlow:
    """Ends the deposit in use."""

    def __init__(
        self,
        app: App,
        wallet: WalletFlow,
        deposit: DepositFlow,
        chat: ChatFlow,
        records: Records,
        transactions: Transactions,
    ) -> None:
        self._app, self._wallet, self._deposit, self._chat, self._records = app, wallet, deposit, chat, records
        self._transactions = transactions
        self._follower: Follower | None = None
        chat.on_close_accepted = lambda transaction: app.spawn(self._accepted(transaction))
        app.on("open-close", lambda _: app.dispatch(SheetOpened(Sheet.CLOSE)))
        app.on("open-money", self._open_money)
        app.on("close-deposit", self.close)
        app.on("request-close", self.request)
        app.on("withdraw", self.withdraw)
        app.on("leave-transaction", self._leave)
        app.on("close-sheet", lambda _: app.dispatch(SheetClosed()))
        app.on("dismiss", lambda _: app.dispatch(NoticeCleared()))

    def _open_money(self, part: str) -> None:
        """Everything about the money; `part` of the bar comes first."""
        self._app.dispatch(PurseMoved({"part": part}))
        self._app.dispatch(SheetOpened(Sheet.MONEY))

    async def close(self, _: str = "") -> None:
        """With the provider. Where it does not answer in time, the sheet offers to ask alone."""
        if not self._app.state.deposit.usable:
            return
        self._app.dispatch(DepositMoved(DepositPhase.CLOSING))
        try:
            async with asyncio.timeout(PATIENCE):
                transaction = "0x" + (await self._chat.close_deposit()).hex()
        except (TallystickError, RpcError, TimeoutError) as error:
            if isinstance(error, TallystickError) and error.code is Code.IN_USE_ELSEWHERE:
                self._app.dispatch(DepositMoved(DepositPhase.OPEN))
                raise
            self._alone()
            return
        await self._until_closed(transaction)

    async def _accepted(self, transaction: bytes) -> None:
        """Kept at once, so that a page that is left goes on from here. An answer that nobody waited for any longer is
        followed all the same.
        """
        await self._records.keep_closing("0x" + transaction.hex())
        await self.go_on()

    async def _until_closed(self, transaction: str) -> None:
        """The provider's transaction, to its end."""
        record = self._record()
        try:
            async with asyncio.timeout(LONGEST):
                ended = await self._follow(Sent(transaction, record.closer, record.channels), self._is_ended)
        except (TallystickError, RpcError, TimeoutError):
            self._alone()
            return
        if ended is not None:
            await self._ended(ended)

    def _alone(self) -> None:
        """The sheet offers the way without the provider."""
        self._app.dispatch(DepositMoved(DepositPhase.OPEN, {"alone": True}))
        self._app.dispatch(SheetOpened(Sheet.CLOSE))

    async def go_on(self) -> None:
        """With a close that was under way when the page was left."""
        transaction = await self._records.closing()
        if transaction and self._app.state.deposit.usable and self._wallet.rpc is not None:
            self._app.dispatch(DepositMoved(DepositPhase.CLOSING))
            self._app.spawn(self._until_closed(transaction))

    async def request(self, _: str = "") -> None:
        """Alone, first half: from `expiry` on the rest can be withdrawn."""
        record = self._record()
        before = self._app.state.deposit.expiry
        self._app.dispatch(DepositMoved(DepositPhase.REQUESTING, {"alone": True, "transit": Transit.ASKED}))

        async def requested() -> bool:
            word = await self._deposit.on_chain()
            return word.ended or word.expiry < before

        try:
            call = self._contract().request_close(record.channel_config())
            ended = await self._transact(ASK_BACK, call, requested)
            word = await self._deposit.on_chain()
        except (TallystickError, RpcError):
            self._app.dispatch(DepositMoved(DepositPhase.OPEN))
            raise
        if ended is None:
            self._app.dispatch(DepositMoved(DepositPhase.OPEN))
            return
        if word.ended:  # the provider's close came first after all
            await self._ended(ended)
            return
        await self._chat.hang_up()
        self._app.dispatch(DepositMoved(DepositPhase.REQUESTED, {"expiry": word.expiry}))

    async def withdraw(self, _: str = "") -> None:
        """Alone, second half."""
        record = self._record()
        self._app.dispatch(DepositMoved(DepositPhase.WITHDRAWING, {"transit": Transit.ASKED}))
        try:
            call = self._contract().withdraw(record.channel_config())
            rest = str(self._app.state.deposit.rest)
            ended = await self._transact(WITHDRAWAL, call, self._is_ended, back=rest)
        except (TallystickError, RpcError):
            self._app.dispatch(DepositMoved(DepositPhase.REQUESTED))
            raise
        if ended is None:
            self._app.dispatch(DepositMoved(DepositPhase.REQUESTED))
            return
        await self._ended(ended)

    async def _ended(self, ended: Ended) -> None:
        """`ended` without a receipt: under another hash. The word still tells what came back."""
        values = log_of(self._contract(), ended.logs, "Closed")
        deposit = self._app.state.deposit
        word = await self._deposit.on_chain()
        refunded = int(values.get("refund", word.deposit - word.claimed))
        transaction = ended.hash if values else await self._records.closing() or ended.hash
        outcome = {"end_transaction": transaction, "refunded": refunded, "paid": deposit.amount - refunded}
        await self._chat.hang_up()
        await self._records.forget_deposit()
        await self._records.forget_paid(deposit.channel_id)
        self._deposit.opened.clear()
        self._app.dispatch(DepositMoved(DepositPhase.ENDED, outcome))
        self._app.dispatch(Linked(Link.IDLE))
        await self._deposit.read_funds()

    async def _is_ended(self) -> bool:
        return (await self._deposit.on_chain()).ended

    async def _transact(
        self, kind: str, data: bytes, worked: Callable[[], Awaitable[bool]], back: str = "0"
    ) -> Ended | None:
        """One transaction of the person's own, until its end."""
        record = self._record()
        call = {"to": "0x" + record.channels.hex(), "data": "0x" + data.hex(), "value": "0x0"}
        channel = "0x" + self._app.state.deposit.channel_id.hex()
        facts = {"back": back, "provider": "0x" + record.provider.hex(), "channel": channel}
        return await self._transactions.run(kind, call, worked, self._told, self._followed, **facts)

    def _followed(self, follower: Follower) -> None:
        self._follower = follower

    async def _follow(self, sent: Sent, worked: Callable[[], Awaitable[bool]]) -> Ended | None:
        rpc = self._wallet.rpc
        if rpc is None:
            raise LocalError(Code.NO_WALLET)
        self._follower = Follower(rpc, self._app.seats.world, sent, worked, self._told)
        return await self._follower.run()

    def _told(self, transit: Transit) -> None:
        self._app.dispatch(DepositMoved(self._app.state.deposit.phase, {"transit": transit}))

    def _leave(self, _: str) -> None:
        """The person waits for the transaction no longer. The chain is read again when it matters."""
        if self._follower is not None:
            self._follower.leave()

    def _contract(self) -> Channels:
        return Channels(self._app.seats.crypto, self._record().channels)

    def _record(self) -> Any:
        if self._deposit.record is None:
            raise LocalError(Code.CHANNEL_ENDED)
        return self._deposit.record
