"""The book keeps every payment, from two tabs, over reloads, and knows how each transaction ended."""

from __future__ import annotations

from tallystick_web.actions import Ticked, WalletMoved
from tallystick_web.flows.ledger import PAGE, LedgerFlow
from tallystick_web.flows.rpc import WalletRpc
from tallystick_web.main import Page, start
from tallystick_web.purse.book import ANSWER, CONFIRMED, DEPOSIT, DROPPED, FAILED, LEFT, SEEN, SENT, Book, Entry
from tallystick_web.state import Transit, WalletPhase
from tests.web.flows.pages import SITE_TEXT, page_with
from tests.web.seats import WALLET, MemoryLocks, MemoryVault, MemoryWallets

HASH = "0x" + "ab" * 32


async def opened(vault: MemoryVault | None = None) -> Page:
    page = page_with(WALLET)
    if vault is not None:
        object.__setattr__(page.app.seats, "vault", vault)
    await start(page, SITE_TEXT)
    await page.app.idle()
    return page


def states(page: Page) -> list[str]:
    return [entry.state for entry in page.app.state.book.entries]


async def test_a_transaction_is_written_from_sent_to_its_end() -> None:
    page = await opened()
    ledger: LedgerFlow = page.ledger
    key = ledger.sent(DEPOSIT, HASH, amount="5")
    assert states(page) == [SENT]
    ledger.moved(key, Transit.SEEN)
    ledger.moved(key, Transit.SLOW)
    assert states(page) == [SEEN]
    ledger.moved(key, Transit.DROPPED)
    assert states(page) == [DROPPED]
    ledger.over(key, None)
    assert states(page) == [LEFT]
    await page.app.idle()
    again = await opened(vault(page))
    assert again.app.state.book == page.app.state.book


def vault(page: Page) -> MemoryVault:
    held = page.app.seats.vault
    assert isinstance(held, MemoryVault)
    return held


async def test_two_tabs_write_into_one_book() -> None:
    one = await opened()
    two = await opened(vault(one))
    one.ledger.note(Entry("one", 1, ANSWER, "1"))
    two.ledger.note(Entry("two", 2, ANSWER, "2"))
    await one.app.idle()
    await two.app.idle()
    third = await opened(vault(one))
    assert {entry.key for entry in third.app.state.book.entries} == {"one", "two"}


async def test_while_another_tab_writes_it_waits() -> None:
    page = await opened()
    locks = page.app.seats.locks
    assert isinstance(locks, MemoryLocks)
    locks.taken = {"ledger"}
    page.ledger.note(Entry("one", 1, ANSWER, "1"))
    await page.app.idle()
    assert states(page) == ["done"] and "ledger:00000" in vault(page).values, "it is written all the same, at last"


async def test_pages_of_the_book_are_written_alone() -> None:
    page = await opened()
    for number in range(PAGE + 1):
        page.ledger.note(Entry(str(number), number, ANSWER, "1"))
    await page.app.idle()
    first = vault(page).values["ledger:00000"]
    vault(page).values["ledger:00000"] = bytes(first)
    page.ledger.note(Entry("last", 9, ANSWER, "1"))
    await page.app.idle()
    assert set(vault(page).values) >= {"ledger:00000", "ledger:00001"}
    again = await opened(vault(page))
    assert len(again.app.state.book.entries) == PAGE + 2
    assert isinstance(again.app.state.book, Book)


async def test_what_was_under_way_when_the_page_was_left_is_looked_up() -> None:
    page = await opened()
    wallets = page.app.seats.wallets
    assert isinstance(wallets, MemoryWallets)
    for key in ("mined", "failed", "known", "lost"):
        page.ledger.note(Entry(key, 1, DEPOSIT, chain_id=31337, transaction=key, state=SENT))
    page.ledger.note(Entry("elsewhere", 1, DEPOSIT, chain_id=5, transaction="elsewhere", state=SENT))
    receipts = {"mined": {"status": "0x1"}, "failed": {"status": "0x0"}}
    wallets.answers["eth_getTransactionReceipt"] = lambda params: receipts.get(params[0])
    wallets.answers["eth_getTransactionByHash"] = lambda params: {} if params[0] == "lost" else {"hash": params[0]}
    page.app.dispatch(WalletMoved(WalletPhase.CONNECTED, WALLET, b"\xaa" * 20))
    page.wallet.rpc = WalletRpc(wallets, WALLET.id)
    await page.ledger.check()
    assert states(page) == [CONFIRMED, FAILED, SEEN, DROPPED, SENT]
    receipts["known"] = {"status": "0x1"}
    page.app.dispatch(Ticked(page.app.state.now + 61))
    await page.app.idle()
    assert states(page) == [CONFIRMED, FAILED, CONFIRMED, DROPPED, SENT]


async def test_clear_always_ends_it_and_the_file_has_all() -> None:
    page = await opened()
    page.ledger.note(Entry("t", 1, DEPOSIT, transaction=HASH, state=DROPPED))
    page.app.heard("clear-transaction", "t")
    page.app.heard("clear-transaction", "nobody")
    assert states(page) == [LEFT]
    page.app.heard("save-ledger")
    await page.app.idle()
    ((name, kind, text),) = page.app.seats.screen.saved  # type: ignore[attr-defined]
    assert (name, kind) == ("tallystick-ledger.csv", "text/csv") and HASH in text
