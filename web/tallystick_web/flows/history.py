"""The chats of this browser: listed, opened, renamed, pinned, deleted with a way back, and kept as they change."""

from __future__ import annotations

import asyncio

from tallystick_shared.errors import TallystickError

from ..actions import NoticeCleared, Noticed
from ..app import App
from ..chats.actions import (
    ChatBack,
    ChatBegun,
    ChatChangedElsewhere,
    ChatDropped,
    ChatForked,
    ChatFronted,
    ChatGone,
    ChatLoaded,
    ChatPinned,
    ChatRenamed,
    ChatsListed,
    ChatsStarted,
)
from ..chats.desk import moved
from ..chats.model import Card, Chat
from ..chats.store import ChatStore
from ..state import Notice, State

GRACE = 12.0  # seconds in which a deletion can be taken back


class HistoryFlow:
    """Keeps what changes, and fetches what is asked for. Other tabs are told of both."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.store = ChatStore(app.seats.vault)
        self._kept: dict[str, Chat] = {}
        self._saving: dict[str, asyncio.Lock] = {}
        self._loaded = False
        app.on("new-chat", self._begin)
        app.on("open-chat", self.open)
        app.on("rename-chat", lambda chat: app.dispatch(moved(renaming=chat, menu="")))
        app.on("name-chat", self._name)
        app.on("pin-chat", self._pin)
        app.on("delete-chat", self._drop)
        app.on("undelete-chat", self._undrop)
        app.on("fork-chat", self._fork)
        app.watch(self._changed)

    def start(self) -> None:
        """Before anything can be asked: this tab's salt and a name for the chat in front."""
        self._app.dispatch(ChatsStarted(int.from_bytes(self._app.seats.crypto.random(2), "big"), self._new_id()))

    async def load(self) -> None:
        """The list, and the chat that was in front last. Raises LocalError STORE_UNREADABLE."""
        store = self.store
        cards = await store.cards()
        self._app.dispatch(ChatsListed(tuple(cards)))
        self._app.dispatch(moved(presets=await store.presets()))
        front = await store.front()
        if any(card.id == front and not card.deleted for card in cards):
            chat = await store.load(front, waits=True)
            if chat is not None:
                self._kept[chat.id] = chat
                self._app.dispatch(ChatLoaded(chat, adopt=True))
        self._loaded = True
        self._app.seats.tabs.listen(lambda text: self._app.spawn(self._elsewhere(text)) and None)
        for card in cards:
            if card.deleted:
                await self._forget(card.id)

    # -- what people do

    def _new_id(self) -> str:
        return self._app.seats.crypto.random(8).hex()

    async def _begin(self, _: str = "") -> None:
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(ChatBegun(self._new_id(), self._app.state.chats.chat.setup))
        self._app.dispatch(moved(menu="", editing=0))
        self._app.seats.screen.to_draft()
        await self.store.keep_front("")

    async def open(self, chat_id: str) -> None:
        """Brings a chat to the front, from memory or from the vault."""
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(moved(menu="", editing=0, renaming=""))
        if self._app.state.chats.get(chat_id):
            self._app.dispatch(ChatFronted(chat_id))
        else:
            chat = await self.store.load(chat_id)
            if chat is None:
                self._app.dispatch(ChatGone(chat_id))
                return
            self._kept[chat_id] = chat
            self._app.dispatch(ChatLoaded(chat))
        self._app.seats.screen.to_end()
        await self.store.keep_front(chat_id)

    async def _name(self, title: str) -> None:
        chat_id = self._app.state.desk.renaming
        self._app.dispatch(moved(renaming=""))
        if chat_id and title.strip():
            self._app.dispatch(ChatRenamed(chat_id, title))
            await self._mark(chat_id)

    async def _pin(self, chat_id: str) -> None:
        card = self._app.state.chats.card(chat_id)
        self._app.dispatch(moved(menu=""))
        if card is not None:
            self._app.dispatch(ChatPinned(chat_id, not card.pinned))
            await self._mark(chat_id)

    async def _drop(self, chat_id: str) -> None:
        card = self._app.state.chats.card(chat_id)
        self._app.dispatch(moved(menu=""))
        if card is None:
            return
        self._app.dispatch(ChatDropped(chat_id, self._new_id(), max(1, self._app.seats.world.wall())))
        if not self._deleted(chat_id):
            return
        await self._mark(chat_id, card)
        self._app.dispatch(Noticed(Notice("chat_deleted", (("title", card.name),), quiet=True)))
        await self._app.seats.world.sleep(GRACE)
        if self._deleted(chat_id):
            notice = self._app.state.notice
            if notice and notice.name == "chat_deleted" and dict(notice.values).get("title") == card.name:
                self._app.dispatch(NoticeCleared())
            await self._forget(chat_id)

    def _deleted(self, chat_id: str) -> bool:
        card = self._app.state.chats.card(chat_id)
        return card is not None and bool(card.deleted)

    async def _undrop(self, _: str) -> None:
        cards = [card for card in self._app.state.chats.cards if card.deleted]
        self._app.dispatch(NoticeCleared())
        if cards:
            last = max(cards, key=lambda card: card.deleted)
            self._app.dispatch(ChatBack(last.id))
            await self._mark(last.id)

    async def _forget(self, chat_id: str) -> None:
        self._app.dispatch(ChatGone(chat_id))
        self._kept.pop(chat_id, None)
        await self.store.forget(chat_id)
        self._app.seats.tabs.tell(chat_id)

    def _fork(self, turn_id: str) -> None:
        new, now = self._new_id(), self._app.seats.world.wall()
        self._app.dispatch(moved(menu="", editing=0))
        self._app.dispatch(ChatForked(new, int(turn_id), now))

    # -- keeping

    def _changed(self, before: State, after: State) -> None:
        if before.chats is after.chats:
            return
        for chat in after.chats.held:
            old = before.chats.get(chat.id)
            if chat.turns and old is not chat and (old is None or old.revision != chat.revision):
                kept = self._kept.get(chat.id)
                if kept is not chat:
                    self._app.spawn(self.keep(chat.id))
        front = after.chats.chat
        if not self._loaded:
            return  # what was in front last is still to be read
        if before.chats.chat.id != front.id or bool(before.turns) != bool(after.turns):
            self._app.spawn(self.store.keep_front(front.id if front.turns else ""))

    async def keep(self, chat_id: str) -> None:
        """Writes what a chat has beyond what was written; an older state never overtakes a newer."""
        async with self._saving.setdefault(chat_id, asyncio.Lock()):
            chat, kept = self._app.state.chats.get(chat_id), self._kept.get(chat_id)
            if chat is None or not chat.turns or chat is kept or self._deleted(chat_id):
                return
            await self.store.save(kept, chat)
            self._kept[chat_id] = chat
        if not chat.streaming:
            self._app.seats.tabs.tell(chat_id)

    async def _mark(self, chat_id: str, last: Card | None = None) -> None:
        """Writes what the list knows of a chat; where it is in memory, `keep` does that."""
        card = self._app.state.chats.card(chat_id) or last
        if card is not None and self._app.state.chats.get(chat_id) is None:
            await self.store.mark(card)
            self._app.seats.tabs.tell(chat_id)

    async def _elsewhere(self, chat_id: str) -> None:
        """Another tab wrote a chat, or deleted it."""
        cards = await self.store.cards()
        card = next((card for card in cards if card.id == chat_id), None)
        if card is None:
            self._app.dispatch(ChatGone(chat_id))
            return
        self._app.dispatch(ChatsListed((card,)))
        held = self._app.state.chats.get(chat_id)
        if held is not None and not held.streaming and not card.deleted:
            try:
                chat = await self.store.load(chat_id)
            except TallystickError:
                return
            if chat is not None:
                self._kept[chat_id] = chat
                self._app.dispatch(ChatChangedElsewhere(chat))
