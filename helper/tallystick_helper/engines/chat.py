"""The `chat` service as engines of text see it: the decoded conversation and how to answer it."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError, PeerError

from .seat import Task


@dataclass(frozen=True, slots=True)
class ChatTask:
    """A conversation, oldest message first, as (role, content). None leaves a choice to the engine."""

    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    temperature: float | None
    top_p: float | None
    seed: int | None
    stop: tuple[str, ...]
    scope: bytes


def read_chat(task: Task) -> ChatTask:
    """Raises LocalError UNKNOWN_SERVICE, or BAD_REQUEST where the bytes are not a conversation or no token may be
    given.
    """
    if task.service != chat.SERVICE:
        raise LocalError(Code.UNKNOWN_SERVICE, service=task.service[:32])
    if task.max_units < 1:
        raise LocalError(Code.BAD_REQUEST, reason="max_units is below 1")
    try:
        messages = chat.read_input(task.input).messages
        params = chat.read_params(task.params)
    except PeerError as error:
        raise LocalError(Code.BAD_REQUEST, **error.values) from None
    return ChatTask(
        messages=tuple((message.role, message.content) for message in messages),
        max_tokens=task.max_units,
        temperature=params.temperature,
        top_p=params.top_p,
        seed=params.seed,
        stop=tuple(text for text in params.stop if text),
        scope=task.scope,
    )
