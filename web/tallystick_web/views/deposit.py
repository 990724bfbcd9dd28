"""How much, in which money: one sentence says what it means before anything is signed. And the same for more."""

from __future__ import annotations

from collections.abc import Sequence

from ..figures import Figure, clock_time, money, parse_amount, plain
from ..purse.paying import NATIVE, Step, Way
from ..state import DepositPhase, State
from ..tree import Element, Node, h
from ..words import Words
from .parts import button, provider_name, under_way, working

Parts = tuple[str, Sequence[Node], Sequence[Node]]
WORDS_PER_TOKEN = 0.75


def deposit(state: State, t: Words) -> Parts:
    """One deposit with the chosen provider."""
    choice, coin = state.chosen, state.coin
    title = t("deposit.title")
    if choice is None:
        return title, [h("p", t("welcome.choose_more"))], [button(t("do.choose"), "open-market", kind="primary")]
    amount = parse_amount(state.amount_text, coin)
    wrong = amount_fault(state, t)
    said = t.say(money(amount or 0, coin))
    body: list[Node] = [*_monies(state, t), _amount_field(state, amount, wrong, t)]
    if amount and not wrong:
        body.append(h("p", _promise(said, state, t), class_="promise"))
    if choice.first:
        first = money(choice.first, coin)
        body.append(h("p", t("deposit.first", first=first, provider=provider_name(choice))))
    if state.deposit.phase is DepositPhase.SIGNING:
        return title, body, [working(_asked(state, t))]
    body.append(h("p", _prompts(state, t)))
    label = t("deposit.submit", amount=said) if amount and not wrong else t("do.deposit")
    submit = h("button", label, class_="button primary", type="submit", disabled=bool(wrong))
    return title, body, [button(t("do.cancel"), "close-sheet"), submit]


def _promise(said: str, state: State, t: Words) -> str:
    """Amount, whom it can reach with what cap, until when, and what the network takes."""
    choice = state.chosen
    assert choice is not None
    expiry = clock_time(state.deposit_expiry, state.now, t, state.offset_minutes)
    promise = t("deposit.promise", amount=said, provider=provider_name(choice), expiry=expiry, gas=_gas(state, t))
    return promise


def _gas(state: State, t: Words) -> str:
    gas = state.purse.gas
    if gas is None:
        return t("deposit.gas_unknown")
    return t("deposit.gas", amount=Figure(*_two_digits(gas, state)))


def _two_digits(gas: int, state: State) -> tuple[str, str]:
    """An estimate with two digits says as much as one with ten; rounded up."""
    unit = 10 ** max(0, len(str(gas)) - 2)
    found = money(-(-gas // unit) * unit, state.native, 2)
    return found.number, found.unit


def _monies(state: State, t: Words) -> list[Node]:
    """Only where there is something to choose, or where it is a token."""
    choice = state.chosen
    tokens = choice.tokens if choice else ()
    if tokens in ((), (NATIVE,)):
        return []
    several = len(tokens) > 1
    chips = [
        h(
            "button",
            state.purse.coin(token, state.native).symbol,
            class_="chip",
            type="button",
            data_do="pay-with",
            data_arg=token.hex(),
            aria_pressed="true" if token == state.purse.token else "false",
        )
        for token in tokens
    ]
    row = h("div", chips, class_="chips", role="group", aria_label=t("deposit.money"), key="monies")
    named: list[Node] = [row] if several else []
    if state.purse.token != NATIVE:
        address = "0x" + state.purse.token.hex()
        named.append(h("p", t("deposit.token", symbol=state.coin.symbol, address=address), class_="aside", key="token"))
    return named


def _prompts(state: State, t: Words) -> str:
    way = state.purse.way
    return t("deposit.one_prompt") if way in (Way.COIN, Way.APPROVED) else t(f"deposit.prompts_{way.value}")


def _asked(state: State, t: Words) -> str:
    """What the wallet wants to hear now."""
    step = state.purse.step
    return t("deposit.signing") if step is Step.NONE else t(f"deposit.step_{step.value}")


def amount_fault(state: State, t: Words) -> str:
    """Why the typed amount will not do; empty where it will."""
    amount, choice, coin = parse_amount(state.amount_text, state.coin), state.chosen, state.coin
    if amount is None:
        least = max(choice.minimum if choice else 0, 10 ** max(0, coin.decimals - 3))
        return t("deposit.not_amount", example=t.typed(plain(least, coin.decimals)))
    if choice and amount < choice.minimum:
        return t("deposit.too_small", minimum=money(choice.minimum, coin))
    if state.funds is not None and amount > state.funds:
        return t("deposit.too_much", balance=money(state.funds, coin))
    return ""


def _amount_field(state: State, amount: int | None, wrong: str, t: Words) -> Element:
    choice, coin = state.chosen, state.coin
    balance = money(state.funds, coin) if state.funds is not None else t("money.nothing")
    tokens = amount * 1_000_000 // choice.price_out if amount and choice and choice.price_out else 0
    words = round_down(int(tokens * WORDS_PER_TOKEN))
    helped = t("deposit.help", words=words, balance=balance) if tokens else t("deposit.help_free", balance=balance)
    off = state.deposit.phase is DepositPhase.SIGNING
    return _field("amount", state.amount_text, t("deposit.amount", symbol=coin.symbol), helped, wrong, off)


def _field(name: str, value: str, label: str, helped: str, wrong: str, off: bool) -> Element:
    """An amount, and under it what is wrong with it or what it is good for."""
    note = (
        h("span", wrong, class_="wrong", id=f"{name}-note", role="alert")
        if wrong
        else h("span", helped, class_="help", id=f"{name}-note")
    )
    return h(
        "div",
        h("label", label, for_=name),
        h(
            "input",
            id=name,
            name=name,
            inputmode="decimal",
            autocomplete="off",
            value=value,
            data_input=name,
            aria_invalid="true" if wrong else None,
            aria_describedby=f"{name}-note",
            disabled=off,
        ),
        note,
        class_="field",
    )


def top_up(state: State, t: Words) -> Parts:
    """More into the deposit in use."""
    held, coin = state.deposit, state.coin
    title = t("top_up.title")
    more = parse_amount(state.purse.more, coin)
    wrong = ""
    if state.purse.more.strip() and more is None:
        wrong = t("deposit.not_amount", example=t.typed(plain(10 ** max(0, coin.decimals - 3), coin.decimals)))
    elif more is not None and state.funds is not None and more > state.funds:
        wrong = t("deposit.too_much", balance=money(state.funds, coin))
    balance = money(state.funds, coin) if state.funds is not None else t("money.nothing")
    helped = t("deposit.help_free", balance=balance)
    off = state.purse.topping
    field = _field("more", state.purse.more, t("deposit.amount", symbol=coin.symbol), helped, wrong, off)
    body: list[Node] = [field]
    if more and not wrong:
        expiry = clock_time(held.expiry, state.now, t, state.offset_minutes)
        total = money(held.amount + more, coin)
        body.append(h("p", t("top_up.promise", amount=money(more, coin), total=total, expiry=expiry), class_="promise"))
    if off:
        step = state.purse.step
        return title, body, [under_way(held.transit, t) if step is Step.NONE else working(_asked(state, t))]
    label = t("top_up.submit", amount=money(more, coin)) if more and not wrong else t("do.top_up")
    submit = h("button", label, class_="button primary", type="submit", disabled=not more or bool(wrong))
    return title, body, [button(t("do.cancel"), "close-sheet"), submit]


def round_down(number: int) -> int:
    """Two digits are enough for "about"."""
    unit: int = 10 ** max(0, len(str(number)) - 2)
    return number // unit * unit
