"""The words in which servers say no, as codes of ours.

    {"error": {"message": …, "type": …, "code": …}}     OpenAI, llama.cpp, vLLM, SGLang, TabbyAPI
    {"object": "error", "message": …, "code": 400}      older vLLM
    {"error": "…"}                                      Ollama
    {"detail": "…"} or {"detail": [{"msg": …, …}]}      FastAPI
    anything else                                       proxies: HTML, or nothing

A server's message is looked at and dropped: it may quote the prompt. What is told on is a code, and for the provider's
own eyes the HTTP status and the server's name of the kind of error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tallystick_shared.errors import Code, LocalError

MAX_ERROR = 64 << 10
"""Bytes of an error's body that are read."""
_KIND = 48
_BUSY = frozenset({429, 503, 529})
_MOST_RETRY_MS = 60_000
_USUAL_RETRY_MS = 1_000
_TOO_LONG_TYPES = frozenset({"exceed_context_size_error", "context_length_exceeded", "string_above_max_length"})
_TOO_LONG = re.compile(
    r"context (?:length|size|window)|maximum (?:model|sequence|input) len"
    r"|(?:prompt|input) (?:is|was) too (?:long|large)|longer than the (?:model|maximum)"
    r"|exceeds? .{0,40}max(?:imum)?[ _](?:seq|len|context|token|model)",
    re.IGNORECASE,
)


class Fault(LocalError):
    """The server failed: another try, or another server, may do. `wait_ms` is how long to wait before it."""

    def __init__(self, kind: str, *, wait_ms: int = 0, again: bool = True) -> None:
        super().__init__(Code.ENGINE_FAILED, kind=kind[:_KIND])
        self.wait_ms = wait_ms
        self.again = again
        """May the same request be sent once more, if nothing of it was delivered?"""


class Crowded(LocalError):
    """The server is there, but takes nothing now."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(Code.BUSY, retry_after_ms=wait_ms)
        self.wait_ms = wait_ms


def error_of_response(status: int, headers: Mapping[str, str], body: bytes) -> LocalError:
    """What an answer that is no success means for the request."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    return _error(status, headers, found)


def error_of_event(found: Any) -> LocalError | None:
    """An error in the middle of a stream; None where the event is no error."""
    if not isinstance(found, dict):
        return Fault("an event that is no object")
    if found.get("object") != "error" and "error" not in found and "detail" not in found:
        return None
    if "error" in found and not found["error"]:  # some send it beside the choices, empty
        return None
    status = _status(found)
    return _error(status or 500, {}, found)


def _error(status: int, headers: Mapping[str, str], found: Any) -> LocalError:
    kind, message = _words(found)
    if status in (400, 413, 422) or kind in _TOO_LONG_TYPES:
        return _refused(kind, message, found)
    if status in _BUSY:
        return Crowded(retry_after_ms(headers))
    if status in (401, 403):
        return Fault("the server refuses the key", again=False)
    if status == 404:
        return Fault("the server has no such model or path", again=False)
    if 300 <= status < 400:
        return Fault("the server sends elsewhere: give the address that answers", again=False)
    return Fault(f"status {status}" + (f" {kind}" if kind else ""), again=status >= 500)


def _refused(kind: str, message: str, found: Any) -> LocalError:
    if kind not in _TOO_LONG_TYPES and not _TOO_LONG.search(message):
        return LocalError(Code.BAD_REQUEST, reason=kind or "the server refuses it")
    inner = found.get("error") if isinstance(found, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    units, limit = inner.get("n_prompt_tokens"), inner.get("n_ctx")
    known = {"units": units, "limit": limit} if isinstance(units, int) and isinstance(limit, int) else {}
    return LocalError(Code.PROMPT_TOO_LONG, **known)


def _words(found: Any) -> tuple[str, str]:
    """(kind, message) of an error's body, whichever shape it has. The kind is a name, never a sentence."""
    if not isinstance(found, dict):
        return "", ""
    inner = found.get("error", found.get("detail", found))
    if isinstance(inner, list):
        inner = inner[0] if inner and isinstance(inner[0], dict) else {}
    if not isinstance(inner, dict):
        return "", str(inner)
    message = inner.get("message") or inner.get("msg") or ""
    for name in (inner.get("type"), inner.get("code")):
        if isinstance(name, str) and re.fullmatch(r"[A-Za-z_][\w.-]{0,47}", name):
            return name, str(message)
    return "", str(message)


def _status(found: dict[str, Any]) -> int:
    """The HTTP status that an error in a stream names, else 0."""
    inner = found.get("error")
    for place in (inner if isinstance(inner, dict) else {}, found):
        for name in ("code", "status", "status_code"):
            value = place.get(name)
            if isinstance(value, str) and value.isdigit():
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
                return value
    return 0


def retry_after_ms(headers: Mapping[str, str]) -> int:
    """When to come back. Retry-After may be a date too; then, and without it, the usual."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return _USUAL_RETRY_MS
    if not 0 <= seconds < 1 << 31:
        return _USUAL_RETRY_MS
    return min(max(int(seconds * 1000), 100), _MOST_RETRY_MS)
