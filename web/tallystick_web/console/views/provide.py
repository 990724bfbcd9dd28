"""The tab on which a node becomes a provider: machine, models, price, address, registration, first request."""

from __future__ import annotations

from typing import Any

from ...figures import Coin, Figure, money, plain
from ...tree import Element, Node, h
from ...views.parts import button
from ...words import Words
from ..state import State
from .pieces import headline

MARKS = {"ok": "ready", "doubt": "busy", "bad": "gone", "skipped": "idle"}
FITS = {"green": "ready", "amber": "busy", "red": "gone"}


def view(state: State, t: Words) -> list[Node]:
    """Six steps; nothing has to be done in their order but the last ones."""
    at = state.of("provide")
    if not at:
        return [headline(t("console.tab.provide")), h("p", t("console.reading"), class_="starting")]
    steps = [_machine(state, t), _models(state, at, t), _address(state, at, t), _offer(state, at, t), _earning(at, t)]
    return [headline(t("console.tab.provide")), h("div", steps, class_="panels wizard")]


def _panel(name: str, t: Words, *inside: Any, wide: bool = False) -> Element:
    head = h("div", h("h2", t(f"console.provide.{name}")), class_="head")
    return h("section", head, inside, class_="panel wide" if wide else "panel", key=name, data_step=name)


def _dot(kind: str) -> Element:
    return h("span", class_="dot", data_state=kind, aria_hidden="true")


def _findings(told: dict[str, Any]) -> list[Element]:
    """The doctor's lines."""
    rows = []
    for one in told.get("checks", []):
        mend = h("p", one["mend"], class_="aside") if one["mend"] else None
        said = h("div", h("p", h("strong", one["title"]), " ", one["says"]), mend)
        rows.append(h("li", _dot(MARKS[one["state"]]), said, data_state=one["state"], key=one["check"]))
    return [h("ul", rows, class_="findings")] if rows else []


def _machine(state: State, t: Words) -> Element:
    look = button(t("console.provide.look"), "look-machine", disabled="look-machine" in state.busy)
    return _panel("machine", t, h("p", t("console.provide.machine_says"), class_="aside"),
                  _findings(state.of("machine")), h("div", look))  # fmt: skip


def _form(name: str, label: str, help: str, do: str, submit: str, busy: bool) -> Element:
    row = h("div", h("input", id=f"provide-{name}", name=name, required=True, autocomplete="off"),
            h("button", submit, class_="button", type="submit", disabled=busy), class_="row")  # fmt: skip
    inside = h("div", h("label", label, for_=f"provide-{name}"), row, h("p", help, class_="help"), class_="field")
    return h("form", inside, data_submit=do, key=name)


def _models(state: State, at: dict[str, Any], t: Words) -> Element:
    serve = ", ".join(one["model"] for one in at["models"]) or t("console.provide.no_model")
    found = [
        h("li", _dot(FITS[one["fits"]]),
          h("div", h("p", h("strong", one["name"])), h("p", one["says"], class_="aside")),
          button(t("console.provide.use"), "use-model", one["path"], disabled="use-model" in state.busy),
          data_state=one["fits"], key=one["path"])
        for one in state.of("found").get("found", [])
    ]  # fmt: skip
    busy, here = "use-upstream" in state.busy, t("console.provide.find")
    return _panel(
        "models", t,
        h("p", t("console.provide.serves", models=serve)),
        _form("path", t("console.provide.path"), t("console.provide.path_help"), "find-models", here,
              "find-models" in state.busy),
        h("ul", found, class_="findings") if found else None,
        _form("url", t("console.provide.url"), t("console.provide.url_help"), "use-upstream",
              t("console.provide.use"), busy),
    )  # fmt: skip


def _address(state: State, at: dict[str, Any], t: Words) -> Element:
    router = at.get("router") or {}
    if router.get("open"):
        said = t("console.provide.router_open", endpoint=router["endpoint"], protocol=router["protocol"])
        do = button(t("console.provide.router_close"), "map-port", "off", disabled="map-port" in state.busy)
    else:
        said = t("console.provide.router_says")
        do = button(t("console.provide.router_ask"), "map-port", "on", disabled="map-port" in state.busy)
    look = button(t("console.provide.check"), "look-outside", disabled="look-outside" in state.busy)
    checked = _findings(state.of("outside"))
    return _panel("address", t, h("p", t("console.provide.at", endpoint=at["endpoint"])), h("p", said, class_="aside"),
                  checked, h("div", do, look if at["serving"] else None, class_="does"))  # fmt: skip


def _price(amount: str, coin: Coin, t: Words) -> str:
    """Exact, and as the language writes it."""
    return t.typed(plain(int(amount), coin.decimals))


def _input(name: str, label: str, value: str, help: str = "") -> Element:
    """Keyed by its value, so that what somebody types stays until the node has another."""
    return h("div", h("label", label, for_=f"offer-{name}"),
             h("input", id=f"offer-{name}", name=name, value=value, autocomplete="off"),
             h("p", help, class_="help") if help else None, class_="field", key=f"{name} {value}")  # fmt: skip


def _ranges(state: State, coin: Coin, t: Words) -> list[Element]:
    rows = []
    for one in state.of("market").get("ranges", []):
        if not one["count"]:
            said = t("console.provide.range_none", model=one["model"])
        else:
            low, high = (money(int(one[name]), coin) for name in ("lowest", "highest"))
            said = t("console.provide.range", model=one["model"], count=one["count"], low=low, high=high)
        rows.append(h("p", said, class_="aside", key=one["model"]))
    return rows


def _offer(state: State, at: dict[str, Any], t: Words) -> Element:
    coin, mine = Coin(at["chain"]["symbol"]), at["provider"]
    busy = "register" in state.busy or at["waiting"]
    says = t("console.provide.change_says") if mine else t("console.provide.register_says", stake=_stake(at, coin))
    go = t("console.provide.change" if mine else "console.provide.register")
    form = h(
        "form",
        _input("price_in", t("console.provide.price_in", coin=coin.symbol), _price(at["price_in"], coin, t)),
        _input("price_out", t("console.provide.price_out", coin=coin.symbol), _price(at["price_out"], coin, t)),
        h("div", button(t("console.provide.market"), "look-market", disabled="look-market" in state.busy)),
        _ranges(state, coin, t),
        _input("endpoint", t("console.provide.endpoint"), at["endpoint"], t("console.provide.endpoint_help")),
        h("p", says, class_="aside"),
        h("button", go, class_="button primary", type="submit", disabled=busy),
        data_submit="register", class_="offer",
    )  # fmt: skip
    return _panel("offer", t, form, h("p", t("console.provide.waiting"), role="status") if at["waiting"] else None)


def _stake(at: dict[str, Any], coin: Coin) -> Figure:
    return money(int(at["stake"]), coin)


def _earning(at: dict[str, Any], t: Words) -> Element:
    coin, gas = Coin(at["chain"]["symbol"]), at["gas"]
    if not at["provider"]:
        lines: list[Node] = [h("p", t("console.provide.not_yet"), class_="aside")]
    else:
        known, paid = t("console.provide.is", provider=at["provider"]), int(at["paid"])
        earned = t("console.provide.first", paid=money(paid, coin)) if paid else t("console.provide.no_first")
        lines = [h("p", known), h("p", earned)]
        if gas["send"] != "0":
            send = money(int(gas["send"]), coin)
            said = t("console.provide.gas", send=send, operator=gas["operator"])
            lines.append(h("div", h("p", said), class_="promise"))
    return _panel("earning", t, *lines)
