"""What holds for the whole page: its language and its colours."""

from __future__ import annotations

from collections.abc import Sequence

from ..state import State
from ..tree import Node, h
from ..words import LANGUAGES, Words
from .parts import button, select

COLOURS = ("device", "light", "dark")


def settings(state: State, t: Words) -> tuple[str, Sequence[Node], Sequence[Node]]:
    """(title, body, foot)."""
    spoken = [(code, words.name) for code, words in LANGUAGES.items()]
    if state.language not in LANGUAGES:  # one of those that stand in no list
        spoken.append((state.language, state.language))
    chips = [
        h(
            "button",
            t(f"settings.colours_{name}"),
            class_="chip",
            type="button",
            data_do="choose-colours",
            data_arg=name,
            aria_pressed="true" if state.colours == name else "false",
            key=name,
        )
        for name in COLOURS
    ]
    body: list[Node] = [
        h(
            "div",
            h("p", t("settings.language"), class_="label"),
            select("language", t("settings.language"), state.language, spoken),
            h("p", t("settings.language_help"), class_="help"),
            class_="setting",
            key="language",
        ),
        h(
            "div",
            h("p", t("settings.colours"), class_="label"),
            h("div", chips, class_="chips", role="group", aria_label=t("settings.colours")),
            class_="setting",
            key="colours",
        ),
    ]
    return t("settings.title"), body, [button(t("do.done"), "close-sheet", kind="primary")]
