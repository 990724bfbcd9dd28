"""Around the question box: files that go along, what can be attached, what the next question will about cost."""

from __future__ import annotations

from ..chats.prompt import estimate, tokens
from ..figures import money
from ..state import State
from ..tree import Node, h
from ..words import Words
from .parts import short_model
from .tools import item, menu, picture, tool


def files(state: State, t: Words) -> list[Node]:
    """The files that go along with the next question."""
    return [
        h(
            "span",
            picture("file"),
            h("span", file.name, dir="auto"),
            h("span", t("files.size", tokens=tokens(file.text)), class_="size"),
            tool("close", t("files.remove", name=file.name), "detach", str(place)),
            class_="chip",
            key=f"{place}-{file.name}",
        )
        for place, file in enumerate(state.desk.files)
    ]


def tools(state: State, t: Words) -> list[Node]:
    """Attach and settings."""
    opened = state.desk.menu == "attach"
    model = short_model(state.chosen) if state.chosen else ""
    why = t("files.no_pictures", model=model) if model else t("files.no_pictures_yet")
    items = [
        item(t("files.text"), "pick-files", name="file"),
        item(t("files.picture"), "pick-pictures", name="attach", why=why),
    ]
    setup = state.chats.chat.setup
    return [
        h(
            "span",
            tool("attach", t("files.attach"), "attach-menu", menu=opened),
            menu(t("files.attach"), items, "up") if opened else None,
            class_="holds-menu",
            key="attach",
        ),
        tool("tune", t("setup.title"), "open-setup", pressed=bool(setup.system) or setup.temperature is not None),
    ]


def cost(state: State, t: Words) -> list[Node]:
    """Before sending: about what it will cost. Else what this chat cost so far."""
    choice, chat, desk = state.chosen, state.chats.chat, state.desk
    if choice is not None and (desk.draft.strip() or desk.files):
        guess = estimate(chat, desk.draft, desk.files, choice.context)
        if state.free:
            return [h("span", t("trial.estimate", tokens=guess.read), data_estimate="")]
        usual = money(guess.amount(choice.price_in, choice.price_out), state.coin, 2)
        most = money(guess.amount(choice.price_in, choice.price_out, most=True), state.coin, 2)
        return [h("span", t("chat.estimate", amount=usual, most=most, tokens=guess.read), data_estimate="")]
    if chat.amount:
        return [h("span", t("chat.total", amount=money(chat.amount, state.coin)), data_total="")]
    return [h("span", t("keys.short"), class_="keys")]
