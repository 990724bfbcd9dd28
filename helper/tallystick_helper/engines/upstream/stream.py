"""A server's stream as text: what came, of which kind, and why it ended. The odd shapes of OpenAI's API end here.

What is met with: roles and empty deltas before, between and after the text; `content` that is null or a list of parts;
reasoning under three names; whole messages instead of deltas, also as one JSON document where a stream was asked for;
further choices that nobody asked for; a list of usage without choices; logprobs that fill most of an event; no
finish reason at all; an error in the middle, in any of its shapes; an end without `[DONE]`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tallystick_shared.chat import Call, Kind, ScoredToken

from ..events import Reason
from .errors import Fault, error_of_event
from .scores import read_scores

DONE = "[DONE]"
_REASONING = ("reasoning_content", "reasoning", "thinking")
_ANSWER = ("content", "text", "refusal")
_REASONS = {
    "length": Reason.LENGTH,
    "max_tokens": Reason.LENGTH,
    "model_length": Reason.LENGTH,
}
_BROKEN = frozenset({"abort", "aborted", "cancelled", "error", "load", "unload"})
"""Reasons by which a server says that it gave up: no answer ends so."""


@dataclass(frozen=True, slots=True)
class Part:
    """Text that came, or a part of a call (then the text is what the model wrote of it)."""

    text: str
    kind: int = Kind.ANSWER
    scores: tuple[ScoredToken, ...] = ()
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The server's own word that the answer is complete."""

    reason: Reason


class StreamReader:
    """Takes events in order and gives parts; knows in the end why there are no more."""

    def __init__(self, scores: int = 0) -> None:
        """`scores`: how many of the likeliest tokens are told with each that came."""
        self._scores = scores
        self._spoke = False

    def take(self, data: str) -> list[Part | Ended]:
        """The data of one event. Raises LocalError for an error that came, Fault for what is no event."""
        if data.strip() == DONE:
            # Only some servers say nothing else at the end.
            return [Ended(Reason.STOP)] if self._spoke else []
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise Fault("an event that is no JSON") from None
        if (error := error_of_event(found)) is not None:
            raise error
        return self._choices(found.get("choices"))

    def _choices(self, choices: Any) -> list[Part | Ended]:
        parts: list[Part | Ended] = []
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and not choice.get("index"):
                parts += self._choice(choice)
        return parts

    def _choice(self, choice: dict[str, Any]) -> list[Part | Ended]:
        said = next((choice[name] for name in ("delta", "message") if isinstance(choice.get(name), dict)), choice)
        parts: list[Part | Ended] = []
        scores = read_scores(choice.get("logprobs"), self._scores)
        for kind, names in ((Kind.REASONING, _REASONING), (Kind.ANSWER, _ANSWER)):
            # The same reasoning may stand under two names at once.
            if text := next((text for name in names if (text := text_of(said.get(name)))), ""):
                parts.append(Part(text, kind, scores))
                scores = ()
        parts += _calls(said.get("tool_calls"))
        self._spoke = self._spoke or bool(parts) or "role" in said
        if reason := choice.get("finish_reason"):
            if reason in _BROKEN:
                raise Fault("the server gave up")
            parts.append(Ended(_REASONS.get(str(reason), Reason.STOP)))
        return parts


def text_of(content: Any) -> str:
    """The text of a content: a string, null, or a list of parts of which some are text. What cannot be written as
    UTF-8 becomes a question mark in a diamond.
    """
    if isinstance(content, list):
        return "".join(text_of(part.get("text")) for part in content if isinstance(part, dict))
    if not isinstance(content, str):
        return ""
    if content.isascii():
        return content
    return content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _calls(calls: Any) -> list[Part | Ended]:
    """The parts of calls in a delta; what is no call is left out."""
    parts: list[Part | Ended] = []
    for at, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            continue
        index = call.get("index")
        arguments = function.get("arguments")
        if isinstance(arguments, dict):  # Ollama's own way
            arguments = json.dumps(arguments)
        name, arguments = text_of(function.get("name")), text_of(arguments)
        if name or arguments:
            index = index if isinstance(index, int) and 0 <= index < 1 << 16 else at
            made = Call(index, arguments, text_of(call.get("id")), name)
            parts.append(Part(name + arguments, Kind.CALLS, call=made))
    return parts
