"""Chats out of this browser and into it, as files."""

from __future__ import annotations

import json
from dataclasses import replace

from ..actions import Noticed, SheetClosed, SheetOpened
from ..app import App
from ..chats.actions import ChatChangedElsewhere, ChatsListed
from ..chats.chatgpt import from_chatgpt, looks_like
from ..chats.exchange import NotReadable, from_json, from_markdown, to_json, to_markdown
from ..chats.model import Chat, card_of, merged
from ..state import Notice, Sheet
from .history import HistoryFlow
from .search import SearchFlow

JSON, MARKDOWN = "application/json", "text/markdown"


class ExchangeFlow:
    """Export of all chats or of the one in front, import of our own files and of ChatGPT's."""

    def __init__(self, app: App, history: HistoryFlow, search: SearchFlow) -> None:
        self._app, self._history, self._search = app, history, search
        app.on("open-transfer", lambda _: app.dispatch(SheetOpened(Sheet.TRANSFER)))
        app.on("export-json", self._export_json)
        app.on("export-markdown", self._export_markdown)
        app.on("export-chat", self._export_chat)
        app.on("import", self._import)

    async def _export_json(self, _: str) -> None:
        self._save("tallystick-chats.json", JSON, to_json(await self._all()))

    async def _export_markdown(self, _: str) -> None:
        self._save("tallystick-chats.md", MARKDOWN, to_markdown(await self._all()))

    def _export_chat(self, _: str) -> None:
        chat = self._app.state.chats.chat
        self._save("tallystick-chat.md", MARKDOWN, to_markdown([chat]))

    def _save(self, name: str, kind: str, text: str) -> None:
        self._app.seats.screen.save(name, kind, text)
        self._app.dispatch(SheetClosed())

    async def _all(self) -> list[Chat]:
        """As they are now: those in memory are newer than what was kept of them."""
        chats = self._app.state.chats
        kept = [chats.get(chat.id) or chat for chat in await self._history.store.every()]
        return sorted(kept, key=lambda chat: (-chat.changed, chat.id))

    async def _import(self, argument: str) -> None:
        """`argument`: JSON with the file's name and text."""
        text = json.loads(argument)["text"]
        try:
            chats = read(text)
        except NotReadable:
            self._app.dispatch(Noticed(Notice("import_unreadable", quiet=True)))
            return
        for chat in chats:
            await self._take(chat)
        self._search.forget()
        self._app.dispatch(SheetClosed())
        name = "chat_imported" if len(chats) == 1 else "chats_imported"
        self._app.dispatch(Noticed(Notice(name, (("count", len(chats)),), quiet=True)))

    async def _take(self, chat: Chat) -> None:
        """What is here already is not lost: the file's messages are put beside it."""
        if not chat.id or "/" in chat.id:
            chat = replace(chat, id=self._app.seats.crypto.random(8).hex())
        ours = self._app.state.chats.get(chat.id) or await self._history.store.load(chat.id)
        whole = chat if ours is None else replace(ours, turns=merged(chat, ours).turns)
        await self._history.store.save(ours, whole)
        if self._app.state.chats.get(chat.id):
            self._app.dispatch(ChatChangedElsewhere(whole))
        else:
            self._app.dispatch(ChatsListed((card_of(whole),)))
        self._app.seats.tabs.tell(chat.id)


def read(text: str) -> list[Chat]:
    """Our JSON, our Markdown, or ChatGPT's export. Raises NotReadable."""
    if text.lstrip()[:1] not in ("{", "["):
        return from_markdown(text)
    try:
        return from_chatgpt(text) if looks_like(json.loads(text)) else from_json(text)
    except ValueError:
        raise NotReadable from None
