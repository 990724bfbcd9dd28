"""What the palette offers: things to do, and chats by name."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Card
from .search import fold

MOST_CHATS = 8
COMMANDS = (
    ("new-chat", "do.new_chat"),
    ("search-chats", "palette.search"),
    ("open-market", "palette.market"),
    ("open-money", "palette.money"),
    ("open-setup", "setup.title"),
    ("open-transfer", "chats.transfer"),
    ("regenerate-last", "do.regenerate"),
    ("edit-last", "palette.edit_last"),
    ("copy-last", "palette.copy_last"),
    ("toggle-theme", "palette.theme"),
    ("open-settings", "settings.title"),
    ("open-keys", "keys.title"),
)


@dataclass(frozen=True)
class Choice:
    """A line of the palette: an intent, its argument, and what it is called. `chat` where it is a chat."""

    do: str
    arg: str
    label: str
    chat: bool = False


def choices(query: str, commands: tuple[tuple[str, str], ...], cards: tuple[Card, ...]) -> tuple[Choice, ...]:
    """What has every word of the query; `commands` are intents with their names in this language."""
    words = fold(query).split()

    def fits(label: str) -> bool:
        folded = fold(label)
        return all(word in folded for word in words)

    found = [Choice(do, "", label) for do, label in commands if fits(label)]
    known = sorted((card for card in cards if not card.deleted and fits(card.name)), key=lambda card: -card.changed)
    return (*found, *(Choice("open-chat", card.id, card.name, True) for card in known[:MOST_CHATS]))
