"""Chats as files: JSON, and Markdown that people can read. Both are read back as they were written, branches included.

In Markdown each message stands under a line of comment that says which message it is and what it follows; such a line
in a message's own text is written with one more dash.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec

from .model import Attached, Chat, Setup, Turn, TurnState, Usage, ordered

FORMAT = "tallystick-chats/1"
CHAT_MARK = re.compile(r"^<!-- tallystick-chat (\{.*\}) -->$")
TURN_MARK = re.compile(r"^<!-- tallystick-message (\{.*\}) -->$")
OURS = re.compile(r"^(<!--)(-*) (?=tallystick-)", re.MULTILINE)
LONGER = re.compile(r"^(<!--)-(-*) (?=tallystick-)", re.MULTILINE)


class NotReadable(Exception):
    """The file is none that can be imported."""


class FileUsage(msgspec.Struct, omit_defaults=True):
    """`amount` is decimal text in the coin's smallest unit."""

    input_units: int = 0
    output_units: int = 0
    amount: str = "0"
    first_ms: int | None = None
    per_second: float = 0.0
    finish: str = ""
    free: bool = False


class FileTurn(msgspec.Struct, omit_defaults=True):
    """`id` and `parent` are numbers of this file."""

    id: int
    role: str
    parent: int = 0
    text: str = ""
    state: str = ""
    who: str = ""
    model: str = ""
    at: int = 0
    usage: FileUsage | None = None
    thought: str = ""
    files: list[dict[str, str]] = []


class FileChat(msgspec.Struct, omit_defaults=True):
    id: str = ""
    title: str = ""
    pinned: bool = False
    made: int = 0
    changed: int = 0
    setup: dict[str, Any] = {}
    picks: list[tuple[int, int]] = []
    messages: list[FileTurn] = []


class ChatsFile(msgspec.Struct):
    format: str
    chats: list[FileChat]


def to_json(chats: list[Chat]) -> str:
    """Everything of these chats."""
    data = msgspec.json.encode(ChatsFile(FORMAT, [_file_chat(chat) for chat in chats]))
    return msgspec.json.format(data, indent=1).decode()


def from_json(text: str) -> list[Chat]:
    """Raises NotReadable."""
    try:
        data = msgspec.json.decode(text, type=ChatsFile)
        if data.format != FORMAT:
            raise NotReadable
        return [_chat(chat) for chat in data.chats]
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError):
        raise NotReadable from None


def to_markdown(chats: list[Chat]) -> str:
    """The chats one after the other, each message in the order in which it was made."""
    parts = []
    for chat in chats:
        head = _file_chat(chat)
        turns, head.messages = head.messages, []
        parts.append(f"<!-- tallystick-chat {_line(head)} -->\n# {_one_line(chat.name)}\n")
        for turn in turns:
            said, turn.text = turn.text, ""
            name = _one_line(turn.who) if turn.role == "assistant" else "You"
            escaped = OURS.sub(r"\1-\2 ", said)
            parts.append(f"<!-- tallystick-message {_line(turn)} -->\n## {name or 'Answer'}\n\n{escaped}\n")
    return "\n".join(parts)


def from_markdown(text: str) -> list[Chat]:
    """Raises NotReadable."""
    chats: list[FileChat] = []
    body: list[str] | None = None
    try:
        for line in text.split("\n"):
            if match := CHAT_MARK.match(line):
                _end(chats, body)
                body = None
                chats.append(msgspec.json.decode(match[1], type=FileChat))
            elif (match := TURN_MARK.match(line)) and chats:
                _end(chats, body)
                body = []
                chats[-1].messages.append(msgspec.json.decode(match[1], type=FileTurn))
            elif body is not None:
                body.append(line)
        _end(chats, body)
        if not chats:
            raise NotReadable
        return [_chat(chat) for chat in chats]
    except (msgspec.MsgspecError, LookupError, ValueError, TypeError):
        raise NotReadable from None


def _end(chats: list[FileChat], body: list[str] | None) -> None:
    """The lines under a message's mark: its heading, a blank line, the text, and a blank line."""
    if body is not None:
        said = "\n".join(body[2:]).removesuffix("\n")
        chats[-1].messages[-1].text = LONGER.sub(r"\1\2 ", said)


def _line(value: FileChat | FileTurn) -> str:
    """JSON in one line, without what would end a comment."""
    return msgspec.json.encode(value).decode().replace("--", "-\\u002d")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _file_chat(chat: Chat) -> FileChat:
    setup = {name: value for name, value in vars(chat.setup).items() if value not in (None, "")}
    turns = [_file_turn(turn) for turn in chat.turns]
    return FileChat(chat.id, chat.title, chat.pinned, chat.made, chat.changed, setup, list(chat.picks), turns)


def _file_turn(turn: Turn) -> FileTurn:
    usage = turn.usage and FileUsage(
        turn.usage.input_units,
        turn.usage.output_units,
        str(turn.usage.amount),
        turn.usage.first_ms,
        turn.usage.per_second,
        turn.usage.finish,
        turn.usage.free,
    )
    state = TurnState.FAILED if turn.state in (TurnState.STREAMING, TurnState.WAITING) else turn.state
    files = [{"name": file.name, "text": file.text} for file in turn.files]
    return FileTurn(
        turn.id,
        turn.role,
        turn.parent,
        turn.text,
        state.value,
        turn.who,
        turn.model,
        turn.at,
        usage,
        turn.thought,
        files,
    )


def _chat(file: FileChat) -> Chat:
    """Checked: ids are there once, and a message comes after the one that it follows."""
    turns: list[Turn] = []
    known = {0}
    for one in ordered([_turn(turn) for turn in file.messages]):
        if one.id in known or one.id < 0 or one.parent not in known:
            raise ValueError("a message is there twice, or follows none that is there")
        turns.append(one)
        known.add(one.id)
    setup = msgspec.convert(file.setup, KeptSetup)
    return Chat(
        file.id,
        file.title,
        file.pinned,
        file.made,
        file.changed,
        Setup(setup.system, setup.temperature, setup.top_p, setup.seed, setup.most),
        tuple(turns),
        tuple((parent, child) for parent, child in file.picks),
    )


class KeptSetup(msgspec.Struct):
    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    most: int | None = None


def _turn(file: FileTurn) -> Turn:
    if file.role not in ("user", "assistant") or not file.parent >= 0:
        raise ValueError("a message of nobody")
    usage = file.usage and Usage(
        file.usage.input_units,
        file.usage.output_units,
        int(file.usage.amount),
        file.usage.first_ms,
        file.usage.per_second,
        file.usage.finish,
        file.usage.free,
    )
    files = tuple(Attached(str(one["name"]), str(one["text"])) for one in file.files)
    state = TurnState(file.state) if file.state else TurnState.DONE
    if state in (TurnState.STREAMING, TurnState.WAITING):
        state = TurnState.FAILED  # nothing that comes from a file is sent, or paid
    made = Turn(file.id, file.role, file.text, state, file.who, usage, file.parent, files, file.model, file.at)
    return replace(made, thought=file.thought)
