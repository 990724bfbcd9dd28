"""The dialogs: which wallet, which provider, how much, and taking it back. One at a time."""

from __future__ import annotations

from collections.abc import Sequence

from ..figures import clock_time, money, parse_amount, plain, span
from ..state import DepositPhase, Sheet, State, Transit
from ..tree import Element, Node, h
from ..words import Words
from . import desk
from .market import market
from .money import money_sheet, transaction
from .parts import button, cross, icon, provider_name, under_way, working
from .provider import provider

Parts = tuple[str, Sequence[Node], Sequence[Node]]
WORDS_PER_TOKEN = 0.75


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
    if state.sheet is Sheet.DEPOSIT:
        return [h("form", inner, data_submit="deposit", class_="sheet-form", novalidate=True, key=state.sheet.value)]
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


def deposit(state: State, t: Words) -> Parts:
    """How much. One sentence says what it means before anything is signed."""
    choice, coin = state.chosen, state.coin
    title = t("deposit.title")
    if choice is None:
        return title, [h("p", t("welcome.choose_more"))], [button(t("do.choose"), "open-market", kind="primary")]
    amount = parse_amount(state.amount_text, coin)
    wrong = amount_fault(state, t)
    said = str(money(amount or 0, coin))
    body: list[Node] = [_amount_field(state, amount, wrong, t)]
    if amount and not wrong:
        expiry = clock_time(state.deposit_expiry, state.now, state.offset_minutes)
        body.append(
            h("p", t("deposit.promise", amount=said, provider=provider_name(choice), expiry=expiry), class_="promise")
        )
    if choice.first:
        first = money(choice.first, coin)
        body.append(h("p", t("deposit.first", first=first, provider=provider_name(choice))))
    if state.deposit.phase is DepositPhase.SIGNING:
        return title, body, [working(t("deposit.signing"))]
    body.append(h("p", t("deposit.one_prompt")))
    label = t("deposit.submit", amount=said) if amount and not wrong else t("do.deposit")
    submit = h("button", label, class_="button primary", type="submit", disabled=bool(wrong))
    return title, body, [button(t("do.cancel"), "close-sheet"), submit]


def amount_fault(state: State, t: Words) -> str:
    """Why the typed amount will not do; empty where it will."""
    amount, choice, coin = parse_amount(state.amount_text, state.coin), state.chosen, state.coin
    if amount is None:
        return t(
            "deposit.not_amount",
            example=plain(max(choice.minimum if choice else 0, 10 ** (coin.decimals - 3)), coin.decimals),
        )
    if choice and amount < choice.minimum:
        return t("deposit.too_small", minimum=money(choice.minimum, coin))
    if state.wallet.balance is not None and amount > state.wallet.balance:
        return t("deposit.too_much", balance=money(state.wallet.balance, coin))
    return ""


def _amount_field(state: State, amount: int | None, wrong: str, t: Words) -> Element:
    choice, coin = state.chosen, state.coin
    balance = money(state.wallet.balance, coin) if state.wallet.balance is not None else t("money.nothing")
    tokens = amount * 1_000_000 // choice.price_out if amount and choice and choice.price_out else 0
    words = f"{round_down(int(tokens * WORDS_PER_TOKEN)):,}"
    note = (
        h("span", wrong, class_="wrong", id="amount-note", role="alert")
        if wrong
        else h("span", t("deposit.help", words=words, balance=balance), class_="help", id="amount-note")
    )
    return h(
        "div",
        h("label", t("deposit.amount", symbol=coin.symbol), for_="amount"),
        h(
            "input",
            id="amount",
            name="amount",
            inputmode="decimal",
            autocomplete="off",
            value=state.amount_text,
            data_input="amount",
            aria_invalid="true" if wrong else None,
            aria_describedby="amount-note",
            disabled=state.deposit.phase is DepositPhase.SIGNING,
        ),
        note,
        class_="field",
    )


def round_down(number: int) -> int:
    """Two digits are enough for "about"."""
    unit: int = 10 ** max(0, len(str(number)) - 2)
    return number // unit * unit


def close(state: State, t: Words) -> Parts:
    """Closing with the provider; where it does not answer, alone."""
    held, coin = state.deposit, state.coin
    facts = h(
        "dl",
        h("dt", t("close.provider_gets")),
        h("dd", str(money(held.paid or held.due, coin, 8))),
        h("dt", t("close.you_get")),
        h("dd", str(money(held.refunded or held.rest, coin, 8))),
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
        alone = h("p", t("close.alone", delay=span(held.delay)))
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
    time = clock_time(held.expiry, state.now, state.offset_minutes)
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
}
