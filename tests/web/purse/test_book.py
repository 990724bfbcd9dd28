"""The book of everything ever paid, and its file."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.purse.book import ANSWER, COLUMNS, DEPOSIT, KINDS, SEEN, SENT, STATES, Book, Entry, as_csv
from tallystick_web.words import ENGLISH as T

SPENT = Entry("a", 1_763_856_000, ANSWER, "1500000000000000000", symbol="ETH", chain_id=1, who="Model, here")


def rows(*entries: Entry) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(entries))))


def test_a_line_of_the_file_is_exact_and_in_utc() -> None:
    (row,) = rows(msgspec.structs.replace(SPENT, chain="Testnet", input_units=9, output_units=30))
    assert tuple(row) == COLUMNS
    assert (row["time"], row["out"], row["money"]) == ("2025-11-23T00:00:00Z", "1.5", "ETH")
    assert (row["tokens_read"], row["tokens_written"], row["model"]) == ("9", "30", "Model, here")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@cmd", "\tx", "\rx"])
def test_a_name_is_never_a_formula(name: str) -> None:
    assert rows(msgspec.structs.replace(SPENT, who=name))[0]["model"].startswith("'")
    assert rows(msgspec.structs.replace(SPENT, symbol=name))[0]["money"].startswith("'")


@given(st.lists(st.builds(lambda amount, back: (str(amount), str(back)), st.integers(0, 2**96), st.integers(0, 2**96))))
def test_no_unit_is_lost_in_the_file(amounts: list[tuple[str, str]]) -> None:
    entries = [Entry(str(at), at, DEPOSIT, out, back) for at, (out, back) in enumerate(amounts)]
    read = rows(*entries)
    assert [(exact(row["out"]), exact(row["back"])) for row in read] == amounts


def exact(text: str) -> str:
    whole, _, rest = text.partition(".")
    return str(int(whole + rest.ljust(18, "0")))


def test_an_entry_takes_the_place_of_the_one_with_its_key() -> None:
    first, other = Entry("t", 1, DEPOSIT, state=SENT), Entry("u", 2, ANSWER)
    book = Book().noted(first).noted(other).noted(msgspec.structs.replace(first, state=SEEN))
    assert [entry.key for entry in book.entries] == ["t", "u"]
    assert [entry.state for entry in book.under_way()] == [SEEN]
    assert book.find("t") == book.entries[0] and book.find("nobody") is None


def test_what_answers_cost_is_summed_for_each_money_and_chain() -> None:
    other = msgspec.structs.replace(SPENT, key="b", symbol="COIN", amount="7")
    book = Book((SPENT, other, Entry("c", 1, DEPOSIT, "5", chain_id=1)))
    assert (book.spent(1, "ETH"), book.spent(1, "COIN"), book.spent(2, "ETH")) == (15 * 10**17, 7, 0)


def test_every_kind_and_state_has_words() -> None:
    for name in (*KINDS, *(f"state_{state}" for state in STATES)):
        assert T(f"ledger.{name}")
