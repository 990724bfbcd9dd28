"""The header's moving parts: which provider, which wallet; the demo's banner; the line under the question box."""

from __future__ import annotations

from ..figures import short_address
from ..state import DepositPhase, Link, State, WalletPhase
from ..tree import Node, h
from ..words import Words
from .parts import button, icon, provider_name, short_model

DOTS = {Link.IDLE: "idle", Link.CONNECTING: "busy", Link.READY: "ready", Link.LOST: "gone"}


def banner(state: State, t: Words) -> list[Node]:
    """One line that says what the money is worth, on the demo's page only."""
    return [t("app.demo")] if state.site and state.site.demo else []


def provider(state: State, t: Words) -> list[Node]:
    """The chosen model and provider; a click changes them."""
    choice = state.chosen
    if choice is None or not (state.connected or state.deposit.live or state.trial.on):
        return []
    model, name = short_model(choice), provider_name(choice)
    dot = h("span", class_="dot", data_state=DOTS[state.link], aria_hidden="true")
    label = h("span", model, h("span", f" · {name}", class_="who"), class_="label")
    return [
        h(
            "button",
            dot,
            label,
            icon("down"),
            class_="button provider",
            type="button",
            data_do="open-market",
            data_provider="0x" + choice.provider.hex(),
            data_price_in=str(choice.price_in),
            data_price_out=str(choice.price_out),
            aria_haspopup="dialog",
            aria_label=t("market.chip", model=model, provider=name),
        )
    ]


def wallet(state: State, t: Words) -> list[Node]:
    """Connect, or the account."""
    held = state.wallet
    if held.phase in (WalletPhase.CONNECTING, WalletPhase.SWITCHING):
        spinner = h("span", class_="spinner", aria_hidden="true")
        return [h("button", spinner, t("wallet.connecting"), class_="button", type="button", disabled=True)]
    if not state.connected:
        return [] if state.tells_money else [button(t("do.connect"), "connect")]  # the bar has it
    account = short_address(held.account)
    return [
        *_chain(state, t),
        h(
            "button",
            icon("wallet"),
            h("span", account, class_="hash"),
            class_="button account",
            type="button",
            data_do="open-money",
            aria_haspopup="dialog",
            aria_label=t("wallet.button_label", account=account),
        ),
    ]


def _chain(state: State, t: Words) -> list[Node]:
    """Which chain, where there are several; a click changes it."""
    if state.site is None or len(state.sites) < 2:
        return []
    name = state.site.chain_name
    label = h("span", name, class_="label")
    return [
        h(
            "button",
            label,
            icon("down"),
            class_="button chain",
            type="button",
            data_do="open-chains",
            aria_haspopup="dialog",
            aria_label=t("chains.chip", chain=name),
            key="chain",
        )
    ]


def status(state: State, t: Words) -> str:
    """One line: what happens to the next question."""
    if not state.ready:
        return t("app.starting")
    if state.offline:
        return t("status.offline")
    if state.running:
        return t("status.again" if state.link is Link.CONNECTING else "status.running")
    phase = state.deposit.phase
    if state.free:
        return t("trial.status", provider=provider_name(state.chosen) if state.chosen else "", left=state.trial.left)
    if phase is DepositPhase.OPEN:
        return _link_status(state, t)
    if phase is DepositPhase.SENT:
        return t("status.sent")
    if phase in (DepositPhase.CLOSING, DepositPhase.REQUESTING, DepositPhase.WITHDRAWING):
        return t("status.closing")
    if phase is DepositPhase.REQUESTED:
        return t("status.requested")
    if phase is DepositPhase.ENDED:
        return t("status.ended")
    return t("status.no_deposit") if state.connected else t("status.no_wallet")


def _link_status(state: State, t: Words) -> str:
    if state.link is Link.CONNECTING:
        return t("status.connecting")
    if state.link is Link.LOST or state.chosen is None:
        return t("status.lost")
    return t("status.ready", provider=provider_name(state.chosen))
