"""The conversation, and before it the three steps."""

from __future__ import annotations

from ..figures import money, short_address
from ..purse.trial import TrialPhase
from ..state import DepositPhase, State, Transit, WalletPhase
from ..tree import Children, Element, Node, h
from ..words import Words
from .message import messages
from .parts import button, icon, provider_name, short_model, working


def thread(state: State, t: Words) -> list[Node]:
    """Steps until the deposit is down; under them, or alone, what was said."""
    turns = state.turns
    chatting = state.deposit.phase not in (DepositPhase.NONE, DepositPhase.SIGNING) or any(
        turn.role == "assistant" for turn in turns
    )
    if turns and (chatting or state.free):
        top = [h("h1", t("chat.label"), class_="visually-hidden", key="title")]
    elif state.deposit.usable:
        top = [ready(state, t)]
    elif state.free:
        top = [trying(state, t)]
    else:
        top = [welcome(state, t)]
    if not turns:
        return list(top)
    said = Element("div", (("class", "messages"),), messages(state, t), f"messages-{state.chats.front}")
    return [*top, said]


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


def trying(state: State, t: Words) -> Element:
    """Somebody gives answers away, and nothing was asked yet: what that is, and who sees what."""
    trial, name = state.trial, provider_name(state.chosen) if state.chosen else ""
    return h(
        "div",
        h("h1", t("trial.title")),
        h("p", t("trial.lead", provider=name, left=trial.left, most=trial.most), class_="lead"),
        h("p", t("trial.sees", provider=name), class_="fineprint"),
        class_="welcome",
        key="trying",
    )


def _try(state: State, t: Words, kind: str = "") -> Element:
    """The way without a wallet."""
    if state.trial.phase is TrialPhase.LOOKING:
        return working(t("trial.looking"))
    return button(t("do.try_free"), "try-free", kind=kind)


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
        connect = button(t("do.connect"), "connect")
        return _step(1, "now", title, t("welcome.connect_none"), connect, _try(state, t, "primary"))
    only_demo = (
        len(state.wallets) == 1 and state.site is not None and state.site.demo and state.wallets[0].id.endswith(".demo")
    )
    label = t("do.connect_demo" if only_demo else "do.connect")
    connect = button(label, "connect", kind="primary")
    return _step(1, "now", title, t("welcome.connect_more"), _try(state, t), connect)


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
        return _step(3, "done", title, t.say(money(state.deposit.amount, state.coin)))
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
