"""How chats are kept: a record for each message and one for each chat's head, so that saving writes what changed only.

    chat/CHAT        its title, pin, times, setup and picks
    turn/CHAT/TURN   a message

Names are random or counted and say nothing; contents are sealed by the vault. A head and the messages written with it
are one transaction of the vault's: after a crash there is all of it or nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import msgspec

from tallystick_shared.errors import Code, LocalError

from ..ports import Vault
from .desk import Preset
from .model import Attached, Card, Chat, Setup, Turn, TurnState, Usage, card_of, ordered

FRONT = "front"
PRESETS = "presets"
HEAD = "chat/"
TURN = "turn/"
T = TypeVar("T")


class KeptUsage(msgspec.Struct, frozen=True, array_like=True):
    """`amount` is decimal text: it may be beyond 64 bits."""

    input_units: int
    output_units: int
    amount: str
    first_ms: int | None
    per_second: float
    finish: str
    free: bool = False


class KeptTurn(msgspec.Struct, frozen=True, array_like=True):
    role: str
    text: str
    state: str
    who: str = ""
    parent: int = 0
    usage: KeptUsage | None = None
    files: tuple[tuple[str, str], ...] = ()
    model: str = ""
    at: int = 0
    thought: str = ""


class KeptSetup(msgspec.Struct, frozen=True, array_like=True):
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    most: int | None = None


class KeptHead(msgspec.Struct, frozen=True, array_like=True):
    """`name` is what the list shows."""

    name: str
    title: str = ""
    pinned: bool = False
    made: int = 0
    changed: int = 0
    setup: KeptSetup = KeptSetup()
    picks: tuple[tuple[int, int], ...] = ()
    deleted: int = 0


class KeptPreset(msgspec.Struct, frozen=True, array_like=True):
    name: str
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None


class ChatStore:
    """The chats of this browser."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def cards(self) -> list[Card]:
        """Every chat, the last changed first. One that cannot be read is left out; it stays where it is."""
        found = []
        for name, data in await self._vault.scan(HEAD):
            head = _tried(data, KeptHead)
            if head is not None:
                found.append(Card(name.removeprefix(HEAD), head.name, head.pinned, head.changed, head.deleted))
        return sorted(found, key=lambda card: -card.changed)

    async def load(self, chat_id: str, *, waits: bool = False) -> Chat | None:
        """A chat with all its messages; None where it is not kept. What waited to be sent still does where `waits`,
        else it is one that was not sent. Raises LocalError STORE_UNREADABLE.
        """
        data = await self._vault.get(HEAD + chat_id)
        if data is None:
            return None
        head = _read(data, KeptHead)
        prefix = f"{TURN}{chat_id}/"
        turns = []
        for name, kept in await self._vault.scan(prefix):
            read = _tried(kept, KeptTurn)
            if read is not None:
                turns.append(_turn(int(name.removeprefix(prefix)), read, waits))
        setup = Setup(*msgspec.structs.astuple(head.setup))
        return Chat(
            chat_id, head.title, head.pinned, head.made, head.changed, setup, _rooted(ordered(turns)), head.picks
        )

    async def every(self) -> list[Chat]:
        """All chats whole, for search and export."""
        chats = [await self.load(card.id) for card in await self.cards() if not card.deleted]
        return [chat for chat in chats if chat is not None]

    async def save(self, before: Chat | None, after: Chat) -> None:
        """Writes what is new in `after`, and forgets what `before` had beyond it, in one go."""
        old = {turn.id: turn for turn in before.turns} if before else {}
        put = {HEAD + after.id: msgspec.msgpack.encode(_head(after))}
        for turn in after.turns:
            if old.pop(turn.id, None) != turn:
                put[f"{TURN}{after.id}/{turn.id}"] = msgspec.msgpack.encode(_kept(turn))
        await self._vault.write(put, [f"{TURN}{after.id}/{gone}" for gone in old])

    async def mark(self, card: Card) -> None:
        """Writes what the list knows of a chat that is not in memory: its title, pin and deletion."""
        data = await self._vault.get(HEAD + card.id)
        if data is None:
            return
        head = _read(data, KeptHead)
        title = head.title if card.name == head.name else card.name
        head = msgspec.structs.replace(head, name=card.name, title=title, pinned=card.pinned, deleted=card.deleted)
        await self._vault.write({HEAD + card.id: msgspec.msgpack.encode(head)}, [])

    async def forget(self, chat_id: str) -> None:
        """Deletes it for good."""
        names = [name for name, _ in await self._vault.scan(f"{TURN}{chat_id}/")]
        await self._vault.write({}, [HEAD + chat_id, *names])

    async def front(self) -> str:
        """The chat that was in front last, "" where none is known."""
        return (await self._vault.get(FRONT) or b"").decode()

    async def keep_front(self, chat_id: str) -> None:
        await self._vault.write({FRONT: chat_id.encode()}, [])

    async def presets(self) -> tuple[Preset, ...]:
        data = await self._vault.get(PRESETS)
        kept = _tried(data, list[KeptPreset]) if data else None
        return tuple(Preset(*msgspec.structs.astuple(preset)) for preset in kept or [])

    async def keep_presets(self, presets: tuple[Preset, ...]) -> None:
        kept = [KeptPreset(preset.name, preset.system, preset.temperature, preset.top_p) for preset in presets]
        await self._vault.write({PRESETS: msgspec.msgpack.encode(kept)}, [])


def _tried(data: bytes | None, kind: type[T]) -> T | None:
    try:
        return msgspec.msgpack.decode(data or b"", type=kind)
    except msgspec.MsgspecError:
        return None


def _read(data: bytes, kind: type[T]) -> T:
    read = _tried(data, kind)
    if read is None:
        raise LocalError(Code.STORE_UNREADABLE)
    return read


def _rooted(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """A message whose parent was lost begins a branch of its own instead of being lost with it."""
    known = {turn.id for turn in turns}
    return tuple(turn if turn.parent in known or not turn.parent else replace(turn, parent=0) for turn in turns)


def _turn(turn_id: int, kept: KeptTurn, waits: bool) -> Turn:
    usage = kept.usage
    read = usage and Usage(
        usage.input_units, usage.output_units, int(usage.amount), usage.first_ms, usage.per_second, usage.finish,
        usage.free,
    )  # fmt: skip
    state = TurnState(kept.state)
    if state is TurnState.WAITING and not waits:
        state = TurnState.FAILED
    files = tuple(Attached(*file) for file in kept.files)
    made = Turn(turn_id, kept.role, kept.text, state, kept.who, read, kept.parent, files, kept.model, kept.at)
    return replace(made, thought=kept.thought)


def _kept(turn: Turn) -> KeptTurn:
    usage = turn.usage
    kept = usage and KeptUsage(
        usage.input_units, usage.output_units, str(usage.amount), usage.first_ms, usage.per_second, usage.finish,
        usage.free,
    )  # fmt: skip
    # An answer that a reload cuts off is a broken one when it is read again.
    state = TurnState.FAILED if turn.state is TurnState.STREAMING else turn.state
    files = tuple((file.name, file.text) for file in turn.files)
    made = KeptTurn(turn.role, turn.text, state.value, turn.who, turn.parent, kept, files, turn.model, turn.at)
    return msgspec.structs.replace(made, thought=turn.thought)


def _head(chat: Chat) -> KeptHead:
    setup = chat.setup
    kept = KeptSetup(setup.system, setup.temperature, setup.top_p, setup.seed, setup.most)
    card = card_of(chat)
    return KeptHead(card.name, chat.title, chat.pinned, chat.made, chat.changed, kept, chat.picks)
