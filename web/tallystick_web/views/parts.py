"""Small pieces that several views use."""

from __future__ import annotations

from ..figures import Figure
from ..state import Choice, State, Transit
from ..tree import Children, Element, h, svg
from ..words import Words

AGES = (("days", 86_400), ("hours", 3600), ("minutes", 60))
ICONS = {
    "down": ["M6 9l6 6 6-6"],
    "close": ["M6 6l12 12M18 6 6 18"],
    "alert": ["M12 8v5", "M12 16.5v.1", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z"],
    "check": ["M5 12.5 10 17.5 19 7"],
    "wallet": [
        "M4 7.5h14.5a1.5 1.5 0 0 1 1.5 1.5v9a1.5 1.5 0 0 1-1.5 1.5H5.5A1.5 1.5 0 0 1 4 18z",
        "M4 7.5l11-3v3",
        "M16 13.5v.1",
    ],
}


def icon(name: str) -> Element:
    """A line icon, 24 by 24, for decoration: the words stand beside it."""
    paths = [svg("path", d=path) for path in ICONS[name]]
    return svg("svg", *paths, class_="icon", viewBox="0 0 24 24", aria_hidden="true")


def button(label: str, do: str, arg: str = "", *, kind: str = "", disabled: bool = False) -> Element:
    """A button that asks for `do`."""
    classes = f"button {kind}".strip()
    return h("button", label, class_=classes, type="button", data_do=do, data_arg=arg or None, disabled=disabled)


def select(name: str, label: str, value: str, options: list[tuple[str, str]]) -> Element:
    """A list to choose from; `options` are values and their names."""
    made = [h("option", text, value=key, selected=key == value, key=key) for key, text in options]
    return h("select", made, id=name, aria_label=label, data_input=name, value=value, class_="select")


def cross(do: str, label: str) -> Element:
    """A small button that closes something."""
    return h(
        "button", icon("close"), class_="button quiet icon-only close", type="button", data_do=do, aria_label=label
    )


def working(label: str) -> Element:
    """Something that takes longer than a moment."""
    return h("div", h("span", class_="spinner", aria_hidden="true"), h("span", label), class_="working", role="status")


def under_way(transit: Transit, t: Words) -> Element:
    """Where a transaction stands; without a spinner where nothing is to be expected."""
    said = t(f"transit.{transit.value}")
    return h("p", said, role="status") if transit is Transit.DROPPED else working(said)


def amount(figure: Figure, t: Words) -> Children:
    """A number and its unit, set apart."""
    return [h("span", t.number(figure.number), class_="figure"), h("span", f" {figure.unit}", class_="unit")]


def age(at: float, now: float, t: Words) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, int(now - at))
    if seconds < 20:
        return t("age.now")
    for unit, length in AGES:
        if seconds >= length:
            return t(f"age.{unit}", count=seconds // length)
    return t("age.seconds", count=seconds)


def short_model(choice: Choice) -> str:
    """A model's name without its path."""
    return choice.model.rsplit("/", 1)[-1]


def holder_name(state: State) -> str:
    """Whom the deposit is with. The one that was chosen since may be another."""
    held = state.deposit.provider
    of_it = (choice for choice in (state.chosen, *state.market.choices) if choice and choice.provider == held)
    return provider_name(next(of_it, Choice(held)))


def provider_name(choice: Choice) -> str:
    """Where the provider listens, else its address."""
    host = choice.endpoint.split("://", 1)[-1].split("/", 1)[0]
    return host or "0x" + choice.provider.hex()[:8]
