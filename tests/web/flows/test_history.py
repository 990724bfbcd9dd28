"""The chats' flows on a page without a chain: what is kept, found again, deleted, taken back, searched, exchanged."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tallystick_web.chats.actions import AnswerGrew, AnswerStarted, TurnMoved
from tallystick_web.chats.model import TurnState
from tallystick_web.main import Page, build, start
from tallystick_web.state import Sheet
from tests.web.seats import MemoryVault, StillWorld, seats

from .pages import SITE_TEXT


class HeldWorld(StillWorld):
    """Sleeps longer than a second end when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.on = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds > 1:
            await self.on.wait()
        await super().sleep(seconds)


async def opened(vault: MemoryVault, world: Any = None) -> Page:
    """A page of this browser, with what it kept."""
    filled = seats(world=world)
    page = build(type(filled)(filled.wallets, vault, filled.locks, filled.screen, filled.world, filled.crypto))
    await start(page, SITE_TEXT)
    await page.app.idle()
    return page


async def settled(page: Page) -> None:
    """Everything that does not wait for the clock is done."""
    for _ in range(50):
        await asyncio.sleep(0)


async def talk(page: Page, question: str, answer: str) -> int:
    """A question and its whole answer; the answer's id."""
    app = page.app
    app.heard("ask", question)
    app.dispatch(AnswerStarted(app.state.turns[-1].id, "m"))
    made = app.state.turns[-1].id
    app.dispatch(AnswerGrew(made, answer))
    app.dispatch(TurnMoved(made, TurnState.DONE))
    await settled(page)
    return made


def shown(page: Page) -> list[str]:
    return [turn.text for turn in page.app.state.turns]


def names(page: Page) -> list[str]:
    return [card.name for card in page.app.state.chats.cards if not card.deleted]


async def test_what_was_said_is_there_again_on_the_branch_that_was_shown() -> None:
    vault = MemoryVault()
    page = await opened(vault)
    first = await talk(page, "one", "first")
    page.app.heard("edit-turn", str(page.app.state.turns[0].id))
    page.app.heard("edit", "other")
    await settled(page)
    assert shown(page) == ["other"] and page.app.state.desk.editing == 0
    page.app.heard("branch", str(page.app.state.chats.chat.children[0][0]))
    await settled(page)
    again = await opened(vault)
    assert shown(again) == ["one", "first"]
    assert again.app.state.chats.chat.turn(first) is not None
    assert len(again.app.state.chats.chat.children[0]) == 2


async def test_a_growing_answer_is_written_when_it_is_asked_for_and_then_only_itself() -> None:
    vault = MemoryVault()
    page = await opened(vault)
    await talk(page, "one", "first")
    page.app.heard("ask", "two")
    page.app.dispatch(AnswerStarted(page.app.state.turns[-1].id, "m"))
    answer = page.app.state.turns[-1].id
    await settled(page)
    vault.writes.clear()
    for _ in range(100):
        page.app.dispatch(AnswerGrew(answer, "word "))
    await settled(page)
    assert vault.writes == [], "growth alone writes nothing"
    chat = page.app.state.chats.front
    await page.history.keep(chat)
    assert vault.writes == [{f"chat/{chat}", f"turn/{chat}/{answer}"}]


async def test_an_older_state_never_overtakes_a_newer() -> None:
    vault = MemoryVault()
    page = await opened(vault)
    made = await talk(page, "one", "")
    for _ in range(5):
        page.app.dispatch(AnswerGrew(made, "x"))
        page.app.spawn(page.history.keep(page.app.state.chats.front))
    await page.app.idle()
    assert shown(await opened(vault)) == ["one", "xxxxx"]


async def test_several_chats_names_and_pins() -> None:
    vault = MemoryVault()
    page = await opened(vault)
    await talk(page, "first chat", "a")
    front = page.app.state.chats.front
    page.app.heard("new-chat")
    await settled(page)
    assert shown(page) == []
    await talk(page, "second chat", "b")
    page.app.heard("rename-chat", front)
    page.app.heard("name-chat", "Renamed")
    page.app.heard("pin-chat", front)
    await settled(page)
    again = await opened(vault)
    assert sorted(names(again)) == ["Renamed", "second chat"]
    again.app.heard("open-chat", front)
    await settled(again)
    assert shown(again) == ["first chat", "a"] and again.app.state.chats.chat.pinned


async def test_a_deletion_can_be_taken_back_and_then_not_any_more() -> None:
    vault, world = MemoryVault(), HeldWorld()
    page = await opened(vault, world)
    await talk(page, "secret", "a")
    front = page.app.state.chats.front
    page.app.heard("delete-chat", front)
    await settled(page)
    assert names(page) == [] and shown(page) == []
    notice = page.app.state.notice
    assert notice is not None and notice.name == "chat_deleted"
    page.app.heard("undelete-chat")
    await settled(page)
    assert names(page) == ["secret"]
    world.on.set()
    await page.app.idle()
    assert names(page) == ["secret"], "the clock that ran out belongs to nothing"
    page.app.heard("delete-chat", front)
    await page.app.idle()
    assert not any(name.startswith(("chat/", "turn/")) for name in vault.values)


