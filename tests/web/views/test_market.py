"""The market's table."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.reduce import reduce
from tallystick_web.shop.actions import MoreRows, Seen
from tallystick_web.shop.state import ROWS, Filters, Shop, Sight, Sort, Speed, Standing
from tallystick_web.state import UNREAD, Choice, Market, MarketPhase, Sheet, State
from tallystick_web.tree import Element, find, h, text_of
from tallystick_web.views.market import market
from tallystick_web.words import ENGLISH as T

from .states import BAD, CHOICE, CONNECTED, GWEI, NOW, START


def shown(state: State) -> Element:
    _, body, foot = market(replace(state, sheet=Sheet.MARKET), T)
    return h("div", body, foot)


def offers(tree: Element) -> list[Element]:
    return [row for row in find(tree, class_="offer") if row.attr("data-offer")]


def said(node: Element) -> str:
    return " ".join(text_of(node).split())


def test_a_row_says_prices_of_a_million_tokens_and_what_is_known() -> None:
    (row,) = offers(shown(CONNECTED))
    text = said(row)
    assert "10.0.0.7:8766 not asked" in text
    assert "Question 0.002 ETH" in text and "Answer 0.006 ETH" in text and "Context 2,048" in text
    assert text.count("no data yet") == 2
    assert "Prices for 1,000,000 tokens, in ETH." in said(shown(CONNECTED))


def test_a_price_of_nothing_is_free() -> None:
    free = replace(CHOICE, price_in=0, price_out=400 * GWEI)
    text = said(shown(replace(CONNECTED, market=Market(MarketPhase.READ, (free,)))))
    assert "Question free" in text and "Answer 400 gwei" in text


def test_what_was_seen_and_measured_stands_with_its_age() -> None:
    shop = Shop(
        {CHOICE.provider: Sight(Standing.BUSY, NOW - 90, 84)},
        {CHOICE.id: Speed(3, 1240, 31.4, NOW - 7200)},
    )
    text = said(offers(shown(replace(CONNECTED, shop=shop)))[0])
    assert "busy, 1 min ago" in text
    assert "1.2 s 3 answers, 2 h ago" in text and "31 tokens/s" in text


def test_a_bad_entry_is_grey_and_says_why() -> None:
    tree = shown(CONNECTED)
    (grey,) = find(tree, aria_disabled="true")
    assert "0x3333…3333" in said(grey) and "The provider's entry on chain is not valid." in said(grey)
    assert find(grey, data_do="choose") == []


def test_not_connected_reading_and_nobody_there() -> None:
    assert find(shown(START), data_do="connect")
    assert "Reading" in said(shown(replace(CONNECTED, market=Market(MarketPhase.READING))))
    assert "Nobody offers" in said(shown(replace(CONNECTED, market=Market(MarketPhase.READ))))


def test_what_is_missing_or_wrong_is_said_in_one_sentence() -> None:
    whole = CONNECTED.market
    texts = {
        said(shown(replace(CONNECTED, market=replace(whole, **changes))))  # type: ignore[arg-type]
        for changes in ({"count": 2000, "missing": 1500}, {"wrong": True}, {"count": 2})
    }
    assert sum("1,500 of 2,000 entries could not be read" in text for text in texts) == 1
    assert sum("a wrong list" in text for text in texts) == 1
    unread = replace(whole, choices=(Choice(b"\x44" * 20, fault=UNREAD),))
    assert "Not read" in said(shown(replace(CONNECTED, market=unread)))


def test_the_demo_is_marked() -> None:
    assert CONNECTED.site is not None
    assert find(shown(replace(CONNECTED, site=replace(CONNECTED.site, demo=True))), class_="tag")
    assert not find(shown(CONNECTED), class_="tag")


def test_the_order_states_its_formula_and_the_column_its_direction() -> None:
    assert "price of the answer + 3 × price of the question, and 10 % more for each second" in said(shown(CONNECTED))
    tree = shown(replace(CONNECTED, shop=Shop(filters=Filters(sort=Sort.SPEED))))
    assert [head.attr("data-column") for head in find(tree, aria_sort="descending")] == ["speed"]
    tree = shown(replace(CONNECTED, shop=Shop(filters=Filters(sort=Sort.PRICE_IN))))
    assert [head.attr("data-column") for head in find(tree, aria_sort="ascending")] == ["read"]


def test_filters_that_leave_nothing_can_be_dropped() -> None:
    tree = shown(replace(CONNECTED, shop=Shop(filters=Filters(text="nothing such"))))
    assert offers(tree) == [] and "there are 2." in said(tree)
    assert find(tree, data_do="shop-clear")


def test_a_thousand_rows_are_drawn_as_far_as_one_looks() -> None:
    many = tuple(replace(CHOICE, provider=number.to_bytes(20, "big")) for number in range(1000))
    state = replace(CONNECTED, market=Market(MarketPhase.READ, (*many, BAD), 1001))
    assert len(offers(shown(state))) == ROWS
    (more,) = find(shown(state), data_do="shop-more")
    assert said(more) == f"Show more ({1001 - ROWS} left)"
    grown = reduce(state, MoreRows())
    assert len(offers(shown(grown))) == 2 * ROWS


def test_only_the_rows_that_changed_are_made_again() -> None:
    other = replace(CHOICE, provider=b"\x07" * 20)
    state = replace(CONNECTED, market=Market(MarketPhase.READ, (CHOICE, other)))
    before = {row.key: row for row in offers(shown(state))}
    after = {row.key: row for row in offers(shown(reduce(state, Seen(other.provider, Sight(Standing.READY, NOW)))))}
    assert before[CHOICE.id] is after[CHOICE.id] and before[other.id] is not after[other.id]


def test_the_chosen_one_is_marked() -> None:
    (button,) = find(shown(replace(CONNECTED, chosen=CHOICE)), data_do="choose")
    assert (button.attr("aria-pressed"), said(button)) == ("true", "Chosen")
