"""Full-text search over all chats, in memory: what is kept is sealed, so nothing could be searched where it lies."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from .desk import Hit
from .model import Chat

MOST = 100
BEFORE, AFTER = 36, 90
MARKS = re.compile(r"[*_`#|]+|^> ", re.MULTILINE)


def fold(text: str) -> str:
    """Case and accents do not count."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


@dataclass(frozen=True)
class Entry:
    """A message as it is searched."""

    turn: int
    role: str
    text: str
    folded: str


class Index:
    """Every message of every chat, by chat."""

    def __init__(self) -> None:
        self._chats: dict[str, tuple[str, int, tuple[Entry, ...]]] = {}

    def put(self, chat: Chat) -> None:
        """Takes a chat in, or what it is now."""
        _, _, old = self._chats.get(chat.id, ("", 0, ()))
        known = {(entry.turn, len(entry.text)): entry for entry in old}
        entries = []
        for turn in chat.turns:
            text = "\n".join([turn.text, *(file.text for file in turn.files)])
            entry = known.get((turn.id, len(text)))
            entries.append(entry or Entry(turn.id, turn.role, text, fold(text)))
        self._chats[chat.id] = (chat.name, chat.changed, tuple(entries))

    def drop(self, chat_id: str) -> None:
        self._chats.pop(chat_id, None)

    def find(self, query: str) -> tuple[Hit, ...]:
        """Messages that have every word of the query, or its chat's name does; the newest chats first."""
        words = fold(query).split()
        if not words:
            return ()
        hits: list[Hit] = []
        for chat_id, (name, _, entries) in sorted(self._chats.items(), key=lambda pair: -pair[1][1]):
            folded = fold(name)
            if entries and all(word in folded for word in words):
                first = entries[0]
                hits.append(Hit(chat_id, name, first.turn, first.role, _line(first.text[: BEFORE + AFTER]), "", ""))
                entries = entries[1:]
            for entry in entries:
                if all(word in entry.folded for word in words):
                    hits.append(_hit(chat_id, name, entry, words))
                if len(hits) >= MOST:
                    return tuple(hits)
        return tuple(hits)


def _hit(chat_id: str, name: str, entry: Entry, words: list[str]) -> Hit:
    phrase = " ".join(words)
    word = phrase if phrase in entry.folded else words[0]
    start, end = _span(entry.text, entry.folded.index(word), len(word))
    begin = max(0, start - BEFORE)
    before = ("…" if begin else "") + _line(MARKS.sub("", entry.text[begin:start]))
    after = _line(MARKS.sub("", entry.text[end : end + AFTER])) + ("…" if end + AFTER < len(entry.text) else "")
    return Hit(chat_id, name, entry.turn, entry.role, before, _line(entry.text[start:end]), after)


def _span(text: str, at: int, length: int) -> tuple[int, int]:
    """Where in the text itself a place of the folded text is: folding may make letters of one many, or none."""
    start, folded = 0, 0
    while start < len(text) and folded < at:
        folded += len(fold(text[start]))
        start += 1
    end = start
    while end < len(text) and folded < at + length:
        folded += len(fold(text[end]))
        end += 1
    return start, end


def _line(text: str) -> str:
    lines = " ".join(text.split())
    return (" " if text[:1].isspace() else "") + lines + (" " if lines and text[-1:].isspace() else "")
