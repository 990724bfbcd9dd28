"""The screen: the only code that touches the document. One of the `browser` modules, which alone import what the
browser brings.
"""

from __future__ import annotations

import json
from typing import Any

from .patch import Region
from .state import Sheet, State
from .views.money import money_bar
from .views.notices import notices
from .views.sheets import sheet
from .views.side import side
from .views.thread import thread
from .views.top import banner, provider, status, wallet
from .views.under import cost, files, tools
from .words import words_of

LIVE_SENTENCES = 12
ANSWER_WORDS = ("code", "copy", "copied", "failed", "picture", "show", "table")
FIRST_FOCUS = (
    "[data-focus]",
    "input:enabled:not([type=search])",
    ".choice:enabled",
    ".foot .primary:enabled",
    "button",
)


def _js() -> Any:
    """The browser's global object. Imported when called: the memory snapshot may hold no JavaScript value."""
    import js

    return js


class DomHost:
    """The `Host` of `patch`, over the real document."""

    def __init__(self) -> None:
        from tallystick_js import fill

        self._document: Any = _js().document
        self._fill: Any = fill

    def element(self, tag: str, namespace: str | None) -> Any:
        return self._document.createElementNS(namespace, tag) if namespace else self._document.createElement(tag)

    def text(self, value: str) -> Any:
        return self._document.createTextNode(value)

    def set_text(self, node: Any, value: str) -> None:
        node.data = value

    def append_text(self, node: Any, value: str) -> None:
        node.appendData(value)

    def set_attribute(self, node: Any, name: str, value: str) -> None:
        node.setAttribute(name, value)
        if name == "value" and node.value != value:
            node.value = value

    def remove_attribute(self, node: Any, name: str) -> None:
        node.removeAttribute(name)

    def set_prose(self, node: Any, markdown: str, parent: Any) -> None:
        self._fill(node, markdown, parent)

    def insert(self, parent: Any, node: Any, before: Any | None) -> None:
        parent.insertBefore(node, before)

    def remove(self, node: Any) -> None:
        node.remove()


class DomScreen:
    """The `Screen` seat."""

    def __init__(self) -> None:
        self._t = words_of("en")
        self._language = ""
        self._js = _js()
        self._by_id: Any = self._js.document.getElementById
        host = self._host = DomHost()
        self._column = self._by_id("column")
        for taken in ("wallet", "column", "cost"):
            self._by_id(taken).replaceChildren()  # what the shell showed until now
        self._regions = {name: Region(host, self._by_id(name)) for name in VIEWS}
        self._sheet_region = Region(host, self._by_id("sheet"))
        self._open: Sheet | None = None

    def show(self, state: State) -> None:
        """Makes the page look like `state`."""
        if state.language != self._language:
            self._speak(state.language)
        for name, view in VIEWS.items():
            self._regions[name].show(*view(state, self._t))
        self._by_id("banner").hidden = not (state.site and state.site.demo)
        self._by_id("money").hidden = not state.tells_money
        self._by_id("composer").toggleAttribute("data-running", state.running)
        self._by_id("send").setAttribute("aria-label", self._t("do.stop" if state.running else "do.send"))
        self._focus()
        line = status(state, self._t)
        if self._by_id("status").textContent != line:
            self._by_id("status").textContent = line
        self._show_sheet(state)

    def _speak(self, language: str) -> None:
        """Another language: the shell's words, and everything in answers that is not the answer."""
        from tallystick_js import speak

        t = self._t = words_of(language)
        speak(json.dumps({name: t(f"answer.{name}") for name in ANSWER_WORDS}))
        names = json.loads(self._js.tallystick.names())
        self._js.tallystick.speak(language, json.dumps({name: t(name) for name in names}))
        if self._language:
            self._column.replaceChildren()
            self._regions["column"] = Region(self._host, self._column)
        self._language = language

    def _show_sheet(self, state: State) -> None:
        dialog = self._by_id("sheet")
        self._sheet_region.show(*sheet(state, self._t))
        if state.sheet is self._open:
            return
        self._open = state.sheet
        if state.sheet is None:
            dialog.close()
            return
        dialog.setAttribute("data-sheet", state.sheet.value)  # some are wide
        if not dialog.open:
            self._js.tallystick.closeDrawer()  # first: the cursor comes back to what holds it now
            dialog.showModal()
        found = (dialog.querySelector(selector) for selector in FIRST_FOCUS)
        first = next((element for element in found if element), None)
        if first:
            first.focus()

    def _focus(self) -> None:
        """What has just come up to be typed into gets the cursor, once."""
        field = self._js.document.querySelector("[data-cursor]:not([data-cursor=had])")
        if field:
            field.setAttribute("data-cursor", "had")
            field.focus()
            field.select()

    def announce(self, sentence: str) -> None:
        live = self._by_id("live")
        line = self._js.document.createElement("p")
        line.textContent = sentence
        live.append(line)
        while live.childElementCount > LIVE_SENTENCES:
            live.firstElementChild.remove()

    def to_end(self) -> None:
        self._js.tallystick.toEnd()

    def save(self, name: str, kind: str, text: str) -> None:
        self._js.tallystick.save(name, kind, text)

    def refill(self, text: str) -> None:
        self._js.tallystick.refill(text)

    def to_draft(self) -> None:
        self._js.tallystick.toDraft()

    def reveal(self, turn_id: int) -> None:
        self._js.tallystick.reveal(f"turn-{turn_id}")

    def act(self, name: str) -> None:
        self._js.tallystick.act(name)

    def copy(self, text: str) -> None:
        self._js.tallystick.copy(text)


VIEWS = {
    "banner": banner,
    "provider": provider,
    "wallet": wallet,
    "money": money_bar,
    "side": side,
    "column": thread,
    "files": files,
    "tools": tools,
    "cost": cost,
    "notices": notices,
}
