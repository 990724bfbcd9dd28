"""How chats are kept: what was changed is written, and read again as it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tallystick_web.chats import actions as a
from tallystick_web.chats.desk import Preset
from tallystick_web.chats.model import Attached, Card, Chat, Setup, Turn, TurnState, Usage
from tallystick_web.chats.store import ChatStore
from tests.web.seats import MemoryVault

from .test_reduce import ACTIONS, after

USAGE = Usage(9, 30, 10**30, 380, 31.4, "stop")
CHAT = Chat(
    "c1",
    "Title",
    True,
    5,
    6,
    Setup("Be brief.", 0.5, None, 7, 100),
    (
        Turn(1, "user", "q", TurnState.SENT, files=(Attached("a.txt", "text"),), at=5),
        Turn(2, "assistant", "one", TurnState.DONE, "m", USAGE, 1, model="p/m", thought="hm"),
        Turn((3 << 32) | 2, "assistant", "two", TurnState.STOPPED, "m", None, 1),
    ),
    ((1, 2),),
)


async def test_a_chat_is_read_as_it_was_written() -> None:
    store = ChatStore(MemoryVault())
    await store.save(None, CHAT)
    assert await store.load("c1") == CHAT
    assert await store.cards() == [Card("c1", "Title", True, 6)]
    assert await store.load("c2") is None


async def test_only_what_changed_is_written() -> None:
    vault = MemoryVault()
    store = ChatStore(vault)
    await store.save(None, CHAT)
    longer = after(a.ChatLoaded(CHAT), a.Asked("more", now=8)).chat
    vault.writes.clear()
    await store.save(CHAT, longer)
    assert vault.writes == [{"chat/c1", "turn/c1/3"}]
    shorter = replace(longer, turns=longer.turns[:-1])
    await store.save(longer, shorter)
    assert "turn/c1/3" not in vault.values


async def test_what_a_reload_cuts_off_is_broken_and_what_waited_waits_only_where_it_is_wanted() -> None:
    store = ChatStore(MemoryVault())
    turns = (Turn(1, "user", "q", TurnState.SENT), Turn(2, "assistant", "h", TurnState.STREAMING, parent=1))
    chat = Chat("c", turns=(*turns, Turn(3, "user", "next", TurnState.WAITING, parent=2)))
    await store.save(None, chat)
    states = [[turn.state for turn in (await store.load("c", waits=waits)).turns] for waits in (True, False)]  # type: ignore[union-attr]
    assert states == [
        [TurnState.SENT, TurnState.FAILED, TurnState.WAITING],
        [TurnState.SENT, TurnState.FAILED, TurnState.FAILED],
    ]


async def test_a_record_that_is_broken_takes_nothing_else_with_it() -> None:
    vault = MemoryVault()
    store = ChatStore(vault)
    await store.save(None, CHAT)
    vault.values |= {"turn/c1/1": b"\xff", "chat/c9": b"nonsense"}
    chat = await store.load("c1")
    assert chat is not None and [turn.text for turn in chat.turns] == ["one", "two"]
    assert all(turn.parent == 0 for turn in chat.turns), "what followed it can still be reached"
    assert [card.id for card in await store.cards()] == ["c1"]


async def test_names_pins_and_deletions_are_marked_without_loading() -> None:
    store = ChatStore(MemoryVault())
    await store.save(None, CHAT)
    await store.mark(Card("c1", "New", False, 6, 99))
    assert await store.cards() == [Card("c1", "New", False, 6, 99)]
    assert (await store.load("c1")).title == "New"  # type: ignore[union-attr]
    await store.mark(Card("c2", "nobody"))
    await store.forget("c1")
    assert await store.cards() == [] and await store.every() == []


async def test_presets_and_the_front_are_kept() -> None:
    store = ChatStore(MemoryVault())
    assert (await store.presets(), await store.front()) == ((), "")
    await store.keep_presets((Preset("Brief", "Be brief.", 0.2, None),))
    await store.keep_front("c1")
    assert (await store.presets(), await store.front()) == ((Preset("Brief", "Be brief.", 0.2, None),), "c1")


@given(st.lists(st.sampled_from(ACTIONS), max_size=20))
def test_written_step_by_step_is_written_whole(actions: list[object]) -> None:
    """Whatever happens, the differences that were written add up to the chat."""

    async def run() -> None:
        store, kept, chats = ChatStore(MemoryVault()), {}, after()
        for action in actions:
            chats = after(action, start=chats)
            for chat in chats.held:
                if chat.turns and kept.get(chat.id) is not chat:
                    await store.save(kept.get(chat.id), chat)
                    kept[chat.id] = chat
        for chat in kept.values():
            read = await store.load(chat.id, waits=True)
            assert read is not None
            ended = tuple(
                replace(turn, state=TurnState.FAILED) if turn.state is TurnState.STREAMING else turn
                for turn in chat.turns
            )
            assert read == replace(chat, turns=ended)

    asyncio.run(run())
