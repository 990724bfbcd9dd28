"""Putting down one deposit: one sentence, one prompt, one transaction. The session key is made here and is its
signer.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace as changed
from typing import Any

import msgspec

from tallystick_shared.chains import Deployment
from tallystick_shared.channel import ChannelState
from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.deposit import Terms, opening_call, plan
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError

from ..actions import AmountTyped, Counted, DepositLoaded, DepositMoved, NoticeCleared, SheetClosed, SheetOpened
from ..app import App
from ..faults import code_of_rpc
from ..figures import parse_amount, plain
from ..state import Choice, Deposit, DepositPhase, Sheet
from .market import MarketFlow
from .records import Records
from .rpc import receipt
from .wallet import WalletFlow

SUGGESTED_TOKENS = 100_000
SHORTEST_DELAY = 900
UNDECIDED = (Code.TRANSACTION_DROPPED, Code.TRANSACTION_PENDING)


class DepositFlow:
    """The deposit in use."""

    def __init__(self, app: App, wallet: WalletFlow, market: MarketFlow, records: Records) -> None:
        self._app, self._wallet, self._market, self._records = app, wallet, market, records
        self.record: DepositRecord | None = None
        self.opened = asyncio.Event()
        app.on("open-deposit", self._open_sheet)
        app.on("input:amount", lambda text: app.dispatch(AmountTyped(text)))
        app.on("deposit", self.put_down)
        app.on("check-deposit", self._look_again)
        app.on("give-up-deposit", self._give_up)

    def _open_sheet(self, _: str) -> None:
        state = self._app.state
        if state.deposit.live or state.deposit.phase is DepositPhase.SIGNING:
            self._app.dispatch(SheetOpened(Sheet.MONEY))
            return
        if state.chosen is None:
            self._app.heard("open-market")
            return
        if parse_amount(state.amount_text, state.coin) is None:
            self._app.dispatch(AmountTyped(plain(suggested(state.chosen), state.coin.decimals)))
        self._app.dispatch(SheetOpened(Sheet.DEPOSIT))
        self._app.spawn(self._wallet.read_balance())

    async def put_down(self, _: str = "") -> None:
        """Asks the wallet for the one transaction. What goes wrong leaves everything as it was."""
        state, rpc = self._app.state, self._wallet.rpc
        amount = parse_amount(state.amount_text, state.coin)
        if amount is None or state.chosen is None or state.site is None or rpc is None or state.deposit.live:
            return
        if state.deposit.phase is DepositPhase.SIGNING:
            return
        await self._wallet.ensure_chain(may_switch=True)
        listing = await self._market.listing(state.chosen.provider)
        where = Deployment(state.site.chain_id, state.site.registry, state.site.channels, state.site.block)
        terms = Terms(amount, state.life, SHORTEST_DELAY)
        record = plan(
            self._app.seats.crypto, where, listing, state.wallet.account, terms, int(self._app.seats.world.wall())
        )
        if state.wallet.balance is not None and amount > state.wallet.balance:
            raise LocalError(Code.NOT_ENOUGH_MONEY)
        await self._send(record)

    async def _send(self, record: DepositRecord) -> None:
        rpc = self._wallet.rpc
        assert rpc is not None
        before = self._app.state.deposit
        await self._records.keep_deposit(record)  # the key must outlive whatever happens next
        self._app.dispatch(NoticeCleared())
        self._show(record, DepositPhase.SIGNING)
        call = {"from": "0x" + self._app.state.wallet.account.hex(), **opening_call(self._app.seats.crypto, record)}
        try:
            transaction = str(await rpc.request("eth_sendTransaction", [call]))
        except RpcError as error:
            if code_of_rpc(error) is not Code.RPC_UNREACHABLE:  # else it may have left: the key stays
                await self._records.forget_deposit()
                self._app.dispatch(DepositLoaded(before))
                raise
            self._show(record, DepositPhase.SENT)
            raise LocalError(Code.TRANSACTION_PENDING) from None
        record = msgspec.structs.replace(record, transaction=transaction)
        await self._records.keep_deposit(record)
        self._show(record, DepositPhase.SENT)
        self._app.dispatch(SheetClosed())
        await self._confirm(record)

    async def _confirm(self, record: DepositRecord) -> None:
        rpc = self._wallet.rpc
        assert rpc is not None
        try:
            found = await receipt(rpc, self._app.seats.world, record.transaction)
        except LocalError as error:
            if not (await self.on_chain()).known:
                if error.code not in UNDECIDED:  # what may still come keeps its key
                    await self._forget()
                raise
        else:
            record = msgspec.structs.replace(record, transaction=str(found["transactionHash"]))
            await self._records.keep_deposit(record)
        self._show(record, DepositPhase.OPEN)
        self.opened.set()
        await self._wallet.read_balance()

    async def _look_again(self, _: str) -> None:
        self._app.dispatch(NoticeCleared())
        await self.check()

    async def _give_up(self, _: str) -> None:
        """The person says that it will never come."""
        if self.record is not None and self._app.state.deposit.phase is DepositPhase.SENT:
            self._app.dispatch(NoticeCleared())
            await self._forget()

    async def _forget(self) -> None:
        await self._records.forget_deposit()
        self._app.dispatch(DepositLoaded(Deposit()))

    def _show(self, record: DepositRecord, phase: DepositPhase) -> None:
        self.record = record
        self._app.dispatch(DepositLoaded(shown(self._app, record, phase)))

    # -- after a reload

    async def load(self) -> None:
        """Shows what this browser kept. Raises LocalError STORE_UNREADABLE."""
        record = await self._records.deposit()
        site = self._app.state.site
        if record is None or site is None or record.chain_id != site.chain_id or record.channels != site.channels:
            return
        self._show(record, DepositPhase.OPEN if record.transaction else DepositPhase.SENT)
        kept = await self._records.load(record.channel_id(self._app.seats.crypto))
        _, notches = await self._records.conversation()
        if kept:
            self._app.dispatch(Counted(owed=kept.owed, durable=min(kept.signed, kept.owed), notches=notches))

    async def check(self) -> None:
        """Looks the deposit up on chain and goes on from there. The chain is right, the record may be old."""
        record = self.record
        if record is None or self._wallet.rpc is None:
            return
        word = await self.on_chain()
        if not word.known:
            if record.transaction:
                await self._confirm(record)
            else:
                # The page went away while the wallet asked, so nobody knows whether it was sent: the key stays.
                self._show(record, DepositPhase.SENT)
                self._app.spawn(self._undecided())
            return
        if word.ended:
            await self._records.forget_deposit()
            self._app.dispatch(DepositMoved(DepositPhase.ENDED))
        elif word.expiry < record.expiry or word.expiry <= self._app.seats.world.wall():
            self._app.dispatch(DepositMoved(DepositPhase.REQUESTED, {"expiry": word.expiry, "alone": True}))
        else:
            self._app.dispatch(DepositMoved(DepositPhase.OPEN, {"expiry": word.expiry}))
            self.opened.set()

    async def _undecided(self) -> None:
        raise LocalError(Code.TRANSACTION_PENDING)

    async def on_chain(self) -> ChannelState:
        """The deposit's word."""
        assert self.record is not None and self._wallet.rpc is not None
        crypto = self._app.seats.crypto
        return await Channels(crypto, self.record.channels).state(self._wallet.rpc, self.record.channel_id(crypto))


def shown(app: App, record: DepositRecord, phase: DepositPhase) -> Deposit:
    """What the state holds of a record; the counts of the same deposit stay."""
    channel_id, held = record.channel_id(app.seats.crypto), app.state.deposit
    fresh = Deposit(
        phase,
        channel_id,
        record.provider,
        record.cap,
        record.expiry,
        record.config.delay,
        open_transaction=record.transaction,
    )
    if held.channel_id != channel_id:
        return fresh
    return changed(fresh, owed=held.owed, durable=held.durable, notches=held.notches)


def suggested(choice: Choice) -> int:
    """An amount that lasts a while: a hundred thousand tokens written, rounded up to one digit; never below
    the provider's minimum.
    """
    wanted = max(choice.minimum, SUGGESTED_TOKENS * max(choice.price_in, choice.price_out) // 1_000_000, 1)
    unit = 10 ** (len(str(wanted)) - 1)
    return int(-(-wanted // unit) * unit)


def log_of(channels: Channels, entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The values of one event of a receipt; empty where it is not there."""
    for entry in entries:
        log = channels.read_log(entry)
        if log is not None and log.name == name:
            return log.values
    return {}
