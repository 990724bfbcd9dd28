"""Requests in OpenAI's shape, read into the protocol's: what is supported is carried over, what changes nothing is
passed over, and all else is refused by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick_shared import chat, embeddings
from tallystick_shared.messages import encode

from .choice import Preference, read_preference
from .dialogue import read_messages, read_shape, read_tools
from .faults import BadParameter
from .line import Asked

HARMLESS = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "parallel_tool_calls",
        "reasoning_effort",
        "verbosity",
        "prediction",
    }
)
"""They steer bookkeeping or speed elsewhere; without them the answer is the same kind of answer."""
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logit_bias": ({},),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),
}
"""Not supported, but taken at the value that asks for nothing. null is always that."""
READ = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "provider"})
FLOATS = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty")
SAMPLING = frozenset({*FLOATS, "seed", "stop", "top_k"})
SHAPE = frozenset({"response_format", "logprobs", "top_logprobs", "tools", "tool_choice"})
MOST_TEXTS = 2048
"""Of one embeddings request, as OpenAI has it."""


@dataclass(frozen=True)
class ChatWish:
    """A chat completion: what is asked of whom, whether it comes as a stream, and whether that ends with usage."""

    asked: Asked
    preference: Preference
    stream: bool
    usage: bool


@dataclass(frozen=True)
class EmbeddingsWish:
    """Vectors of `count` texts, as lists of numbers or as base64 of little-endian float32."""

    asked: Asked
    preference: Preference
    count: int
    base64: bool


def read_chat(body: Any, most: int) -> ChatWish:
    """`most` output units where the request names no limit. Raises BadParameter."""
    found = _known(body, READ | SAMPLING | SHAPE)
    _neutral(found)
    stream = _typed(found, "stream", bool) or False
    options = _typed(found, "stream_options", dict) or {}
    usage = _typed(options, "include_usage", bool, "stream_options.") or False
    units = _units(found) or most
    messages, tools = read_messages(found.get("messages")), read_tools(found.get("tools"))
    data = chat.encode_input(chat.ChatInput(tuple(messages), tools))
    params = _params(found, tools=bool(tools), continues=messages[-1].role == "assistant")
    asked = Asked(chat.SERVICE, _model(found), params, data, units)
    return ChatWish(asked, read_preference(found.get("provider")), stream, usage)


def read_embeddings(body: Any) -> EmbeddingsWish:
    """Raises BadParameter."""
    found = _known(body, frozenset({"model", "input", "encoding_format", "dimensions", "provider"}))
    texts = found.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        raise BadParameter("input", "it is a text or a list of texts; tokens are not taken")
    if len(texts) > MOST_TEXTS or not all(texts):
        raise BadParameter("input", f"it holds at most {MOST_TEXTS} texts, and none is empty")
    form = found.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise BadParameter("encoding_format", "it is float or base64")
    params = b""
    if found.get("dimensions") is not None:
        values = {"dimensions": found["dimensions"]}
        params = encode(_fitting(embeddings.EmbeddingsParams, values))
    asked = Asked(embeddings.SERVICE, _model(found), params, embeddings.embeddings_input(texts), len(texts))
    return EmbeddingsWish(asked, read_preference(found.get("provider")), len(texts), form == "base64")


def _known(body: Any, names: frozenset[str]) -> dict[str, Any]:
    """The request without what is harmless. Raises BadParameter for what is not known."""
    if not isinstance(body, dict):
        raise BadParameter("body", "it is a JSON object")
    found = {name: value for name, value in body.items() if name not in HARMLESS}
    for name in found:
        if name not in names and name not in NEUTRAL:
            raise BadParameter(str(name)[:64], "it is not supported here")
    return found


def _neutral(found: dict[str, Any]) -> None:
    for name, values in NEUTRAL.items():
        value = found.get(name)
        if value is not None and value not in values:
            raise BadParameter(name, "it is not supported by what is served here; leave it out")


def _typed(found: dict[str, Any], name: str, kind: type, prefix: str = "") -> Any:
    value = found.get(name)
    if value is not None and not isinstance(value, kind):
        words = {bool: "true or false", dict: "an object"}
        raise BadParameter(prefix + name, f"it is {words[kind]}")
    return value


def _model(found: dict[str, Any]) -> str:
    model = found.get("model")
    if not isinstance(model, str) or not model:
        raise BadParameter("model", "it is one of those that GET /v1/models lists")
    return model


def _units(found: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = found.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 31:
            raise BadParameter(name, "it is a whole number of at least 1")
        return value
    return None


def _params(found: dict[str, Any], *, tools: bool, continues: bool) -> bytes:
    values = {name: found[name] for name in SAMPLING if found.get(name) is not None}
    stop = values.pop("stop", None)
    if stop is not None:
        values["stop"] = [stop] if isinstance(stop, str) else stop
    # JSON has whole numbers where a float is meant, and a penalty of nothing is none.
    values |= {name: float(values[name]) for name in FLOATS if type(values.get(name)) is int}
    values = {name: value for name, value in values.items() if not (name.endswith("_penalty") and value == 0)}
    values |= read_shape(found, tools=tools)
    if continues:
        values["continues"] = True
    return chat.encode_params(_fitting(chat.ChatParams, values))


def _fitting(kind: type[Any], values: dict[str, Any]) -> Any:
    """A structure of the protocol with its fields checked. Raises BadParameter with the field's name."""
    for name, value in values.items():
        try:
            msgspec.convert([value], list[_field(kind, name)])  # type: ignore[misc]
        except msgspec.ValidationError as error:
            raise BadParameter(name, str(error).split(" - at")[0].replace("`", "'")) from None
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _field(kind: type[Any], name: str) -> Any:
    return next(one.type for one in msgspec.structs.fields(kind) if one.name == name)
