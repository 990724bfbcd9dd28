"""The book of everything ever paid, in the vault: 200 lines a page, so that an answer does not write all of it anew.

Another tab writes into the same book, so each change is made on what the vault holds now. What was under way when the
page was left is looked up on the chain at the next connection, and once a minute while there is such a line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import RpcError, to_int

from ..actions import SheetOpened
from ..app import App
from ..purse.actions import BookRead, Noted
from ..purse.book import (
    ANSWER,
    APPROVAL,
    CLOSE,
    CONFIRMED,
    DEPOSIT,
    DONE,
    DROPPED,
    FAILED,
    LEFT,
    REPLACED,
    SEEN,
    SENT,
    WITHDRAWAL,
    Book,
    Entry,
    as_csv,
)
from ..state import DepositPhase, Sheet, State, Transit, Turn
from .answers import ended
from .pending import Ended
from .wallet import WalletFlow

PAGE = 200
PAUSE = 60.0
LOCK, TRIES, WAIT = "ledger", 40, 0.05
STATES = {Transit.SENT: SENT, Transit.SEEN: SEEN, Transit.SLOW: SEEN, Transit.DROPPED: DROPPED}
ENDS = {Code.TRANSACTION_FAILED: FAILED, Code.TRANSACTION_REPLACED: REPLACED}


class LedgerFlow:
    """Writes the book, shows it, hands it out."""

    def __init__(self, app: App, wallet: WalletFlow) -> None:
        self._app, self._wallet = app, wallet
        self._next_look = 0.0
        self._writing: list[Entry] = []
        self._saving = False
        app.on("open-ledger", lambda _: app.dispatch(SheetOpened(Sheet.LEDGER)))
        app.on("save-ledger", self._save_file)
        app.on("clear-transaction", self.clear)
        app.watch(self._changed)

    # -- writing

    def note(self, entry: Entry) -> None:
        """A line, new or changed: shown at once, on disk soon."""
        self._app.dispatch(Noted(entry))
        self._writing.append(entry)
        if not self._saving:
            self._saving = True
            self._app.spawn(self._write())

    def sent(self, kind: str, transaction: str, **facts: Any) -> str:
        """A transaction that the wallet has sent; its key."""
        self.note(self._entry(transaction, kind, transaction=transaction, state=SENT, **facts))
        return transaction

    def moved(self, key: str, transit: Transit) -> None:
        """Where it stands."""
        state = STATES.get(transit)
        held = self._app.state.book.find(key)
        if held is not None and state is not None and held.state != state:
            self.note(msgspec.structs.replace(held, state=state))

    def confirmed(self, key: str, end: Ended, **facts: Any) -> None:
        """It is in a block, maybe under another hash."""
        held = self._app.state.book.find(key)
        if held is not None:
            facts = {"transaction": end.hash or held.transaction, **facts}
            self.note(msgspec.structs.replace(held, state=CONFIRMED, **facts))

    def over(self, key: str, error: LocalError | None) -> None:
        """It ended otherwise; None: the person waits no longer."""
        held = self._app.state.book.find(key)
        state = LEFT if error is None else ENDS.get(error.code)
        if held is not None and state is not None and held.state != state:
            self.note(msgspec.structs.replace(held, state=state))

    def _entry(self, key: str, kind: str, **facts: Any) -> Entry:
        state = self._app.state
        coin, site = state.coin, state.site
        base = Entry(
            key,
            int(self._app.seats.world.wall()),
            kind,
            symbol=coin.symbol,
            decimals=coin.decimals,
            chain_id=site.chain_id if site else 0,
            chain=site.chain_name if site else "",
        )
        return msgspec.structs.replace(base, **facts)

    # -- what is not a transaction of the person's own

    def _changed(self, before: State, after: State) -> None:
        for turn in ended(before, after):
            self._answered(turn)
        if after.deposit.phase is DepositPhase.ENDED and before.deposit.phase is not DepositPhase.ENDED:
            self._closed(after)
        if self._next_look and before.now < after.now and self._next_look <= after.now:
            self._next_look = 0.0
            self._app.spawn(self.check())

    def _answered(self, turn: Turn) -> None:
        deposit, usage = self._app.state.deposit, turn.usage
        assert usage is not None
        self.note(
            self._entry(
                f"answer:{self._app.seats.crypto.random(8).hex()}",
                ANSWER,
                amount=str(usage.amount),
                provider="0x" + deposit.provider.hex(),
                who=turn.who,
                channel="0x" + deposit.channel_id.hex(),
                state=DONE,
                input_units=usage.input_units,
                output_units=usage.output_units,
            )
        )

    def _closed(self, state: State) -> None:
        """By the provider: its transaction, the person's money. One's own withdrawal has its line already."""
        deposit = state.deposit
        channel = "0x" + deposit.channel_id.hex()
        if any(entry.kind == WITHDRAWAL and entry.channel == channel for entry in state.book.entries):
            return
        self.note(
            self._entry(
                f"close:{deposit.channel_id.hex()}",
                CLOSE,
                amount=str(deposit.paid),
                back=str(deposit.refunded),
                provider="0x" + deposit.provider.hex(),
                channel=channel,
                transaction=deposit.end_transaction,
                state=CONFIRMED,
            )
        )

    # -- the vault

    async def load(self) -> None:
        """What this browser kept."""
        self._app.dispatch(BookRead(await self._read()))

    async def _read(self) -> Book:
        entries: list[Entry] = []
        while data := await self._app.seats.vault.get(_page(len(entries) // PAGE)):
            try:
                page = msgspec.msgpack.decode(data, type=list[Entry])
            except msgspec.MsgspecError:
                raise LocalError(Code.STORE_UNREADABLE) from None
            entries += page
            if len(page) < PAGE:
                break
        return Book(tuple(entries))

    async def _write(self) -> None:
        try:
            while self._writing:
                await self._lock()
                try:
                    await self._write_all()
                finally:
                    self._app.seats.locks.release(LOCK)
        finally:
            self._saving = False

    async def _write_all(self) -> None:
        """All that waits, on top of what the vault holds now."""
        before = book = await self._read()
        waiting, self._writing = self._writing, []
        for entry in waiting:
            book = book.noted(entry)
        for start in range(0, len(book.entries), PAGE):
            page = book.entries[start : start + PAGE]
            if page != before.entries[start : start + PAGE]:
                await self._app.seats.vault.put(_page(start // PAGE), msgspec.msgpack.encode(list(page)))
        for entry in self._writing:  # what came meanwhile is shown, and written next
            book = book.noted(entry)
        self._app.dispatch(BookRead(book))

    async def _lock(self) -> None:
        """Another tab may be writing; it takes no longer than a moment."""
        for _ in range(TRIES):
            if await self._app.seats.locks.take(LOCK):
                return
            await self._app.seats.world.sleep(WAIT)

    # -- what is under way

    async def check(self) -> None:
        """Looks up every transaction of this chain that has no end yet."""
        rpc, site = self._wallet.rpc, self._app.state.site
        if rpc is None or site is None or not self._app.state.connected:
            return
        open_ones = [entry for entry in self._app.state.book.under_way() if entry.chain_id == site.chain_id]
        for entry in open_ones:
            with contextlib.suppress(RpcError, KeyError, TypeError, ValueError):
                await self._look(entry, rpc.request)
        self._next_look = self._app.state.now + PAUSE if open_ones else 0.0

    async def _look(self, entry: Entry, request: Callable[[str, list[Any]], Any]) -> None:
        receipt = await request("eth_getTransactionReceipt", [entry.transaction])
        if receipt is not None:
            state = CONFIRMED if to_int(receipt["status"]) == 1 else FAILED
        else:
            state = SEEN if await request("eth_getTransactionByHash", [entry.transaction]) else DROPPED
        held = self._app.state.book.find(entry.key)
        if held is not None and held.state == entry.state != state:
            self.note(msgspec.structs.replace(held, state=state))

    def clear(self, key: str) -> None:
        """The person waits for it no longer. Whatever comes of it is found on the chain."""
        entry = self._app.state.book.find(key)
        if entry is None or entry.state not in STATES.values():
            return
        self.note(msgspec.structs.replace(entry, state=LEFT))
        if entry.kind == DEPOSIT:
            deposit = self._app.state.deposit
            if deposit.phase is DepositPhase.SENT and "0x" + deposit.channel_id.hex() == entry.channel:
                self._app.heard("give-up-deposit")
        elif entry.kind != APPROVAL:
            self._app.heard("leave-transaction")
            self._app.heard("leave-found", entry.channel.removeprefix("0x"))

    def _save_file(self, _: str) -> None:
        self._app.seats.screen.save("tallystick-ledger.csv", "text/csv", as_csv(self._app.state.book.entries))


def _page(number: int) -> str:
    return f"ledger:{number:05}"
