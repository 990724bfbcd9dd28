"""The conversation, and before it the three steps."""

from __future__ import annotations

from functools import lru_cache

from ..figures import Coin, money, short_address
from ..markdown import blocks
from ..state import DepositPhase, Link, State, Transit, Turn, TurnState, Usage, WalletPhase
from ..tree import Children, Element, Node, Prose, h
from ..words import Words
from .parts import button, icon, provider_name, short_model


def thread(state: State, t: Words) -> list[Node]:
    """Steps until the deposit is down; under them, or alone, what was said."""
    chatting = state.deposit.phase not in (DepositPhase.NONE, DepositPhase.SIGNING) or any(
        turn.role == "assistant" for turn in state.turns
    )
    if state.turns and chatting:
        top = [h("h1", t("chat.label"), class_="visually-hidden", key="title")]
    elif state.deposit.usable:
        top = [ready(state, t)]
    else:
        top = [welcome(state, t)]
    if not state.turns:
        return list(top)
    return [*top, h("div", [message(turn, state, t) for turn in state.turns], class_="messages", key="messages")]


def welcome(state: State, t: Words) -> Element:
    """What this is and the three steps to a first answer."""
    return h(
        "div",
        h("h1", t("welcome.title")),
        h("p", t("welcome.lead"), class_="lead"),
        h("ol", _connect(state, t), _choose(state, t), _deposit(state, t), class_="steps"),
        h("p", t("welcome.fineprint"), class_="fineprint"),
        class_="welcome",
        key="welcome",
    )


def ready(state: State, t: Words) -> Element:
    """The deposit is down and nothing was asked yet."""
    name = provider_name(state.chosen) if state.chosen else ""
    return h(
        "div",
        h("h1", t("welcome.ready_title")),
        h("p", t("welcome.ready_lead", provider=name), class_="lead"),
        h("p", t("money.tally_help"), class_="lead"),
        class_="welcome",
        key="ready",
    )


def _step(number: int, state: str, title: str, more: str, *do: Children) -> Element:
    mark: Children = icon("check") if state == "done" else str(number)
    return h(
        "li",
        h("span", mark, class_="number", aria_hidden="true"),
        h("span", h("span", title, class_="title"), h("span", more, class_="more"), class_="what"),
        h("span", *do, class_="do"),
        class_="step",
        data_state=state,
        aria_current="step" if state == "now" else None,
    )


def _connect(state: State, t: Words) -> Element:
    wallet, title = state.wallet, t("welcome.connect_title")
    if state.connected and wallet.info:
        more = t("welcome.connect_done", wallet=wallet.info.name, account=short_address(wallet.account))
        return _step(1, "done", title, more)
    if wallet.phase is WalletPhase.CONNECTING:
        return _step(1, "now", title, t("welcome.connecting"), h("span", class_="spinner"))
    if wallet.phase is WalletPhase.SWITCHING and state.site:
        return _step(1, "now", title, t("welcome.switching", chain=state.site.chain_name), h("span", class_="spinner"))
    if state.ready and not state.wallets:
        return _step(1, "now", title, t("welcome.connect_none"), button(t("do.connect"), "connect", kind="primary"))
    only_demo = (
        len(state.wallets) == 1 and state.site is not None and state.site.demo and state.wallets[0].id.endswith(".demo")
    )
    label = t("do.connect_demo" if only_demo else "do.connect")
    return _step(1, "now", title, t("welcome.connect_more"), button(label, "connect", kind="primary"))


def _choose(state: State, t: Words) -> Element:
    title = t("welcome.choose_title")
    if not state.connected:
        return _step(2, "later", title, t("welcome.choose_more"))
    if state.chosen is None:
        return _step(2, "now", title, t("welcome.choose_more"), button(t("do.choose"), "open-market", kind="primary"))
    more = t("welcome.choose_done", model=short_model(state.chosen), provider=provider_name(state.chosen))
    return _step(2, "done", title, more, button(t("do.change"), "open-market", kind="quiet"))


def _deposit(state: State, t: Words) -> Element:
    title, more, phase = t("welcome.deposit_title"), t("welcome.deposit_more"), state.deposit.phase
    if phase is DepositPhase.OPEN:
        return _step(3, "done", title, str(money(state.deposit.amount, state.coin)))
    if phase is DepositPhase.SIGNING:
        return _step(3, "now", title, t("deposit.signing"), h("span", class_="spinner"))
    if phase is DepositPhase.SENT:
        return _step(3, "now", title, t(f"transit.{state.deposit.transit.value}"), *opening(state, t))
    if state.chosen is None or not state.connected:
        return _step(3, "later", title, more)
    return _step(3, "now", title, more, button(t("do.deposit"), "open-deposit", kind="primary"))


