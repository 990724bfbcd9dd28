"""Searching all chats, and opening what was found on the branch on which it is."""

from __future__ import annotations

from ..app import App
from ..chats.actions import Revealed
from ..chats.desk import moved
from ..chats.search import Index
from .history import HistoryFlow

PAUSE = 0.12  # seconds without a key before a search begins
SLICE = 8  # chats between two looks of the browser at what people do


class SearchFlow:
    """The index is made at the first search, and knows of every change from then on."""

    def __init__(self, app: App, history: HistoryFlow) -> None:
        self._app, self._history = app, history
        self._index: Index | None = None
        app.on("input:query", self._typed)
        app.on("open-hit", self._open)

    async def _typed(self, query: str) -> None:
        self._app.dispatch(moved(query=query, found=None))
        await self._app.seats.world.sleep(PAUSE)
        if self._app.state.desk.query != query or not query.strip():
            return
        index = await self._ready()
        if self._app.state.desk.query == query:
            self._app.dispatch(moved(found=index.find(query)))

    async def _ready(self) -> Index:
        state = self._app.state
        gone = {card.id for card in state.chats.cards if card.deleted}
        if self._index is None:
            index = Index()
            cards = [card for card in state.chats.cards if not card.deleted and not state.chats.get(card.id)]
            for place, card in enumerate(cards):
                if place % SLICE == SLICE - 1:
                    await self._app.seats.world.sleep(0)
                chat = await self._history.store.load(card.id)
                if chat is not None:
                    index.put(chat)
            self._index = index
        for chat in self._app.state.chats.held:
            if chat.turns:
                self._index.put(chat)
        for chat_id in gone:
            self._index.drop(chat_id)
        return self._index

    def forget(self) -> None:
        """Chats came from elsewhere: the next search reads them all."""
        self._index = None

    async def _open(self, argument: str) -> None:
        """`argument`: the chat's id and the message's."""
        chat_id, _, turn = argument.partition(" ")
        await self._history.open(chat_id)
        self._app.dispatch(Revealed(int(turn)))
        self._app.draw()
        self._app.seats.screen.reveal(int(turn))
