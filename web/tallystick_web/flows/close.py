"""Getting the rest back: with the provider, in one transaction of its own; or alone, by asking, waiting and
withdrawing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError

from ..actions import DepositMoved, Linked, NoticeCleared, SheetClosed, SheetOpened
from ..app import App
from ..state import DepositPhase, Link, Sheet
from .chat import ChatFlow
from .deposit import DepositFlow, log_of
from .records import Records
from .rpc import receipt
from .wallet import WalletFlow

PATIENCE = 30.0


class CloseFlow:
    """Ends the deposit in use."""

    def __init__(self, app: App, wallet: WalletFlow, deposit: DepositFlow, chat: ChatFlow, records: Records) -> None:
        self._app, self._wallet, self._deposit, self._chat, self._records = app, wallet, deposit, chat, records
        app.on("open-close", lambda _: app.dispatch(SheetOpened(Sheet.CLOSE)))
        app.on("open-money", lambda _: app.dispatch(SheetOpened(Sheet.MONEY)))
        app.on("close-deposit", self.close)
        app.on("request-close", self.request)
        app.on("withdraw", self.withdraw)
        app.on("close-sheet", lambda _: app.dispatch(SheetClosed()))
        app.on("dismiss", lambda _: app.dispatch(NoticeCleared()))

    async def close(self, _: str = "") -> None:
        """With the provider. Where it does not answer in time, the sheet offers to ask alone."""
        if not self._app.state.deposit.usable:
            return
        self._app.dispatch(DepositMoved(DepositPhase.CLOSING))
        try:
            async with asyncio.timeout(PATIENCE):
                transaction = "0x" + (await self._chat.close_deposit()).hex()
            transaction, entries = await self._mined(transaction)
        except (TallystickError, RpcError, TimeoutError):
            self._app.dispatch(DepositMoved(DepositPhase.OPEN, {"alone": True}))
            self._app.dispatch(SheetOpened(Sheet.CLOSE))
            return
        await self._ended(transaction, entries)

    async def request(self, _: str = "") -> None:
        """Alone, first half: from `expiry` on the rest can be withdrawn."""
        record = self._record()
        self._app.dispatch(DepositMoved(DepositPhase.REQUESTING, {"alone": True}))
        try:
            await self._transact(self._contract().request_close(record.channel_config()))
            word = await self._deposit.on_chain()
        except (TallystickError, RpcError):
            self._app.dispatch(DepositMoved(DepositPhase.OPEN))
            raise
        await self._chat.hang_up()
        self._app.dispatch(DepositMoved(DepositPhase.REQUESTED, {"expiry": word.expiry}))

    async def withdraw(self, _: str = "") -> None:
        """Alone, second half."""
        record = self._record()
        self._app.dispatch(DepositMoved(DepositPhase.WITHDRAWING))
        try:
            transaction, entries = await self._transact(self._contract().withdraw(record.channel_config()))
        except (TallystickError, RpcError):
            self._app.dispatch(DepositMoved(DepositPhase.REQUESTED))
            raise
        await self._ended(transaction, entries)

    async def _ended(self, transaction: str, entries: list[dict[str, Any]]) -> None:
        values = log_of(self._contract(), entries, "Closed")
        deposit = self._app.state.deposit
        refunded = int(values.get("refund", deposit.rest))
        outcome = {"end_transaction": transaction, "refunded": refunded, "paid": deposit.amount - refunded}
        await self._chat.hang_up()
        await self._records.forget_deposit()
        await self._records.forget_paid(deposit.channel_id)
        self._deposit.opened.clear()
        self._app.dispatch(DepositMoved(DepositPhase.ENDED, outcome))
        self._app.dispatch(Linked(Link.IDLE))
        await self._wallet.read_balance()

    async def _transact(self, data: bytes) -> tuple[str, list[dict[str, Any]]]:
        """One transaction of the person's own: its hash and logs."""
        rpc, record = self._wallet.rpc, self._record()
        if rpc is None or not self._app.state.connected:
            raise LocalError(Code.NO_WALLET)
        await self._wallet.ensure_chain(may_switch=True)
        account = "0x" + self._app.state.wallet.account.hex()
        call = {"from": account, "to": "0x" + record.channels.hex(), "data": "0x" + data.hex(), "value": "0x0"}
        transaction = str(await rpc.request("eth_sendTransaction", [call]))
        return await self._mined(transaction)

    async def _mined(self, transaction: str) -> tuple[str, list[dict[str, Any]]]:
        """Its hash, or that of what was sent in its place, and its logs."""
        rpc = self._wallet.rpc
        if rpc is None:
            raise LocalError(Code.NO_WALLET)
        found = await receipt(rpc, self._app.seats.world, transaction)
        return str(found["transactionHash"]), list(found["logs"])

    def _contract(self) -> Channels:
        return Channels(self._app.seats.crypto, self._record().channels)

    def _record(self) -> Any:
        if self._deposit.record is None:
            raise LocalError(Code.CHANNEL_ENDED)
        return self._deposit.record
