"""The ledger's sheet."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.purse.book import ANSWER, CLOSE, DEPOSIT, DROPPED, SEEN, STATES, Book, Entry
from tallystick_web.tree import Element, find, h, text_of
from tallystick_web.views.ledger import SHOWN, ledger
from tallystick_web.words import ENGLISH as T

from .states import ETHER, NOW, OPEN

HASH = "0x" + "cd" * 32
ENTRIES = (
    Entry("d", int(NOW) - 60, DEPOSIT, str(ETHER), chain_id=31337, transaction=HASH, state="confirmed"),
    Entry("a", int(NOW) - 30, ANSWER, str(10**12), who="Model-1B, here", input_units=9, output_units=30),
    Entry("c", int(NOW), CLOSE, "5", str(ETHER - 5), chain_id=31337, transaction=HASH, state="confirmed"),
)


def shown(*entries: Entry, explorer: str = "") -> Element:
    assert OPEN.site is not None
    sites = (replace(OPEN.site, explorer=explorer),)
    _, body, foot = ledger(replace(OPEN, book=Book(entries), sites=sites), T)
    return h("div", body, foot)


def said(node: Element) -> str:
    return " ".join(text_of(node).split())


def test_newest_first_with_what_each_was() -> None:
    tree = shown(*ENTRIES)
    assert [row.attr("data-kind") for row in find(tree, class_="entry")] == ["close", "answer", "deposit"]
    text = said(tree)
    assert "Model-1B, here; question 9 tokens, answer 30" in text
    assert "0.99999999 ETH back" in text and "confirmed" in text
    assert find(tree, data_do="save-ledger")


def test_a_hash_is_a_link_where_there_is_an_explorer() -> None:
    assert HASH in said(shown(ENTRIES[0]))
    (link,) = find(shown(ENTRIES[0], explorer="https://scan.example"), target="_blank")
    assert link.attr("href") == f"https://scan.example/tx/{HASH}"


def test_what_has_no_end_can_be_cleared() -> None:
    for state in STATES:
        tree = shown(Entry("t", 1, DEPOSIT, transaction=HASH, state=state))
        assert bool(find(tree, data_do="clear-transaction")) is (state in ("sent", SEEN, DROPPED))


def test_an_empty_book_and_a_long_one() -> None:
    assert "Nothing was paid" in said(shown()) and not find(shown(), data_do="save-ledger")
    many = [Entry(str(number), number, ANSWER, "1") for number in range(SHOWN + 5)]
    tree = shown(*many)
    assert len(find(tree, class_="entry")) == SHOWN and "The newest 200 are shown; the file has all." in said(tree)
