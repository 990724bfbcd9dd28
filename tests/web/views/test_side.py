"""The list of chats, and what a search found."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.chats.desk import Hit
from tallystick_web.chats.model import Card, Chats
from tallystick_web.state import State
from tallystick_web.tree import Element, Node, find, h, text_of
from tallystick_web.views.side import MOST, side
from tallystick_web.words import ENGLISH as T

from .states import NOW, START

DAY = 86_400


def with_cards(*cards: Card, **desk: object) -> State:
    return replace(START, chats=Chats("c0", cards=cards), desk=replace(START.desk, **desk))  # type: ignore[arg-type]


def tree(state: State) -> Element:
    nodes: list[Node] = side(state, T)
    return h("div", nodes)


def test_chats_stand_by_age_the_pinned_first_the_deleted_not() -> None:
    ages = [0, 1, 5, 20, 90]
    cards = [Card(f"c{age}", f"Chat {age}", changed=int(NOW) - age * DAY) for age in ages]
    cards += [Card("p", "Pinned one", True, 1), Card("d", "Gone", changed=int(NOW), deleted=5)]
    said = text_of(tree(with_cards(*cards)))
    order = ["Pinned", "Pinned one", "Today", "Chat 0", "Yesterday", "Chat 1", "Last 7 days", "Last 30 days", "Older"]
    places = [said.index(word) for word in order]
    assert places == sorted(places) and "Gone" not in said


def test_the_one_in_front_says_so() -> None:
    shown = find(tree(with_cards(Card("c0", "Here"), Card("c1", "There"))), aria_current="true")
    assert [text_of(one) for one in shown] == ["Here"]


def test_a_nodes_own_page_has_the_way_to_its_console() -> None:
    assert not find(tree(START), href="http://127.0.0.1:8443/")
    assert START.site is not None
    here = replace(START, site=replace(START.site, console="http://127.0.0.1:8443/"))
    (link,) = find(tree(here), href="http://127.0.0.1:8443/")
    assert text_of(link) == "Node’s console" and ("rel", "noopener noreferrer") in link.attrs


def test_a_menu_and_a_new_name() -> None:
    menu = find(tree(with_cards(Card("c1", "A", True), menu="chat:c1")), role="menuitem")
    assert [text_of(one) for one in menu] == ["Rename", "Unpin", "Delete"]
    assert len(find(tree(with_cards(Card("c1", "A"), renaming="c1")), data_submit="name-chat")) == 1


def test_of_very_many_the_newest_are_listed() -> None:
    cards = [Card(str(at), f"n{at}", changed=at) for at in range(MOST + 5)]
    found = find(tree(with_cards(*cards)), data_do="open-chat")
    assert len(found) == MOST and "Search finds the rest" in text_of(tree(with_cards(*cards)))


def test_a_search_shows_its_hits_or_says_that_there_are_none() -> None:
    hit = Hit("c1", "Name", 3, "user", "before ", "match", " after")
    shown = tree(with_cards(query="match", found=(hit,)))
    assert text_of(find(shown, class_="snippet")[0]) == "before  match  after"
    assert "Nothing with “x”" in text_of(tree(with_cards(query="x", found=())))
    assert "Searching" in text_of(tree(with_cards(query="x")))


def test_without_chats_it_says_where_they_will_be() -> None:
    assert "stay in this browser" in text_of(tree(START))
