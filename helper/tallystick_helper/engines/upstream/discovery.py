"""What the server is, asked once at the start: its models, its context, and what it can do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tallystick_shared.errors import Code, LocalError

from .. import weights
from ..chat import schema_format
from .errors import Fault
from .flavours import FLAVOURS, Flavour, flavour_of
from .http import Door
from .options import UpstreamOptions
from .stream import Part

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Found:
    """The model's name there and in public, its context in tokens, and the kind of server."""

    model: str
    name: str
    context: int
    flavour: Flavour


async def discover(door: Door, options: UpstreamOptions) -> Found:
    """Raises LocalError ENGINE_FAILED where nothing answers, BAD_SETTINGS where something has to be said that the
    server does not say.
    """
    entry = await _entry(door, options)
    flavour = FLAVOURS[options.flavour] if options.flavour else flavour_of(entry.get("owned_by"))
    model = options.model or str(entry.get("id") or "")
    context = options.context or await _context(door, options, entry)
    if context < 2:
        reason = "the server does not say how long its context is: set context"
        raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason)
    return Found(model, options.name or _public(model), context, flavour)


async def _entry(door: Door, options: UpstreamOptions) -> Mapping[str, Any]:
    """The model's entry in the server's list; without a list, what the settings say has to do."""
    try:
        answer = await door.get(options.base + "/models", _TIMEOUT)
    except Fault as fault:
        if options.model and fault.values.get("kind") == "the server has no such model or path":
            return {}
        raise
    listed = answer.get("data") if isinstance(answer, Mapping) else None
    entries: list[Mapping[str, Any]] = [
        entry for entry in listed or () if isinstance(entry, Mapping) and entry.get("id")
    ]
    named = [entry for entry in entries if entry["id"] == options.model] if options.model else entries
    if len(named) == 1:
        return named[0]
    known = ", ".join(str(entry["id"]) for entry in entries[:8])[:200] or "none"
    reason = "the server has no such model" if options.model else "the server has several models: set model"
    if options.model and not entries:
        return {}
    raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason, known=known)


async def _context(door: Door, options: UpstreamOptions, entry: Mapping[str, Any]) -> int:
    """As vLLM and SGLang say it in the list, llama.cpp in its properties, TabbyAPI of its model; else 0."""
    meta = entry.get("meta")
    known = [entry.get("max_model_len"), meta.get("n_ctx") if isinstance(meta, Mapping) else None]
    with suppress(LocalError):
        if not any(known) and entry.get("owned_by") == "tabbyAPI":
            answer = await door.get(options.base + "/model", _TIMEOUT)
            known.append(answer["parameters"]["max_seq_len"])
    return next((int(value) for value in known if isinstance(value, int) and value > 0), 0)


def _public(model: str) -> str:
    """A name to offer the model under: some servers call it by the path of its file."""
    if model.startswith(("/", "./", "~")) or "\\" in model or model.endswith(".gguf"):
        model = PurePath(model.replace("\\", "/")).name.removesuffix(".gguf")
    return model[:64]


def manifest_of(options: UpstreamOptions, found: Found, files: dict[str, str]) -> str:
    """The provider's own list of the model's files where there is one: they lie on other machines."""
    if options.manifest is None:
        return weights.manifest_json("upstream", found.name, files)
    try:
        listed = json.loads(options.manifest.read_text())
    except (OSError, ValueError) as error:
        reason = f"the manifest cannot be read ({type(error).__name__})"
        raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason) from None
    return json.dumps(listed, sort_keys=True, separators=(",", ":"))


async def make_token(door: Door, body: Mapping[str, Any]) -> list[Part]:
    """The parts that a small request gave; there may be none, where the first token ends the answer. Raises
    LocalError.
    """
    async with aclosing(door.stream("/chat/completions", body)) as parts:
        return [part async for part in parts if isinstance(part, Part)]


async def tried(told: bool | None, trial: Coroutine[Any, Any, bool]) -> bool:
    """What the settings say, else what a trial says. A server that refuses the trial cannot do it; one that is not
    well will show that in the probe after it.
    """
    if told is not None:
        trial.close()
        return told
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await trial
    except (LocalError, TimeoutError):
        return False


async def can_score(door: Door, model: str) -> bool:
    """Do tokens come with log-probabilities?"""
    body = _small(model, 2) | {"logprobs": True, "top_logprobs": 2}
    return any(len(score.top) == 2 for part in await make_token(door, body) for score in part.scores)


async def can_schema(door: Door, model: str) -> bool:
    """Is a schema kept that no answer keeps by chance? Many servers take the field and look no further."""
    schema = {"type": "object", "properties": {"q": {"enum": [7]}}, "required": ["q"], "additionalProperties": False}
    parts = await make_token(door, _small(model, 24) | {"response_format": schema_format(schema)})
    try:
        return bool(json.loads("".join(part.text for part in parts)) == {"q": 7})
    except ValueError:
        return False


def _small(model: str, tokens: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Say yes."}]
    return {"model": model, "messages": messages, "max_tokens": tokens, "temperature": 0}
