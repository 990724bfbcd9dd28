"""Pieces of a chat answer as OpenAI's deltas: text, reasoning, scored tokens, calls of tools."""

from __future__ import annotations

import codecs
from typing import Any

from tallystick_shared.chat import Call, FrameReader, Kind, Score, Scored, ScoredToken
from tallystick_shared.session.events import Output

FIELDS = {Kind.ANSWER: "content", Kind.REASONING: "reasoning_content"}
Delta = dict[str, Any]


class DeltaReader:
    """Of one answer. A character or a frame that is cut waits for its rest; kinds that are not known are left out."""

    def __init__(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {kind: decoder("replace") for kind in FIELDS}
        self._scored, self._calls = FrameReader(Scored), FrameReader(Call)

    def read(self, output: Output) -> tuple[Delta, list[dict[str, Any]]]:
        """What is new, and the log-probabilities of its tokens. Raises PeerError BAD_MESSAGE."""
        if output.kind == Kind.SCORED:
            return self._score(output.data)
        if output.kind == Kind.CALLS:
            calls = [_call(one) for one in self._calls.feed(output.data)]
            return ({"tool_calls": calls} if calls else {}), []
        if output.kind not in self._decoders:
            return {}, []
        kind = Kind(output.kind)
        text = self._decoders[kind].decode(output.data)
        return ({FIELDS[kind]: text} if text else {}), []

    def _score(self, data: bytes) -> tuple[Delta, list[dict[str, Any]]]:
        delta: Delta = {}
        scores: list[dict[str, Any]] = []
        for one in self._scored.feed(data):
            field = FIELDS.get(Kind(one.kind), "content") if one.kind in list(Kind) else "content"
            if one.text:
                delta[field] = delta.get(field, "") + one.text
            scores += [_scored(token) for token in one.tokens]
        return delta, scores


def add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """A part of a call joins what came of it."""
    for known in calls:
        if known["index"] == part["index"]:
            known["function"]["arguments"] += part["function"]["arguments"]
            return
    function = {"name": "", "arguments": "", **part["function"]}
    calls.append({"index": part["index"], "id": part.get("id", ""), "type": "function", "function": function})


def _call(one: Call) -> dict[str, Any]:
    function: dict[str, str] = {"arguments": one.arguments}
    if one.name:
        function = {"name": one.name, **function}
    found: dict[str, Any] = {"index": one.index, "function": function}
    return found | ({"id": one.id, "type": "function"} if one.id else {})


def _scored(token: ScoredToken) -> dict[str, Any]:
    return {**_score(token.chosen), "top_logprobs": [_score(one) for one in token.top]}


def _score(one: Score) -> dict[str, Any]:
    text = one.data.decode(errors="replace")
    return {"token": text, "logprob": one.logprob, "bytes": list(one.data)}
