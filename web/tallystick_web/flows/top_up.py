"""More into the deposit in use, by one transaction (a token is approved before). The provider sees it on the chain."""

from __future__ import annotations

import msgspec

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.evm.token import Token

from ..actions import DepositMoved, SheetClosed, SheetOpened
from ..app import App
from ..figures import parse_amount
from ..purse.actions import PurseMoved
from ..purse.book import TOP_UP
from ..purse.paying import Step
from ..state import DepositPhase, Sheet, Transit
from .chat import ChatFlow
from .deposit import DepositFlow
from .permission import PermissionFlow
from .records import Records
from .transactions import Transactions
from .wallet import WalletFlow


class TopUpFlow:
    """The deposit grows; key, provider and what was paid stay."""

    def __init__(
        self,
        app: App,
        wallet: WalletFlow,
        deposit: DepositFlow,
        permission: PermissionFlow,
        transactions: Transactions,
        chat: ChatFlow,
        records: Records,
    ) -> None:
        self._app, self._wallet, self._deposit, self._permission = app, wallet, deposit, permission
        self._transactions, self._chat, self._records = transactions, chat, records
        app.on("open-top-up", self._open)
        app.on("input:more", lambda text: app.dispatch(PurseMoved({"more": text})))
        app.on("top-up", self.top_up)

    async def _open(self, _: str) -> None:
        """The sheet; the money is the deposit's own."""
        if not self._app.state.deposit.usable:
            return
        self._app.dispatch(SheetOpened(Sheet.TOP_UP))
        if self._app.state.connected:
            await self._permission.use(self._app.state.deposit.token)
            await self._wallet.read_balance()

    async def top_up(self, _: str = "") -> None:
        """Asks the wallet. What goes wrong leaves the deposit as it was. Raises LocalError, RpcError."""
        state, record = self._app.state, self._deposit.record
        more = parse_amount(state.purse.more, state.coin)
        if more is None or record is None or not state.deposit.usable or state.purse.topping:
            return
        if state.funds is not None and more > state.funds:
            raise LocalError(Code.NOT_ENOUGH_MONEY)
        self._app.dispatch(PurseMoved({"topping": True}))
        try:
            await self._put_in(more)
        finally:
            self._app.dispatch(PurseMoved({"topping": False, "step": Step.NONE}))

    async def _put_in(self, more: int) -> None:
        record = self._deposit.record
        assert record is not None
        config, before = record.channel_config(), await self._deposit.on_chain()
        if config.token != NATIVE:
            await self._permission.approve(Token(self._app.seats.crypto, config.token), record.channels, more)
        contract = Channels(self._app.seats.crypto, record.channels)
        data = contract.top_up(config, before.expiry, more)
        value = hex(more if config.token == NATIVE else 0)

        async def grown() -> bool:
            return (await self._deposit.on_chain()).deposit >= before.deposit + more

        ended = await self._transactions.run(
            TOP_UP,
            {"to": to_hex(record.channels), "data": to_hex(data), "value": value},
            grown,
            self._told,
            None,
            amount=str(more),
            provider=to_hex(record.provider),
            channel="0x" + record.channel_id(self._app.seats.crypto).hex(),
        )
        if ended is not None:
            await self.take_over()
        self._app.dispatch(PurseMoved({"more": ""}))
        if self._app.state.sheet is Sheet.TOP_UP:
            self._app.dispatch(SheetClosed())

    async def take_over(self) -> None:
        """What the chain says the deposit is now; the next connection uses all of it."""
        record = self._deposit.record
        if record is None:
            return
        word = await self._deposit.on_chain()
        record = msgspec.structs.replace(record, amount=str(word.deposit), expiry=word.expiry)
        self._deposit.record = record
        await self._records.keep_deposit(record)
        self._app.dispatch(DepositMoved(DepositPhase.OPEN, {"amount": word.deposit, "expiry": word.expiry}))
        await self._wallet.read_balance()
        if not self._app.state.running:
            await self._chat.hang_up()

    def _told(self, transit: Transit) -> None:
        self._app.dispatch(DepositMoved(self._app.state.deposit.phase, {"transit": transit}))
