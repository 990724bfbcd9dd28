"""The dialogs: which wallet, which provider, how much, and taking it back. One at a time."""

from __future__ import annotations

from collections.abc import Sequence

from ..figures import clock_time, money, span
from ..state import DepositPhase, Sheet, State, Transit
from ..tree import Element, Node, h
from ..words import Words
from . import desk
from .chains import chains
from .deposit import deposit, top_up
from .ledger import ledger
from .market import market
from .money import money_sheet, transaction
from .parts import button, cross, icon, under_way, working
from .provider import provider
from .settings import settings

Parts = tuple[str, Sequence[Node], Sequence[Node]]
FORMS = {Sheet.DEPOSIT: "deposit", Sheet.TOP_UP: "top-up"}


def sheet(state: State, t: Words) -> list[Node]:
    """The open dialog's content; nothing where none is open."""
    if state.sheet is None:
        return []
    title, body, foot = SHEETS[state.sheet](state, t)
    close = cross("close-sheet", t("do.dismiss"))
    inner = [
        h("div", h("h2", title, id="sheet-title"), close, class_="bar"),
        h("div", body, class_="body"),
        h("div", foot, class_="foot") if foot else None,
    ]
    if submits := FORMS.get(state.sheet):
        return [h("form", inner, data_submit=submits, class_="sheet-form", novalidate=True, key=state.sheet.value)]
    return [h("div", inner, class_="sheet-form", key=state.sheet.value)]


def wallets(state: State, t: Words) -> Parts:
    """The picker, where several wallets announced themselves."""
    rows = [
        h(
            "li",
            h(
                "button",
                h("img", src=wallet.icon, alt="") if wallet.icon else icon("wallet"),
                h("span", wallet.name, class_="title"),
                class_="choice",
                type="button",
                data_do="connect",
                data_arg=wallet.id,
            ),
            key=wallet.id,
        )
        for wallet in state.wallets
    ]
    return t("wallet.pick"), [h("ul", rows, class_="choices")], []


def close(state: State, t: Words) -> Parts:
    """Closing with the provider; where it does not answer, alone."""
    held, coin = state.deposit, state.coin
    facts = h(
        "dl",
        h("dt", t("close.provider_gets")),
        h("dd", t.say(money(held.paid or held.due, coin, 8))),
        h("dt", t("close.you_get")),
        h("dd", t.say(money(held.refunded or held.rest, coin, 8))),
        class_="facts",
    )
    if held.phase is DepositPhase.ENDED:
        key = "close.withdrawn" if held.alone else "close.done"
        done = t(key, paid=money(held.paid, coin, 8), refunded=money(held.refunded, coin, 8))
        rows = [h("dt", t("money.ended")), h("dd", transaction(state, held.end_transaction))]
        body: list[Node] = [h("p", done)]
        if held.end_transaction:
            body.append(h("dl", rows, class_="facts"))
        return t("close.title"), body, [button(t("do.new_deposit"), "open-deposit", kind="primary")]
    if held.phase is DepositPhase.REQUESTED:
        return _requested(state, t, facts)
    if held.phase in (DepositPhase.REQUESTING, DepositPhase.WITHDRAWING):
        late = held.transit in (Transit.SLOW, Transit.DROPPED)
        return t("close.title"), [facts, under_way(held.transit, t)], [leaving(t)] if late else []
    if held.phase is DepositPhase.CLOSING:
        return t("close.title"), [facts, working(t("close.asking"))], []
    if held.alone:
        alone = h("p", t("close.alone", delay=span(held.delay, t)))
        again = button(t("do.retry"), "close-deposit")
        return t("close.title"), [alone, facts], [again, button(t("do.ask_back"), "request-close", kind="primary")]
    foot: list[Node] = [
        button(t("do.cancel"), "close-sheet"),
        button(t("close.submit"), "close-deposit", kind="primary"),
    ]
    return t("close.title"), [h("p", t("close.lead")), facts], foot


def leaving(t: Words) -> Element:
    """No longer waiting for a transaction."""
    return button(t("do.leave"), "leave-transaction")


def _requested(state: State, t: Words, facts: Element) -> Parts:
    held = state.deposit
    time = clock_time(held.expiry, state.now, t, state.offset_minutes)
    said = t("close.requested", time=time, amount=money(held.rest, state.coin, 8))
    early = held.expiry > state.now
    return (
        t("close.title"),
        [h("p", said), facts],
        [button(t("do.withdraw"), "withdraw", kind="primary", disabled=early)],
    )


SHEETS = {
    Sheet.WALLETS: wallets,
    Sheet.MARKET: market,
    Sheet.PROVIDER: provider,
    Sheet.DEPOSIT: deposit,
    Sheet.MONEY: money_sheet,
    Sheet.CLOSE: close,
    **desk.SHEETS,
    Sheet.LEDGER: ledger,
    Sheet.TOP_UP: top_up,
    Sheet.CHAINS: chains,
    Sheet.SETTINGS: settings,
}
