"""Putting down one deposit: one sentence, one prompt, one transaction. The session key is made here and is its
signer.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from tallystick_shared.chains import Deployment
from tallystick_shared.channel import ChannelState
from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.deposit import Terms, opening_call, plan
from tallystick_shared.errors import Code, LocalError, PeerError, TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError, to_int
from tallystick_shared.market import Listing

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
from ..figures import money, parse_amount, plain
from ..purse.actions import PurseMoved
from ..purse.book import DEPOSIT
from ..purse.paying import Step, Way
from ..state import Choice, Deposit, DepositPhase, Notice, Sheet, Site, State, Transit
from ..views.parts import provider_name
from .aside import Aside
from .ledger import LedgerFlow
from .market import MarketFlow
from .opening import outcome, shown, suggested
from .pending import Ended, Follower, Sent
from .permission import PermissionFlow
from .records import Records, Sending
from .wallet import WalletFlow

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
            self._app.dispatch(AmountTyped(self._app.words.typed(plain(suggested(state.chosen), state.coin.decimals))))
        self._app.dispatch(SheetOpened(Sheet.DEPOSIT))
        self._app.spawn(self._read_funds(state.chosen))

    async def _read_funds(self, choice: Choice) -> None:
        """What the wallet has, and what the network takes for opening."""
        suggestion, coin = self._app.state.amount_text, self._app.state.coin
        await self._wallet.read_balance()
        await self._permission.prefer(choice)
        state = self._app.state
        if state.coin != coin and state.amount_text == suggestion:  # what was typed meanwhile stays
            self._app.dispatch(AmountTyped(self._app.words.typed(plain(suggested(choice), state.coin.decimals))))
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
        lock = f"deposit-{state.site.chain_id}"
        if not await self._app.seats.locks.take(lock):  # another tab makes one now
            raise LocalError(Code.IN_USE_ELSEWHERE)
        try:
            if not await self._made_elsewhere():
                await self._make(state, state.site, state.chosen, amount)
        finally:
            self._app.seats.locks.release(lock)

    async def _made_elsewhere(self) -> bool:
        """Another tab made one since this one was opened: it is used, not overwritten."""
        held = await self._records.deposit()
        if held is None or (self.record is not None and held.config == self.record.config):
            return False
        await self.load()
        await self.check()
        self._app.dispatch(SheetClosed())
        self._app.dispatch(Noticed(Notice("deposit_elsewhere", quiet=True)))
        return True

    async def _make(self, state: State, site: Site, chosen: Choice, amount: int) -> None:
        await self._wallet.ensure_chain(may_switch=True)
        listing = await self._market.listing(chosen.provider)
        where = Deployment(site.chain_id, site.registry, site.channels, site.block)
        terms = Terms(amount, state.life, SHORTEST_DELAY, token=state.purse.token)
        record = plan(
            self._app.seats.crypto, where, listing, state.wallet.account, terms, int(self._app.seats.world.wall())
        )
        if state.funds is not None and amount > state.funds:
            raise LocalError(Code.NOT_ENOUGH_MONEY)
        if await self._is_there(listing, chosen):
            await self._send(record)

    async def _is_there(self, listing: Listing, chosen: Choice) -> bool:
        """Before any money moves: does the provider answer? Where it does not, that is said and nothing is sent."""
        before = self._app.state.deposit
        self._app.dispatch(PurseMoved({"step": Step.GREET}))
        self._app.dispatch(DepositMoved(DepositPhase.SIGNING))
        try:
            await self._market.guest.greet(listing)
        except PeerError:
            self._app.dispatch(SheetClosed())
            who = (("provider", provider_name(chosen)),)
            self._app.dispatch(Noticed(Notice("provider_absent", who)))
            return False
        finally:
            self._app.dispatch(PurseMoved({"step": Step.NONE}))
            self._app.dispatch(DepositLoaded(before))
        return True

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
        await self.read_funds()

    async def read_funds(self) -> None:
        """What the wallet has, of the coin and of the money in use."""
        await self._wallet.read_balance()
        with contextlib.suppress(RpcError, TallystickError):
            await self._permission.read_balance()

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
        with contextlib.suppress(TallystickError):
            await self._permission.use(record.config.token)
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
            values = outcome(word, await self._records.closing())
            await self._records.forget_deposit()
            self._app.dispatch(DepositMoved(DepositPhase.ENDED, values))
            back = (("amount", money(values["refunded"], self._app.state.coin)),)
            self._app.dispatch(Noticed(Notice("deposit_ended", back, quiet=True)))
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
