"""The conversation of a request in OpenAI's shape, its tools, and the shape that its answer shall have."""

from __future__ import annotations

import json
from typing import Any

from tallystick_shared import chat

from .faults import BadParameter

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
MOST_MESSAGES = 1000


def read_messages(value: Any) -> list[chat.Message]:
    """Raises BadParameter."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_MESSAGES:
        raise BadParameter("messages", f"it is a list of 1 to {MOST_MESSAGES:,} messages")
    return [_message(f"messages.{place}", one) for place, one in enumerate(value)]


def _message(place: str, value: Any) -> chat.Message:
    if not isinstance(value, dict):
        raise BadParameter(place, "it is an object with role and content")
    role = value.get("role")
    if role not in ROLES:
        raise BadParameter(f"{place}.role", f"it is one of {', '.join(ROLES)}")
    if value.get("function_call"):
        raise BadParameter(f"{place}.function_call", "it is not supported; tool_calls is")
    calls, answers = value.get("tool_calls") or [], value.get("tool_call_id") or ""
    if calls and (role != "assistant" or not isinstance(calls, list)):
        raise BadParameter(f"{place}.tool_calls", "it is a list, in messages of the assistant")
    if not isinstance(answers, str) or len(answers) > 128 or bool(answers) != (role == "tool"):
        raise BadParameter(f"{place}.tool_call_id", "messages of the role tool name the call that they answer")
    content = value.get("content")
    text = "" if content is None and calls else _content(f"{place}.content", content)
    return chat.Message(ROLES[role], text, json.dumps(calls) if calls else "", answers)  # type: ignore[arg-type]


def _content(place: str, value: Any) -> str:
    """Text, or the texts of a list of parts, one after the other."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise BadParameter(place, "it is a text or a list of parts")
    texts = []
    for number, part in enumerate(value):
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise BadParameter(f"{place}.{number}", 'only parts of the type "text" are supported')
        texts.append(part["text"])
    return "\n".join(texts)


def read_tools(value: Any) -> str:
    """As the protocol carries them: JSON, empty for none. Raises BadParameter."""
    if not value:
        return ""
    if not isinstance(value, list) or not all(isinstance(one, dict) and one.get("type") == "function" for one in value):
        raise BadParameter("tools", 'it is a list of tools of the type "function"')
    return json.dumps(value)


def read_shape(found: dict[str, Any], *, tools: bool) -> dict[str, Any]:
    """What of `ChatParams` says how the answer looks. Raises BadParameter."""
    values: dict[str, Any] = {}
    if schema := _schema(found.get("response_format")):
        values["json_schema"] = schema
    if found.get("logprobs") not in (None, False, True):
        raise BadParameter("logprobs", "it is true or false")
    top = found.get("top_logprobs") or 0
    if isinstance(top, bool) or not isinstance(top, int) or not 0 <= top <= chat.MOST_SCORES:
        raise BadParameter("top_logprobs", f"it is a whole number up to {chat.MOST_SCORES}")
    if found.get("logprobs"):
        values["logprobs"] = top
    elif top:
        raise BadParameter("top_logprobs", "it needs logprobs: true")
    if tools and (choice := _choice(found.get("tool_choice"))):
        values["tool_choice"] = choice
    return values


def _schema(value: Any) -> str:
    """JSON, `{}` for any object; empty where text is wanted."""
    says = 'it is {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", "json_schema": {"schema": …}}'
    if value is None or value == {"type": "text"}:
        return ""
    if value == {"type": "json_object"}:
        return "{}"
    if not isinstance(value, dict) or value.get("type") != "json_schema":
        raise BadParameter("response_format", says)
    named = value.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise BadParameter("response_format.json_schema.schema", says)
    return json.dumps(schema)


def _choice(value: Any) -> str:
    """`none`, `required` or a tool's name; empty is `auto`."""
    if value in (None, "auto"):
        return ""
    if value in ("none", "required"):
        return str(value)
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadParameter("tool_choice", "it is auto, none, required, or an object that names a function")
    return str(function["name"])
