"""Chat tasks that ask one thing more of an engine, for the suite that every engine must pass."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tallystick_shared import chat

from .seat import Task

_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


def asking(task: Task, feature: str) -> Task:
    """The same task with one thing more asked of it."""
    values: dict[str, Any] = {
        "json_schema": json.dumps(_SCHEMA), "logprobs": 2, "continues": True, "top_k": 20, "min_p": 0.05,
        "presence_penalty": 0.5, "frequency_penalty": 0.5, "repeat_penalty": 1.1,
    }  # fmt: skip
    wanted = chat.read_input(task.input)
    if feature == "tools":
        wanted = chat.ChatInput(wanted.messages, json.dumps([_TOOL]))
        params = chat.ChatParams(tool_choice="required", temperature=0.0)
    else:
        params = chat.ChatParams(temperature=0.0, **{feature: values[feature]})
    if feature == "continues":
        wanted = chat.ChatInput((*wanted.messages, chat.Message("assistant", "The first of")))
    units = 60 if feature in ("json_schema", "tools") else 8
    return replace(task, input=chat.encode_input(wanted), params=chat.encode_params(params), max_units=units)