async def test_what_was_deleted_is_gone_after_a_reload() -> None:
    vault, world = MemoryVault(), HeldWorld()
    page = await opened(vault, world)
    await talk(page, "secret", "a")
    page.app.heard("delete-chat", page.app.state.chats.front)
    await settled(page)
    assert any(name.startswith("turn/") for name in vault.values)
    again = await opened(vault)
    assert names(again) == [] and not any(name.startswith(("chat/", "turn/")) for name in vault.values)


async def test_search_finds_other_branches_and_opens_them() -> None:
    page = await opened(MemoryVault())
    hidden = await talk(page, "one", "a needle in it")
    page.app.heard("edit-turn", str(page.app.state.turns[0].id))
    page.app.heard("edit", "other")
    page.app.heard("new-chat")
    await settled(page)
    page.app.heard("input:query", "NEEDLE")
    await page.app.idle()
    (hit,) = page.app.state.desk.found or ()
    assert hit.turn == hidden and hit.match == "needle"
    page.app.heard("open-hit", f"{hit.chat} {hit.turn}")
    await page.app.idle()
    assert shown(page) == ["one", "a needle in it"]
    assert page.app.seats.screen.revealed == [hidden]  # type: ignore[attr-defined]


async def test_a_fork_is_a_chat_of_its_own() -> None:
    vault = MemoryVault()
    page = await opened(vault)
    made = await talk(page, "one", "first")
    await talk(page, "two", "second")
    page.app.heard("fork-chat", str(made))
    await settled(page)
    assert shown(page) == ["one", "first"] and len(page.app.state.chats.cards) == 2
    assert shown(await opened(vault)) == ["one", "first"]


async def test_out_and_in_again_in_another_browser_and_twice_is_once() -> None:
    page = await opened(MemoryVault())
    await talk(page, "one", "first")
    screen = page.app.seats.screen
    page.app.heard("export-json")
    page.app.heard("export-markdown")
    await page.app.idle()
    for name, _, text in screen.saved:  # type: ignore[attr-defined]
        other = await opened(MemoryVault())
        for _ in range(2):
            other.app.heard("import", json.dumps({"name": name, "text": text}))
            await other.app.idle()
        assert names(other) == ["one"]
        other.app.heard("open-chat", other.app.state.chats.cards[0].id)
        await other.app.idle()
        assert shown(other) == ["one", "first"] and len(other.app.state.chats.chat.turns) == 2


async def test_what_cannot_be_imported_is_said() -> None:
    page = await opened(MemoryVault())
    page.app.heard("import", json.dumps({"name": "x", "text": "nonsense"}))
    await page.app.idle()
    assert page.app.state.notice is not None and page.app.state.notice.name == "import_unreadable"


async def test_presets_files_and_numbers() -> None:
    vault = MemoryVault()
    page = await opened(vault)
    page.app.heard("input:system", "Be brief.")
    page.app.heard("input:temperature", "0,5")
    page.app.heard("input:top_p", "much")
    page.app.heard("input:seed", "7")
    page.app.heard("input:most", "0")
    page.app.heard("keep-preset", " Brief ")
    await settled(page)
    setup = page.app.state.chats.chat.setup
    assert (setup.temperature, setup.top_p, setup.seed, setup.most) == (0.5, None, 7, None)
    again = await opened(vault)
    again.app.heard("use-preset", "Brief")
    assert again.app.state.chats.chat.setup.system == "Be brief."
    again.app.heard("attach", json.dumps({"name": "a.txt", "text": "inside"}))
    again.app.heard("ask", "what is in it?")
    assert again.app.state.turns[0].files[0].text == "inside" and again.app.state.desk.files == ()
    again.app.heard("refused-file", "picture cat.png")
    assert again.app.state.notice is not None and again.app.state.notice.name == "file_refused"
    again.app.heard("drop-preset", "Brief")
    await settled(again)
    assert again.app.state.desk.presets == ()


async def test_the_palette_does_what_its_line_says() -> None:
    page = await opened(MemoryVault())
    page.app.heard("open-palette")
    assert page.app.state.sheet is Sheet.PALETTE
    page.app.heard("input:palette", "short")
    page.app.heard("palette")
    assert page.app.state.sheet is Sheet.KEYS
    page.app.heard("open-palette")
    page.app.heard("palette-step", "-1")
    assert page.app.state.desk.place > 3
    page.app.heard("open-palette")
    assert page.app.state.sheet is None
