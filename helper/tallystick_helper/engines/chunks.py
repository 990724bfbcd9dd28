"""llama.cpp's stream as pieces: which text has left the model, and how many tokens it stands for.

Each chunk says how many tokens were decoded when it was made. A chunk with text stands for all tokens since the last
such chunk, so a character of several tokens is counted with the piece that completes it, and what never became text
is never counted:

- the token that ends an answer has no text;
- text that might be the beginning of a stop string is held back by llama.cpp, and dropped if it was one;
- the first part of a character that is cut off by the limit is dropped.

One case needs care. Where held-back text comes out because the answer ended, its chunk already counts the end token.
Held-back text exists only where the request has stop strings; then each piece waits for the chunk after it, and one
token is taken off again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError, TallystickError

from .events import Piece, Reason
from .llama import Chunk, error_of

_FIELDS = (("reasoning_content", chat.Kind.REASONING), ("content", chat.Kind.ANSWER))
_LEAST_LOGPROB = -1e9  # what has no chance at all is minus infinity, which JSON cannot say


def prompt_is_read(chunk: Chunk) -> bool:
    """True from the chunk on that reports the last of the prompt; progress comes before any text."""
    progress = chunk.get("prompt_progress")
    return progress is None or progress["processed"] >= progress["total"]


@dataclass(frozen=True, slots=True)
class _Text:
    data: bytes
    kind: int
    decoded: int
    tokens: tuple[chat.ScoredToken, ...] = ()


class ChunkReader:
    """Takes chunks in order, from any one thread, and calls `emit` with pieces. `hold` where the request has stop
    strings; `scored` is how many other tokens to tell with each, None where log-probabilities were not asked for.
    """

    def __init__(self, emit: Callable[[Piece], None], hold: bool = False, scored: int | None = None) -> None:
        self._emit = emit
        self._hold = hold
        self._scored = scored
        self._held: _Text | None = None
        self._counted = 0
        self._reason: Reason | None = None
        self._error: TallystickError | None = None

    def take(self, chunk: Chunk) -> None:
        """One chunk in OpenAI's shape, with `timings`."""
        if "error" in chunk:
            self._error = error_of(chunk["error"])
        decoded = int(chunk.get("timings", {}).get("predicted_n", self._counted))
        for choice in chunk.get("choices", ()):
            tokens = () if self._scored is None else scored_tokens(choice.get("logprobs"), self._scored)
            self._take_delta(choice.get("delta", {}), decoded, tokens)
            if choice.get("finish_reason"):
                self._take_finish(choice["finish_reason"], decoded)

    def end(self, cancelled: bool = False) -> Reason:
        """After the last chunk: why it ended. Raises the error that came, or ENGINE_FAILED where the stream just
        broke off.
        """
        self._flush()
        if self._error:
            raise self._error
        if self._reason is None and not cancelled:
            raise LocalError(Code.ENGINE_FAILED, kind="the stream broke off")
        return self._reason or Reason.CANCELLED

    def _take_delta(self, delta: dict[str, Any], decoded: int, tokens: tuple[chat.ScoredToken, ...]) -> None:
        found = [_Text((delta.get(field) or "").encode(), kind, decoded, tokens) for field, kind in _FIELDS]
        found += [_Text(chat.frame(call), chat.Kind.CALLS, decoded) for call in calls_of(delta)]
        for text in found:
            if text.data:
                self._flush()
                self._held = text
                if not self._hold:
                    self._flush()

    def _take_finish(self, reason: str, decoded: int) -> None:
        self._reason = Reason.LENGTH if reason == "length" else Reason.STOP
        if self._reason is Reason.STOP and self._held and self._held.decoded == decoded:
            self._held = replace(self._held, decoded=decoded - 1)
        self._flush()

    def _flush(self) -> None:
        if self._held is None:
            return
        text, self._held = self._held, None
        # Control tokens have no text: never count more tokens than bytes.
        units = min(max(text.decoded - self._counted, 0), len(text.data))
        self._counted = max(text.decoded, self._counted)
        if self._scored is None or text.kind == chat.Kind.CALLS:
            self._emit(Piece(text.data, units, text.kind))
        else:
            scored = chat.Scored(text.data.decode(errors="replace"), text.tokens, text.kind)
            self._emit(Piece(chat.frame(scored), units, chat.Kind.SCORED))


def scored_tokens(logprobs: Any, most: int) -> tuple[chat.ScoredToken, ...]:
    """OpenAI's `logprobs` of a choice, with the ids that llama.cpp adds. A character of several tokens comes with the
    last of them alone.
    """
    entries = logprobs.get("content") or () if isinstance(logprobs, dict) else ()
    return tuple(
        chat.ScoredToken(_score(entry), tuple(_score(other) for other in entry.get("top_logprobs", ())[:most]))
        for entry in entries
    )


def _score(entry: dict[str, Any]) -> chat.Score:
    data = entry.get("bytes")
    text = bytes(data) if data is not None else str(entry.get("token", "")).encode()
    return chat.Score(int(entry.get("id", -1)), text, max(float(entry["logprob"]), _LEAST_LOGPROB))


def calls_of(delta: dict[str, Any]) -> list[chat.Call]:
    """The parts of calls of tools in OpenAI's delta."""
    found = []
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        arguments, name = function.get("arguments") or "", function.get("name") or ""
        found.append(chat.Call(int(call.get("index", 0)), arguments, call.get("id") or "", name))
    return found
