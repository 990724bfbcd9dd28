"""The `chat` service as engines of text see it: the decoded conversation and how to answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError, PeerError

from .capabilities import SAMPLING, Capabilities
from .seat import Task

_MOST_TOOLS = 128


@dataclass(frozen=True, slots=True)
class ChatTask:
    """A conversation, oldest message first, as (role, content), and how to answer it. None leaves a choice to the
    engine. `turns` is the conversation with all that the service knows of it, `tools` is in OpenAI's shape.
    """

    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    scope: bytes = b""
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    json_schema: dict[str, Any] | None = None
    logprobs: int | None = None
    continues: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str = ""
    turns: tuple[chat.Message, ...] = ()


def read_chat(task: Task, able: Capabilities | None = None) -> ChatTask:
    """The task, checked against what the model is able to do; without `able` only what every engine honours passes.

    Raises LocalError UNKNOWN_SERVICE; BAD_REQUEST where the bytes are not a conversation or no token may be given;
    UNSUPPORTED with the `feature` that the model lacks.
    """
    if task.service != chat.SERVICE:
        raise LocalError(Code.UNKNOWN_SERVICE, service=task.service[:32])
    if task.max_units < 1:
        raise LocalError(Code.BAD_REQUEST, reason="max_units is below 1")
    try:
        wanted = chat.read_input(task.input)
        params = chat.read_params(task.params)
    except PeerError as error:
        raise LocalError(Code.BAD_REQUEST, **error.values) from None
    _check_able(wanted, params, able or _LEAST)
    turns = wanted.messages
    if params.continues != (turns[-1].role == "assistant"):
        raise LocalError(Code.BAD_REQUEST, reason="to go on, the last message is the assistant's, and no other")
    tools = _tools(wanted.tools)
    _check_choice(params.tool_choice, tools)
    plain = {name: getattr(params, name) for name in SAMPLING - {"stop"}}
    return ChatTask(
        messages=tuple((message.role, message.content) for message in turns),
        max_tokens=able.most(task.max_units) if able else task.max_units,
        stop=tuple(text for text in params.stop if text),
        scope=task.scope,
        json_schema=_object(params.json_schema, "json_schema") if params.json_schema else None,
        logprobs=params.logprobs,
        continues=params.continues,
        tools=tools,
        tool_choice=params.tool_choice,
        turns=turns,
        **plain,
    )


_LEAST = Capabilities("", "text", (chat.SERVICE,), "", "token", 0, 0, 0, b"", "")


def _check_able(wanted: chat.ChatInput, params: chat.ChatParams, able: Capabilities) -> None:
    usual = chat.ChatParams()
    asked = {name for name in SAMPLING if getattr(params, name) != getattr(usual, name)}
    has_tools = bool(wanted.tools) or any(turn.tool_calls or turn.role == "tool" for turn in wanted.messages)
    lacks = {
        "tools": (has_tools or params.tool_choice not in ("", "none")) and not able.tools,
        "json_schema": bool(params.json_schema) and not able.json_schema,
        "logprobs": params.logprobs is not None and (able.logprobs is None or params.logprobs > able.logprobs),
        "continues": params.continues and not able.continues,
        **dict.fromkeys(sorted(asked - able.sampling), True),
    }
    for feature, lacking in lacks.items():
        if lacking:
            raise LocalError(Code.UNSUPPORTED, feature=feature)


def _tools(text: str) -> tuple[dict[str, Any], ...]:
    if not text:
        return ()
    tools = _json(text, "tools")
    if not isinstance(tools, list) or not 1 <= len(tools) <= _MOST_TOOLS:
        raise LocalError(Code.BAD_REQUEST, reason="tools is not a list of tools")
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise LocalError(Code.BAD_REQUEST, reason="a tool is not a function with a name")
    return tuple(tools)


def _check_choice(choice: str, tools: tuple[dict[str, Any], ...]) -> None:
    if choice in ("", "auto", "none") or (choice == "required" and tools):
        return
    if choice not in (tool["function"]["name"] for tool in tools):
        raise LocalError(Code.BAD_REQUEST, reason="tool_choice names no tool of the request")


def _object(text: str, what: str) -> dict[str, Any]:
    value = _json(text, what)
    if not isinstance(value, dict):
        raise LocalError(Code.BAD_REQUEST, reason=f"{what} is not an object")
    return value


def _json(text: str, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise LocalError(Code.BAD_REQUEST, reason=f"{what} is not JSON") from None


def openai_messages(request: ChatTask) -> list[dict[str, Any]]:
    """The conversation in OpenAI's shape. Raises LocalError BAD_REQUEST where calls of tools are not JSON."""
    if not request.turns:
        return [{"role": role, "content": content} for role, content in request.messages]
    found: list[dict[str, Any]] = []
    for turn in request.turns:
        message: dict[str, Any] = {"role": turn.role, "content": turn.content}
        if turn.tool_calls:
            message["tool_calls"] = _json(turn.tool_calls, "tool_calls")
        if turn.tool_call_id:
            message["tool_call_id"] = turn.tool_call_id
        found.append(message)
    return found


def openai_tool_choice(request: ChatTask) -> Any:
    """`tool_choice` in OpenAI's shape."""
    if request.tool_choice in ("auto", "none", "required"):
        return request.tool_choice
    return {"type": "function", "function": {"name": request.tool_choice}} if request.tool_choice else "auto"


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    """`response_format` in OpenAI's shape."""
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
