"""A provider's own sheet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.shop.state import Shop, Sight, Speed, Standing
from tallystick_web.state import Market, MarketPhase, State
from tallystick_web.tree import Element, find, h, text_of
from tallystick_web.views.provider import provider
from tallystick_web.words import ENGLISH as T

from .states import BAD, CHOICE, CONNECTED, NOW

OFFER = replace(CHOICE, delay=3600, first=10**14)


def shown(sight: Sight | None = None, speed: Speed | None = None, asking: bool = False) -> Element:
    shop = Shop(
        {OFFER.provider: sight} if sight else {},
        {OFFER.id: speed} if speed else {},
        shown=OFFER.id,
        asking=frozenset([OFFER.provider] if asking else []),
    )
    return tree_of(replace(CONNECTED, shop=shop, market=Market(MarketPhase.READ, (OFFER, BAD))))


def tree_of(state: State) -> Element:
    title, body, foot = provider(state, T)
    return h("div", h("h2", title), body, foot)


def said(node: Element) -> str:
    return " ".join(text_of(node).split())


def test_it_says_what_this_provider_can_see() -> None:
    text = said(shown())
    assert "What you ask and what it answers, in clear" in text
    assert "Your network address" in text and "The address of the wallet" in text
    assert "Nothing but its word keeps it from storing that." in text


def test_it_says_what_it_costs_and_what_may_be_lost() -> None:
    text = said(shown())
    assert "Question, 1,000,000 tokens 0.002 ETH" in text and "Answer, 1,000,000 tokens 0.006 ETH" in text
    assert "Smallest deposit 0.01 ETH" in text and "First payment 0.0001 ETH or more" in text
    assert "what is lost at most when it vanishes" in text
    assert "ws://10.0.0.7:8766" in text and "0x" + OFFER.provider.hex() in text


def test_without_data_it_says_so() -> None:
    text = said(shown())
    assert "Not asked yet." in text and "no data yet" in text


def test_an_advert_tells_load_and_limits_with_their_age() -> None:
    sight = Sight(Standing.READY, NOW - 30, 84, "", 4, 1, 8, 2, 262_144, 32, 86_400, 10, 9)
    text = said(shown(sight, Speed(3, 1240, 31.4, NOW)))
    assert "Ready. 1 of 4 places taken. 2 wait. Asked 30 s ago." in text
    assert "Longest question 256 KiB" in text and "Answers at the same time 32" in text
    assert "Connected, proved and answered in 84 ms" in text and "Answered 9 of 10 times" in text
    assert "First word after 1.2 s" in text and "Medians of 3 answers of yours" in text


@pytest.mark.parametrize("standing", list(Standing))
def test_every_standing_has_its_sentence(standing: Standing) -> None:
    tree = shown(Sight(standing, NOW, fault="handshake_failed"))
    (box,) = find(tree, class_="standing")
    assert box.attr("data-standing") == standing.value
    assert ("does not lead to the provider" in said(box)) is (standing is Standing.FAILING)
    assert find(box, data_do="ask-provider")


def test_while_it_is_asked_it_is_not_asked_again() -> None:
    tree = shown(asking=True)
    assert find(tree, data_do="ask-provider") == [] and "Asking" in said(tree)


def test_one_that_cannot_be_used_says_why_and_one_that_left_is_told() -> None:
    market = Market(MarketPhase.READ, (BAD,))
    text = said(tree_of(replace(CONNECTED, market=market, shop=Shop(shown=BAD.id))))
    assert "The provider's entry on chain is not valid." in text
    assert "no longer in the list" in said(tree_of(replace(CONNECTED, market=market, shop=Shop(shown="gone"))))
