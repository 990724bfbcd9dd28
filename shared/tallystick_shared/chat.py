"""The `chat` service: what its input and its params hold. To the transport both are opaque bytes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .messages import U32, decode, encode

SERVICE = "chat"


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatInput(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The conversation, oldest first; the last message is the one to answer."""

    messages: Annotated[tuple[Message, ...], Meta(min_length=1, max_length=1000)]


class ChatParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How to answer. None leaves the choice to the engine."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    seed: U32 | None = None
    stop: Annotated[tuple[str, ...], Meta(max_length=4)] = ()


def chat_input(messages: list[tuple[str, str]]) -> bytes:
    """Encoded input from (role, content) pairs."""
    return encode(ChatInput(tuple(Message(role, content) for role, content in messages)))  # type: ignore[arg-type]


def read_input(data: bytes) -> ChatInput:
    """Raises PeerError BAD_MESSAGE."""
    return decode(ChatInput, data)


def read_params(data: bytes) -> ChatParams:
    """Raises PeerError BAD_MESSAGE; empty bytes are all defaults."""
    return decode(ChatParams, data) if data else ChatParams()
