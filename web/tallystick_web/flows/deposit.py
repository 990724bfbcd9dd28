"""Putting down one deposit: one sentence, one prompt, one transaction. The session key is made here and is its
signer.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace as changed
from typing import Any

import msgspec

from tallystick_shared.chains import Deployment
from tallystick_shared.channel import ChannelState
from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.deposit import Terms, opening_call, plan
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError, to_int
from tallystick_shared.messages import amount_int

from ..actions import (
    AmountTyped,
    Counted,
    DepositLoaded,
    DepositMoved,
    NoticeCleared,
    Noticed,
    SheetClosed,
    SheetOpened,
)
from ..app import App
from ..faults import code_of_rpc
from ..figures import parse_amount, plain
from ..purse.actions import PurseMoved
from ..purse.book import DEPOSIT
from ..purse.paying import Way
from ..state import Choice, Deposit, DepositPhase, Notice, Sheet, State, Transit
from .aside import Aside
from .ledger import LedgerFlow
from .market import MarketFlow
from .pending import Ended, Follower, Sent
from .permission import PermissionFlow
from .records import Records, Sending
from .wallet import WalletFlow

SUGGESTED_TOKENS = 100_000
SHORTEST_DELAY = 900
GAS = {Way.COIN: 51_000, Way.APPROVED: 73_000, Way.PERMIT: 101_000, Way.APPROVE: 120_000, Way.CLEAR: 150_000}
"""Of opening a deposit, approvals included: contracts/gas.json, rounded up, and some 47,000 for an approval."""
DROPPED = "transaction_dropped"
PAUSE, LONGEST_PAUSE = 10.0, 600.0
UNSENT = (Code.REFUSED, Code.WALLET_UNSUPPORTED, Code.WRONG_CHAIN, Code.NOT_ENOUGH_MONEY)


class DepositFlow:
    """The deposit in use."""

    def __init__(
        self,
        app: App,
        wallet: WalletFlow,
        market: MarketFlow,
        records: Records,
        ledger: LedgerFlow,
        permission: PermissionFlow,
    ) -> None:
        self._app, self._wallet, self._market, self._records = app, wallet, market, records
        self._ledger, self._permission = ledger, permission
        self.record: DepositRecord | None = None
        self.opened = asyncio.Event()
        self.aside = Aside(app, records)
        self._follower: Follower | None = None
        self._resending = False
        self._next_look, self._pause = 0.0, PAUSE
        app.watch(self._ticked)
        app.on("open-deposit", self._open_sheet)
        app.on("input:amount", lambda text: app.dispatch(AmountTyped(text)))
        app.on("deposit", self.put_down)
        app.on("resend-deposit", self.resend)
        app.on("give-up-deposit", self.leave)

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
        self._app.spawn(self._read_funds(state.chosen))

    async def _read_funds(self, choice: Choice) -> None:
        """What the wallet has, and what the network takes for opening."""
        await self._wallet.read_balance()
        before = self._app.state.coin
        await self._permission.prefer(choice)
        state = self._app.state
        if state.coin != before:
            self._app.dispatch(AmountTyped(plain(suggested(choice), state.coin.decimals)))
        if self._wallet.rpc is not None:
            with contextlib.suppress(RpcError, TypeError, ValueError):
                price = to_int(str(await self._wallet.rpc.request("eth_gasPrice", [])))
                gas = GAS[self._app.state.purse.way]
                self._app.dispatch(PurseMoved({"gas": price * gas}))

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
        terms = Terms(amount, state.life, SHORTEST_DELAY, token=state.purse.token)
        record = plan(
            self._app.seats.crypto, where, listing, state.wallet.account, terms, int(self._app.seats.world.wall())
        )
        if state.funds is not None and amount > state.funds:
            raise LocalError(Code.NOT_ENOUGH_MONEY)
        await self._send(record)

    async def _send(self, record: DepositRecord) -> None:
        before, held = self._app.state.deposit, self.record
        await self._records.keep_deposit(record)  # the key must outlive whatever happens next
        self._app.dispatch(NoticeCleared())
        self._show(record, DepositPhase.SIGNING)
        try:
            permit = await self._permission.allow(record)
            sent = await self._wallet.send(opening_call(self._app.seats.crypto, record, permit))
        except (RpcError, TallystickError) as error:
            await self._records.forget_deposit()
            self.record = held
            self._app.dispatch(DepositLoaded(before))
            if isinstance(error, RpcError) and code_of_rpc(error) not in UNSENT:
                await self._keep_aside(record)  # the wallet may have sent it all the same
            raise
        await self._is_sent(record, sent)
        self._app.dispatch(SheetClosed())
        await self._confirm(sent)

    async def _is_sent(self, record: DepositRecord, sent: Sent) -> None:
        record = msgspec.structs.replace(record, transaction=sent.hash)
        await self._records.keep_sending(Sending(sent.hash, sent.sender, sent.nonce))
        await self._records.keep_deposit(record)
        self._show(record, DepositPhase.SENT)
        self._ledger.sent(DEPOSIT, sent.hash, **self._facts(record))

    def _facts(self, record: DepositRecord) -> dict[str, str]:
        """What the book says of its opening."""
        channel = "0x" + record.channel_id(self._app.seats.crypto).hex()
        return {"amount": record.amount, "provider": "0x" + record.provider.hex(), "channel": channel}

    async def _confirm(self, sent: Sent) -> None:
        """Follows the opening until it has an end. Raises LocalError where the chain shows no deposit then."""
        rpc, record = self._wallet.rpc, self.record
        assert rpc is not None and record is not None
        self._follower = follower = Follower(
            rpc, self._app.seats.world, sent, lambda: self._is_open(record), self._told, self._knew
        )
        try:
            ended = await follower.run()
        except LocalError as error:
            self._ledger.over(follower.sent.hash, error)
            await self._set_aside()
            raise
        finally:
            if self._follower is follower:
                self._follower = None
        if ended is not None:
            self._ledger.confirmed(follower.sent.hash, ended)
            await self._is_opened(ended)

    async def _is_opened(self, ended: Ended) -> None:
        record = self.record
        assert record is not None
        record = msgspec.structs.replace(record, transaction=ended.hash)
        await self._records.keep_deposit(record)
        await self._records.end_sending()
        self._show(record, DepositPhase.OPEN)
        self._not_dropped()
        self.opened.set()
        await self._wallet.read_balance()

    async def _is_open(self, record: DepositRecord) -> bool:
        """Also of one that was set aside meanwhile."""
        crypto, rpc = self._app.seats.crypto, self._wallet.rpc
        assert rpc is not None
        return (await Channels(crypto, record.channels).state(rpc, record.channel_id(crypto))).known

    def _told(self, transit: Transit) -> None:
        if self._app.state.deposit.phase is DepositPhase.SENT:
            self._app.dispatch(DepositMoved(DepositPhase.SENT, {"transit": transit}))
        if self._follower is not None:
            self._ledger.moved(self._follower.sent.hash, transit)
        if transit is Transit.DROPPED:
            self._app.dispatch(Noticed(Notice(DROPPED)))
        else:
            self._not_dropped()

    def _not_dropped(self) -> None:
        notice = self._app.state.notice
        if notice is not None and notice.name == DROPPED:
            self._app.dispatch(NoticeCleared())

    async def _knew(self, sent: Sent) -> None:
        await self._records.keep_sending(Sending(sent.hash, sent.sender, sent.nonce))

    # -- an opening without an end

    async def resend(self, _: str = "") -> None:
        """The same deposit once more. The chain opens it once, whichever transaction comes first."""
        follower, record = self._follower, self.record
        if follower is None or record is None or self._resending:
            return
        self._resending = True
        try:
            self._app.dispatch(NoticeCleared())
            permit = await self._permission.allow(record)
            sent = await self._wallet.send(opening_call(self._app.seats.crypto, record, permit))
        finally:
            self._resending = False
        if self._follower is follower:
            await self._is_sent(record, sent)
            follower.again(sent)

    async def leave(self, _: str = "") -> None:
        """The person waits no longer. Should it open yet, it is found."""
        if self._follower is not None:
            self._follower.leave()
            self._ledger.over(self._follower.sent.hash, None)
            self._app.dispatch(NoticeCleared())
            await self._set_aside()

    async def _set_aside(self) -> None:
        record, self.record = self.record, None
        if record is not None:
            await self._records.forget_deposit()
            self._app.dispatch(DepositLoaded(Deposit()))
            await self._keep_aside(record)

    async def _keep_aside(self, record: DepositRecord) -> None:
        await self.aside.add(record)
        self._next_look, self._pause = self._app.state.now + PAUSE, PAUSE

    def _ticked(self, before: State, after: State) -> None:
        """Looks after those that are aside, less and less often."""
        if before.now < after.now and 0 < self._next_look <= after.now:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._next_look = after.now + self._pause
            self._app.spawn(self._look_quietly())

    async def _look_quietly(self) -> None:
        with contextlib.suppress(RpcError):
            await self.look_aside()

    async def look_aside(self) -> bool:
        """Takes up a deposit that opened after all, where none is in use. False where nothing is aside. Raises
        RpcError.
        """
        if self._wallet.rpc is None:
            return False
        opened = await self.aside.opened(self._wallet.rpc)
        state = self._app.state.deposit
        if opened and not state.live and state.phase is not DepositPhase.SIGNING:
            record, _ = opened[0]
            await self._records.keep_deposit(record)
            await self.aside.remove(record)
            self._show(record, DepositPhase.SENT)
            self._app.dispatch(Noticed(Notice("deposit_came", quiet=True)))
            await self.check()
        left = bool(await self._records.aside())
        self._next_look = (self._next_look or self._app.state.now + self._pause) if left else 0.0
        return left

    def _show(self, record: DepositRecord, phase: DepositPhase) -> None:
        self.record = record
        self._app.dispatch(DepositLoaded(shown(self._app, record, phase)))

    def put_away(self) -> None:
        """Another chain is looked at: this chain's deposit stays in the vault."""
        if self._follower is not None:
            self._follower.leave()
        self._follower, self.record = None, None
        self.opened.clear()

    # -- after a reload

    async def load(self) -> None:
        """Shows what this browser kept. Raises LocalError STORE_UNREADABLE."""
        record = await self._records.deposit()
        site = self._app.state.site
        if record is None or site is None or record.chain_id != site.chain_id or record.channels != site.channels:
            return
        under_way = not record.transaction or await self._records.sending() is not None
        self._show(record, DepositPhase.SENT if under_way else DepositPhase.OPEN)
        kept = await self._records.load(record.channel_id(self._app.seats.crypto))
        notches = await self._records.notches()
        if kept:
            self._app.dispatch(Counted(owed=kept.owed, durable=min(kept.signed, kept.owed), notches=notches))

    async def check(self) -> None:
        """Looks the deposit up on chain and goes on from there. The chain is right, the record may be old."""
        record = self.record
        if record is None or self._wallet.rpc is None:
            return
        await self._permission.name(record.config.token)
        word = await self.on_chain()
        if not word.known:
            await self._go_on(record)
            return
        if not word.ended and word.deposit != int(record.amount):  # topped up, and the page was left before it saw
            record = msgspec.structs.replace(record, amount=str(word.deposit))
            self.record = record
            await self._records.keep_deposit(record)
            self._show(record, DepositPhase.OPEN)
        await self._records.end_sending()
        if word.ended:
            await self._records.forget_deposit()
            self._app.dispatch(DepositMoved(DepositPhase.ENDED))
        elif word.expiry < record.expiry or word.expiry <= self._app.seats.world.wall():
            self._app.dispatch(DepositMoved(DepositPhase.REQUESTED, {"expiry": word.expiry, "alone": True}))
        else:
            self._app.dispatch(DepositMoved(DepositPhase.OPEN, {"expiry": word.expiry}))
            self.opened.set()

    async def _go_on(self, record: DepositRecord) -> None:
        """With an opening that was under way when the page was left."""
        sending = await self._records.sending()
        if not record.transaction:  # left while the wallet asked: nobody knows what it was answered
            await self._set_aside()
        elif self._follower is None:
            sent = Sent(record.transaction, record.config.payer, record.channels)
            if sending is not None:
                sent = Sent(sending.hash, sending.sender, record.channels, sending.nonce)
            self._show(record, DepositPhase.SENT)
            self._app.spawn(self._confirm(sent))

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
        transit=Transit.SENT if phase is DepositPhase.SENT else Transit.ASKED,
        first=amount_int(record.agreed.first_voucher) if record.agreed else 0,
        token=record.config.token,
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
