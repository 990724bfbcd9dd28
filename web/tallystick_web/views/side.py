"""The list of chats beside the conversation, and what a search found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from ..chats.desk import Hit
from ..chats.model import Card
from ..state import State
from ..tree import Element, Node, h
from ..words import Words
from .tools import item, menu, picture, tool

MOST = 200  # chats in the list; a search finds the rest
AGES = ("pinned", "today", "yesterday", "week", "month", "older")


def side(state: State, t: Words) -> list[Node]:
    """New chat, search, the chats by age, and the way in and out for all of them."""
    desk = state.desk
    top = h(
        "div",
        h("button", picture("more"), t("do.new_chat"), class_="button new", type="button", data_do="new-chat"),
        h("label", t("chats.search"), for_="query", class_="visually-hidden"),
        h(
            "input",
            id="query",
            type="search",
            data_input="query",
            placeholder=t("chats.search"),
            autocomplete="off",
            value=desk.query,
        ),
        class_="side-top",
        key="top",
    )
    foot = h(
        "div",
        h("button", t("chats.transfer"), class_="linkish", type="button", data_do="open-transfer"),
        h("button", t("keys.title"), class_="linkish", type="button", data_do="open-keys"),
        h("button", t("settings.title"), class_="linkish", type="button", data_do="open-settings"),
        _console(state, t),
        class_="side-foot",
        key="foot",
    )
    if desk.query:
        return [top, _hits(desk.found, desk.query, t), foot]
    return [top, _list(state, t), foot]


def _console(state: State, t: Words) -> Element | None:
    """Where the page is a node's own, the way to what it earns: a plain link."""
    if state.site is None or not state.site.console:
        return None
    return h("a", t("chats.console"), class_="linkish", href=state.site.console, target="_blank",
             rel="noopener noreferrer")  # fmt: skip


def _list(state: State, t: Words) -> Element:
    cards = [card for card in state.chats.cards if not card.deleted]
    if not cards:
        return h("div", h("p", t("chats.none"), class_="nothing"), class_="side-list", key="list")
    groups: dict[str, list[Card]] = {}
    today = _day(state.now, state.offset_minutes)
    for card in sorted(cards, key=lambda card: -card.changed)[:MOST]:
        groups.setdefault(_age(card, today, state.offset_minutes), []).append(card)
    front, desk = state.chats.front, state.desk
    sections = [
        h(
            "section",
            h("h2", t(f"chats.{age}")),
            h(
                "ul",
                [
                    _row(card, card.id == front, desk.menu == f"chat:{card.id}", desk.renaming == card.id, t)
                    for card in groups[age]
                ],
            ),
            key=age,
        )
        for age in AGES
        if age in groups
    ]
    more = h("p", t("chats.beyond", count=MOST), class_="nothing") if len(cards) > MOST else None
    return h("div", sections, more, class_="side-list", key="list")


@lru_cache(maxsize=1024)
def _row(card: Card, front: bool, open_menu: bool, renaming: bool, t: Words) -> Element:
    name = card.name or t("chats.unnamed")
    if renaming:
        field = h("input", name="value", value=name, maxlength="200", aria_label=t("chats.rename"), data_cursor=True)
        form = h("form", field, class_="renamer", data_submit="name-chat")
        return h("li", form, class_="chat", key=f"rename-{card.id}")
    do = [
        item(t("chats.rename"), "rename-chat", card.id, name="edit"),
        item(t("chats.unpin" if card.pinned else "chats.pin"), "pin-chat", card.id, name="pin"),
        item(t("chats.delete"), "delete-chat", card.id, name="trash"),
    ]
    return h(
        "li",
        h(
            "button",
            h("span", name, class_="name", dir="auto"),
            class_="open",
            type="button",
            data_do="open-chat",
            data_arg=card.id,
            aria_current="true" if front else None,
        ),
        tool("dots", t("chats.more", name=name), "chat-menu", card.id, menu=open_menu),
        menu(t("chats.more", name=name), do) if open_menu else None,
        class_="chat holds-menu",
        key=card.id,
    )


def _hits(found: tuple[Hit, ...] | None, query: str, t: Words) -> Element:
    if found is None:
        return h("div", h("p", t("chats.searching"), class_="nothing"), class_="side-list", key="hits", role="status")
    count = t.plural("chats.found", len(found)) if found else t("chats.found_none", query=query)
    rows = [
        h(
            "li",
            h(
                "button",
                h("span", hit.name or t("chats.unnamed"), class_="name", dir="auto"),
                h("span", hit.before, h("mark", hit.match), hit.after, class_="snippet", dir="auto"),
                class_="open hit",
                type="button",
                data_do="open-hit",
                data_arg=f"{hit.chat} {hit.turn}",
            ),
            class_="chat",
            key=f"{hit.chat}-{hit.turn}",
        )
        for hit in found
    ]
    said = h("p", count, class_="nothing", role="status")
    return h("div", said, h("ul", rows) if rows else None, class_="side-list", key="hits")


def _day(seconds: float, offset_minutes: int) -> int:
    zone = timezone(timedelta(minutes=offset_minutes)) if offset_minutes else UTC
    return datetime.fromtimestamp(seconds, zone).toordinal()


def _age(card: Card, today: int, offset_minutes: int) -> str:
    if card.pinned:
        return "pinned"
    days = today - _day(card.changed, offset_minutes)
    if days <= 0:
        return "today"
    if days == 1:
        return "yesterday"
    return "week" if days <= 7 else "month" if days <= 30 else "older"
