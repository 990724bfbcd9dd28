"""Small pieces that several tabs use: money, panels, tables, pairs."""

from __future__ import annotations

from collections.abc import Sequence

from ...figures import Coin, money, short_hash
from ...tree import Children, Element, Node, h
from ...views import parts
from ...words import Words

ZERO = "0x" + 40 * "0"
ON_A_PHONE = 3
"""Columns that fit side by side."""


def coin_of(token: str, symbol: str) -> Coin:
    """The chain's coin; of a token only its address and its smallest unit are known."""
    return Coin(symbol or "ETH") if token == ZERO else Coin(short_hash(token), 0)


def sum_of(amount: str, token: str, symbol: str, t: Words) -> Element:
    """An amount of smallest units, for people."""
    return h("span", parts.amount(money(int(amount), coin_of(token, symbol)), t))


def said_sum(amount: str, token: str, symbol: str, t: Words) -> str:
    """The same as text."""
    return money(int(amount), coin_of(token, symbol)).said(t)


def headline(title: str, *more: Children) -> Element:
    """A tab's title, and what can be done there."""
    return h("div", h("h1", title), *more, class_="headline", key="headline")


def panel(title: str, *content: Children, more: Children = None, wide: bool = False) -> Element:
    """A part of a tab."""
    head = h("div", h("h2", title), more, class_="head")
    return h("section", head, *content, class_="panel wide" if wide else "panel", aria_label=title, key=title)


def none(text: str) -> Element:
    """Where there is nothing to show, what would be there."""
    return h("p", text, class_="none")


def table(label: str, heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Children]]) -> Element:
    """Rows of cells, the first of each its name; a head says whether its column holds figures. More columns than a
    phone is wide become lines of their own there, each with its head; the roles keep it a table even then.
    """
    many = len(heads) > ON_A_PHONE
    top = [
        h("th", text, scope="col", role="columnheader", class_="amount" if figures else None) for text, figures in heads
    ]
    body = [
        h("tr", [
            h("th" if at == 0 else "td", cell, scope="row" if at == 0 else None,
              role="rowheader" if at == 0 else "cell", data_head=heads[at][0] or None if many and at else None,
              class_="amount" if heads[at][1] else None)
            for at, cell in enumerate(row)
        ], role="row")
        for row in rows
    ]  # fmt: skip
    head = h("thead", h("tr", top, role="row"), role="rowgroup")
    whole = h("table", head, h("tbody", body, role="rowgroup"), role="table", class_="list many" if many else "list")
    return h("div", whole, class_="scroll", tabindex="0", role="group", aria_label=label)


def pairs(rows: Sequence[tuple[str, Children]]) -> Element:
    """Names and values."""
    return h("dl", [[h("dt", name), h("dd", value)] for name, value in rows], class_="pairs")


def summed(name: str, value: Children, more: str = "") -> Element:
    """One figure of a row of figures."""
    last = h("span", more, class_="more") if more else None
    return h("div", h("span", name, class_="name"), h("span", value, class_="value"), last, class_="sum", key=name)


def hashed(text: str) -> Node:
    """An address or id with its middle cut out; whole on a click's copy and to whoever points at it."""
    return h("span", short_hash(text), class_="hash", title=text)