def opening(state: State, t: Words) -> list[Element]:
    """What can be done about a deposit that is not open yet: mostly wait."""
    transit = state.deposit.transit
    if transit is Transit.DROPPED and state.notice is not None and state.notice.name == "transaction_dropped":
        return []  # the notice has the same buttons
    if transit is Transit.DROPPED:
        return [button(t("do.leave"), "give-up-deposit"), button(t("do.resend"), "resend-deposit", kind="primary")]
    if transit is Transit.SLOW:
        return [button(t("do.leave"), "give-up-deposit", kind="quiet"), h("span", class_="spinner")]
    return [h("span", class_="spinner")]


def message(turn: Turn, state: State, t: Words) -> Element:
    """A question or an answer. One that no longer changes is made once: a long conversation is not cut up again
    and again.
    """
    if turn.state is TurnState.WAITING:
        return _message(turn, state.coin, _waits(state, t), t)
    make = _message if turn.state is TurnState.STREAMING else _settled
    return make(turn, state.coin, "", t)


def _message(turn: Turn, coin: Coin, waits: str, t: Words) -> Element:
    if turn.role == "user":
        return h(
            "article",
            h("h2", t("chat.you"), class_="visually-hidden"),
            h("div", turn.text, class_="said", dir="auto"),
            h("div", waits, class_="state") if waits else None,
            class_="message user",
            data_prompt="",
            data_state=turn.state.value,
            key=f"turn-{turn.id}",
        )
    return h(
        "article",
        h("h2", turn.who, class_="visually-hidden"),
        _answer(turn, t),
        _cost(turn, coin, t),
        class_="message assistant",
        data_answer="",
        **_figures(turn),
        data_state=turn.state.value,
        key=f"turn-{turn.id}",
        aria_busy="true" if turn.state is TurnState.STREAMING else None,
    )


def _figures(turn: Turn) -> dict[str, str | None]:
    """What an answer took, for scripts: units of the model, the coin's smallest unit, milliseconds."""
    usage = turn.usage or Usage()
    return {
        "data_input_units": str(usage.input_units),
        "data_units": str(usage.output_units),
        "data_amount": str(usage.amount),
        "data_first_ms": None if usage.first_ms is None else str(usage.first_ms),
    }


_settled = lru_cache(maxsize=1024)(_message)


def _waits(state: State, t: Words) -> str:
    if state.running:
        return t("chat.waiting_turn")
    if state.deposit.usable and state.link in (Link.CONNECTING, Link.IDLE):
        return t("chat.waiting_link")
    return t("chat.waiting_deposit")


def _answer(turn: Turn, t: Words) -> Element:
    streaming = turn.state is TurnState.STREAMING
    if not turn.text:
        spinner = (
            [h("span", class_="spinner", aria_hidden="true"), h("span", t("chat.thinking"))] if streaming else None
        )
        return h("div", spinner, class_="answer-state", key="empty")
    pieces: list[Node] = []
    for index, block in enumerate(blocks(turn.text, finished=not streaming)):
        if block.open_fence:
            pieces.append(h("pre", h("code", block.text), key=f"fence-{index}"))
        else:
            pieces.append(Prose(block.text, f"block-{index}"))
    return h("div", pieces, class_="answer", dir="auto", key="answer")


def _cost(turn: Turn, coin: Coin, t: Words) -> Element | None:
    usage = turn.usage
    if turn.state is TurnState.STREAMING and not (usage and usage.output_units):
        return None
    notes: list[Children] = []
    if turn.state is TurnState.STOPPED:
        notes.append(h("span", t("chat.stopped"), class_="stopped"))
    elif turn.state is TurnState.FAILED:
        notes.append(h("span", t("chat.failed"), class_="stopped"))
    elif usage and usage.finish in ("length", "deposit", "interrupted"):
        notes.append(h("span", t(f"chat.{usage.finish}"), class_="stopped"))
    if usage:
        notes += _usage(usage, coin, t)
    notes.append(h("span", turn.who) if turn.who and turn.state is not TurnState.STREAMING else None)
    return h("footer", notes, class_="cost figure", key="cost")


def _usage(usage: Usage, coin: Coin, t: Words) -> list[Children]:
    parts: list[Children] = [
        h("span", str(money(usage.amount, coin)), class_="price"),
        h("span", t("chat.tokens", input=f"{usage.input_units:,}", output=f"{usage.output_units:,}")),
    ]
    if usage.first_ms is not None:
        parts.append(h("span", t("chat.first", seconds=f"{usage.first_ms / 1000:.1f}")))
    if usage.per_second:
        parts.append(h("span", t("chat.speed", rate=f"{usage.per_second:.0f}")))
    return parts
