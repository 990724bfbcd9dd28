"""The dialogs around the chats: how one is answered, files in and out, the palette, the shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

from ..chats.desk import Preset
from ..chats.palette import COMMANDS, choices
from ..chats.prompt import MOST_UNITS
from ..state import Sheet, State
from ..tree import Element, Node, h
from ..words import Words
from .parts import button
from .tools import picture, tool

Parts = tuple[str, Sequence[Node], Sequence[Node]]
KEYS = (
    ("palette", "ctrl K"),
    ("list", "ctrl /"),
    ("new_chat", "ctrl shift O"),
    ("search", "ctrl shift F"),
    ("side", "ctrl shift S"),
    ("copy_last", "ctrl shift C"),
    ("send", "enter"),
    ("line", "shift enter"),
    ("edit_last", "↑"),
    ("stop", "esc"),
)


def setup(state: State, t: Words) -> Parts:
    """System prompt and presets; parameters folded away."""
    now = state.chats.chat.setup
    body: list[Node] = [
        h("p", t("setup.lead")),
        h("label", t("setup.system"), for_="system", class_="label"),
        h(
            "textarea",
            id="system",
            rows="4",
            dir="auto",
            data_focus=True,
            data_input="system",
            value=now.system,
            placeholder=t("setup.system_example"),
        ),
        _presets(state.desk.presets, t),
        h(
            "details",
            h("summary", t("setup.advanced")),
            h(
                "div",
                _field("temperature", now.temperature, t("setup.temperature"), t("setup.temperature_help"), t),
                _field("top_p", now.top_p, t("setup.top_p"), t("setup.top_p_help"), t),
                _field("most", now.most, t("setup.most"), t("setup.most_help", most=MOST_UNITS), t),
                _field("seed", now.seed, t("setup.seed"), t("setup.seed_help"), t),
                class_="fields",
            ),
            class_="advanced",
            key="advanced",
        ),
    ]
    return t("setup.title"), body, [button(t("do.done"), "close-sheet", kind="primary")]


def _presets(presets: tuple[Preset, ...], t: Words) -> Element:
    rows = [
        h(
            "li",
            h("button", preset.name, type="button", class_="button small", data_do="use-preset", data_arg=preset.name),
            tool("close", t("setup.drop", name=preset.name), "drop-preset", preset.name),
            key=preset.name,
        )
        for preset in presets
    ]
    keep = h(
        "form",
        h("label", t("setup.name"), for_="preset", class_="visually-hidden"),
        h("input", id="preset", name="value", maxlength="60", placeholder=t("setup.name"), autocomplete="off"),
        h("button", t("setup.keep"), class_="button small", type="submit"),
        class_="keep",
        data_submit="keep-preset",
    )
    listed = h("ul", rows, class_="presets", aria_label=t("setup.presets")) if rows else None
    return h("div", h("p", t("setup.presets"), class_="label"), listed, keep, class_="preset-box", key="presets")


def _field(name: str, value: float | int | None, label: str, help_text: str, t: Words) -> Element:
    return h(
        "div",
        h("label", label, for_=f"setup-{name}"),
        h(
            "input",
            id=f"setup-{name}",
            inputmode="decimal",
            autocomplete="off",
            data_change=name,
            value="" if value is None else f"{value:g}" if isinstance(value, float) else str(value),
            placeholder=t("setup.models_own"),
            aria_describedby=f"setup-{name}-help",
        ),
        h("p", help_text, id=f"setup-{name}-help", class_="help"),
        class_="parameter",
        key=name,
    )


def transfer(state: State, t: Words) -> Parts:
    """Chats as files, out and in."""
    out = [
        _line("export-json", t("transfer.json"), t("transfer.json_more")),
        _line("export-markdown", t("transfer.markdown"), t("transfer.markdown_more")),
        _line("export-chat", t("transfer.chat"), t("transfer.chat_more")) if state.turns else None,
    ]
    into = _line("pick-import", t("transfer.import"), t("transfer.import_more"))
    lists = [h("ul", out, class_="choices", key="out"), h("ul", into, class_="choices", key="in")]
    return t("chats.transfer"), [h("p", t("transfer.lead")), *lists], []


def _line(do: str, title: str, more: str) -> Element:
    what = h("span", h("span", title, class_="title"), h("span", more, class_="sub"))
    return h("li", h("button", picture("file"), what, class_="choice", type="button", data_do=do), key=do)


def palette(state: State, t: Words) -> Parts:
    """A field, and what fits to it."""
    commands = tuple((do, t(label)) for do, label in COMMANDS)
    lines = choices(state.desk.palette, commands, state.chats.cards)
    place = min(state.desk.place, max(0, len(lines) - 1))
    rows = [
        h(
            "li",
            picture("search" if line.chat else "right"),
            h("span", line.label, dir="auto"),
            id=f"palette-{at}",
            role="option",
            class_="line",
            data_do="palette-take",
            data_arg=str(at),
            aria_selected=str(at == place).lower(),
            key=f"{line.do} {line.arg}",
        )
        for at, line in enumerate(lines)
    ]
    field = h(
        "input",
        id="palette",
        role="combobox",
        aria_expanded="true",
        aria_controls="palette-lines",
        aria_activedescendant=f"palette-{place}" if lines else None,
        aria_autocomplete="list",
        aria_label=t("palette.label"),
        autocomplete="off",
        placeholder=t("palette.label"),
        data_input="palette",
        value=state.desk.palette,
    )
    form = h("form", field, data_submit="palette", class_="palette", key="field")
    listed = (
        h("ul", rows, id="palette-lines", role="listbox", aria_label=t("palette.title"), class_="lines", key="lines")
        if rows
        else h("p", t("palette.nothing"), key="nothing", role="status")
    )
    return t("palette.title"), [form, listed], []


def keys(state: State, t: Words) -> Parts:
    """Every shortcut."""
    rows = [h("div", h("dt", t(f"keys.{name}")), h("dd", _keys(chord, t)), class_="shortcut") for name, chord in KEYS]
    return t("keys.title"), [h("p", t("keys.lead")), h("dl", rows, class_="shortcuts")], []


def _keys(chord: str, t: Words) -> list[Element]:
    """The keys by the names on a keyboard of this language; a sign stands for itself."""
    return [h("kbd", t(f"keys.{key}") if key.islower() else key) for key in chord.split()]


SHEETS = {Sheet.SETUP: setup, Sheet.TRANSFER: transfer, Sheet.PALETTE: palette, Sheet.KEYS: keys}
