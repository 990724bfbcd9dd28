"""A chat task as llama.cpp takes it."""

from __future__ import annotations

from tallystick_shared.errors import Code, LocalError

from .chat import ChatTask, openai_messages, openai_tool_choice, schema_format
from .llama import Chunk, GgufOptions

_SAME_NAME = ("top_k", "min_p", "presence_penalty", "frequency_penalty", "seed")


def request_body(request: ChatTask, options: GgufOptions) -> Chunk:
    """The request's body. Raises LocalError UNSUPPORTED for what llama.cpp cannot do together."""
    body: Chunk = {
        **prompt_of(request),
        "max_tokens": request.max_tokens,
        "temperature": options.temperature if request.temperature is None else request.temperature,
        "top_p": options.top_p if request.top_p is None else request.top_p,
        "repeat_penalty": options.repeat_penalty if request.repeat_penalty is None else request.repeat_penalty,
        "stream": True,
        "return_progress": True,
        "timings_per_token": True,
    }
    body |= {name: value for name in _SAME_NAME if (value := getattr(request, name)) is not None}
    if options.ignore_eos:
        body["ignore_eos"] = True
    if request.stop:
        body["stop"] = list(request.stop)
    if request.logprobs is not None:
        if request.tools:
            raise LocalError(Code.UNSUPPORTED, feature="logprobs", reason="not together with tools")
        body |= {"logprobs": True, "top_logprobs": max(1, request.logprobs)}  # 0 would switch them off
    return body


def prompt_of(request: ChatTask) -> Chunk:
    """That part of the body which makes the prompt, or may be found wrong before anything is run: for counting too."""
    body: Chunk = {"messages": openai_messages(request)}
    if request.continues:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.json_schema is not None:
        body["response_format"] = schema_format(request.json_schema)
    if not request.tools or request.tool_choice == "none":
        return body
    choice = openai_tool_choice(request)
    tools = list(request.tools)
    if isinstance(choice, dict):  # llama.cpp knows no choice by name, so it is left no other
        tools = [tool for tool in tools if tool["function"]["name"] == request.tool_choice]
        choice = "required"
    return body | {"tools": tools, "tool_choice": choice}
