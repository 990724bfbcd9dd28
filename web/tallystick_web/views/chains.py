"""The chains that this page knows, side by side: each with a market and a deposit of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ..state import Site, State
from ..tree import Element, Node, h
from ..words import Words


def chains(state: State, t: Words) -> tuple[str, Sequence[Node], Sequence[Node]]:
    """(title, body, foot)."""
    rows = [h("li", _chain(site, state, t), key=str(site.chain_id)) for site in state.sites]
    return t("chains.title"), [h("p", t("chains.lead")), h("ul", rows, class_="choices")], []


def _chain(site: Site, state: State, t: Words) -> Element:
    here = state.site is not None and state.site.chain_id == site.chain_id
    said = t("chains.says", id=str(site.chain_id), symbol=site.coin.symbol)
    return h(
        "button",
        h("span", class_="dot", data_state="ready" if here else "unasked", aria_hidden="true"),
        h(
            "span",
            h("span", site.chain_name, class_="title"),
            h("span", f"{said}, {t('chains.here')}" if here else said, class_="sub"),
        ),
        class_="choice",
        type="button",
        data_do="use-chain",
        data_arg=str(site.chain_id),
        aria_pressed="true" if here else "false",
    )
