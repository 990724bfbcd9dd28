"""Everything ever paid, newest first, with a file for a spreadsheet; and what is still under way on top."""

from __future__ import annotations

from functools import lru_cache

from ..figures import Coin, clock_time, money, short_hash
from ..purse.book import ANSWER, OPEN, Entry
from ..state import State
from ..tree import Children, Element, Node, h
from ..words import Words
from .parts import button

SHOWN = 200


def ledger(state: State, t: Words) -> tuple[str, list[Node], list[Node]]:
    """(title, body, foot)."""
    entries = state.book.entries
    title = t("ledger.title")
    if not entries:
        return title, [h("p", t("ledger.none"))], []
    sites = {site.chain_id: site.explorer for site in state.sites}
    rows = [
        _row(entry, clock_time(entry.at, state.now, t, state.offset_minutes), sites.get(entry.chain_id, ""), t)
        for entry in entries[: -SHOWN - 1 : -1]
    ]
    lead = t.plural("ledger.lead", len(entries))
    body: list[Node] = [
        h("p", f"{lead} {t('ledger.newest', count=SHOWN) if len(entries) > SHOWN else ''}".strip(), class_="lead"),
        h(
            "table",
            h("caption", t("ledger.title"), class_="visually-hidden"),
            h("tbody", rows, role="rowgroup"),
            class_="ledger",
            role="table",
        ),
    ]
    return title, body, [button(t("do.save_csv"), "save-ledger", kind="primary")]


@lru_cache(maxsize=1024)
def _row(entry: Entry, when: str, explorer: str, t: Words) -> Element:
    coin = Coin(entry.symbol, entry.decimals)
    return h(
        "tr",
        h("th", h("span", t(f"ledger.{entry.kind}"), class_="title"), _more(entry, t), role="rowheader", scope="row"),
        h("td", _figures(entry, coin, t), role="cell", class_="figure"),
        h("td", h("span", when), _state(entry, t), role="cell"),
        h("td", _link(entry, explorer), _clear(entry, t), role="cell"),
        role="row",
        class_="entry",
        data_kind=entry.kind,
        data_state=entry.state,
        key=entry.key,
    )


def _more(entry: Entry, t: Words) -> Element | None:
    if entry.kind == ANSWER:
        units = t("chat.tokens", input=entry.input_units, output=entry.output_units)
        return h("span", f"{entry.who}; {units}", class_="sub")
    who = [entry.chain, short_hash(entry.provider) if entry.provider else ""]
    return h("span", ", ".join(part for part in who if part), class_="sub")


def _figures(entry: Entry, coin: Coin, t: Words) -> Children:
    out, back = int(entry.amount), int(entry.back)
    said: list[Children] = []
    if out or not back:
        said.append(h("span", t.say(money(out, coin, 8)) if out else t("ledger.fee_only")))
    if back:
        said.append(h("span", t("ledger.back", amount=money(back, coin, 8)), class_="sub" if out else None))
    return said


def _state(entry: Entry, t: Words) -> Element | None:
    """An answer has none: it is paid by signatures."""
    if entry.kind == ANSWER:
        return None
    return h("span", t(f"ledger.state_{entry.state}"), class_="sub")


def _link(entry: Entry, explorer: str) -> Children:
    if not entry.transaction:
        return None
    if not explorer:
        return h(
            "details", h("summary", short_hash(entry.transaction)), h("span", entry.transaction), class_="hash fold"
        )
    href = f"{explorer}/tx/{entry.transaction}"
    return h("a", short_hash(entry.transaction), class_="hash", href=href, target="_blank", rel="noopener noreferrer")


def _clear(entry: Entry, t: Words) -> Element | None:
    return button(t("do.clear"), "clear-transaction", entry.key, kind="link") if entry.state in OPEN else None
