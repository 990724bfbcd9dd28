"""The money bar and its details."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.state import DepositPhase, State
from tallystick_web.tree import Element, find, h, text_of
from tallystick_web.views.money import money_bar, money_sheet
from tallystick_web.words import ENGLISH as T

from .states import CHOICE, CONNECTED, ETHER, NOW, OPEN, START, with_deposit


def parts(state: State) -> dict[str, str]:
    """What each part says where there is room."""
    found = find(h("div", money_bar(state, T)), data_do="open-money")
    said = {}
    for part in found:
        name, amount = find(part, class_="long")[0], find(part, class_="amount")[0]
        said[str(part.attr("data-part"))] = f"{text_of(name)}: {' '.join(text_of(amount).split())}"
    return said


def test_there_is_none_without_wallet_and_deposit() -> None:
    assert money_bar(START, T) == []


def test_the_four_parts_are_always_the_same_four() -> None:
    assert list(parts(CONNECTED)) == list(parts(OPEN)) == ["wallet", "deposit", "owed", "back"]


def test_before_a_deposit() -> None:
    said = parts(CONNECTED)
    assert said["wallet"] == "In wallet: 2 ETH"
    assert said["deposit"] == "In deposit: none"


def test_with_a_deposit() -> None:
    said = parts(OPEN)
    assert said["deposit"] == "In deposit: 1 ETH"
    assert said["owed"] == "Owed to provider: 0.005 ETH"
    assert said["back"] == "Coming back on closing: 0.995 ETH"


def test_the_parts_add_up_where_more_was_paid_ahead_than_used() -> None:
    said = parts(with_deposit(DepositPhase.OPEN, first=ETHER // 4))
    assert said["owed"] == "Owed to provider: 0.25 ETH"
    assert said["back"] == "Coming back on closing: 0.75 ETH"
    _, body, _ = money_sheet(with_deposit(DepositPhase.OPEN, first=ETHER // 4), T)
    assert "0.245 ETH" in text_of(h("div", body)), "how much of it is ahead is told"


@pytest.mark.parametrize(("expiry", "when"), [(NOW + 840, "by 00:14"), (NOW - 1, "now")])
def test_when_it_comes_back_without_the_provider(expiry: float, when: str) -> None:
    state = with_deposit(DepositPhase.REQUESTED, expiry=int(expiry))
    assert parts(state)["back"] == f"Coming back {when}: 0.995 ETH"


def test_what_is_under_way_is_the_wallets_until_it_is_in_a_block() -> None:
    said = parts(with_deposit(DepositPhase.SENT))
    assert (said["deposit"], said["back"]) == ("In deposit: none", "Coming back on closing: none")
    _, body, _ = money_sheet(with_deposit(DepositPhase.SENT), T)
    assert "0.995 ETH" not in text_of(h("div", body))


def test_an_ended_deposit_holds_nothing() -> None:
    said = parts(with_deposit(DepositPhase.ENDED))
    assert said["deposit"] == "In deposit: none"
    assert said["back"] == "Coming back: none"


@pytest.mark.parametrize(
    ("phase", "there"), [(DepositPhase.OPEN, True), (DepositPhase.SENT, False), (DepositPhase.ENDED, False)]
)
def test_closing_is_offered_while_there_is_something_to_close(phase: DepositPhase, there: bool) -> None:
    bar = h("div", money_bar(with_deposit(phase), T))
    assert bool(find(bar, data_do="open-close")) is there


def test_after_the_end_a_new_deposit_is_offered_and_the_old_tally_is_gone() -> None:
    bar = h("div", money_bar(with_deposit(DepositPhase.ENDED), T))
    assert find(bar, data_do="open-deposit") and not find(bar, class_="tally")
    _, _, foot = money_sheet(with_deposit(DepositPhase.ENDED), T)
    assert len(find(h("div", foot), data_do="open-deposit")) == 1 and not find(h("div", foot), data_do="open-close")


def test_a_deposit_is_named_by_the_provider_that_has_it() -> None:
    other = replace(CHOICE, provider=b"\x77" * 20, endpoint="ws://10.0.0.8:8766")
    _, body, _ = money_sheet(replace(with_deposit(DepositPhase.ENDED), chosen=other), T)
    said = text_of(h("div", body))
    assert "10.0.0.7:8766, 0x56af" in said and "10.0.0.8" not in said


def test_the_details_name_every_transaction() -> None:
    state = with_deposit(DepositPhase.ENDED, end_transaction="0x" + "cd" * 32)
    title, body, foot = money_sheet(state, T)
    said = text_of(h("div", body))
    assert title == "Your money"
    assert "0x" + "ab" * 32 in said and "0x" + "cd" * 32 in said
    assert find(h("div", foot), data_do="open-deposit")


def test_a_transaction_is_a_link_where_the_chain_has_an_explorer() -> None:
    assert OPEN.site is not None
    state = replace(OPEN, site=replace(OPEN.site, explorer="https://scan.example"))
    _, body, _ = money_sheet(state, T)
    links = [node for node in walk(h("div", body)) if node.tag == "a"]
    assert [link.attr("href") for link in links] == ["https://scan.example/tx/0x" + "ab" * 32]


def walk(node: Element) -> list[Element]:
    return [node, *(found for child in node.children if isinstance(child, Element) for found in walk(child))]
