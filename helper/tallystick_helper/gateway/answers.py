"""Answers in OpenAI's shape. Beside what its clients know, each carries `tallystick`: who answered and what it cost."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Iterator
from typing import Any

from tallystick_shared.embeddings import read_vectors
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.rpc import to_hex
from tallystick_shared.session.events import Finished, Output

from .deltas import DeltaReader, add_call
from .holdings import Candidate

FINISHES = {"stop": "stop", "length": "length", "time": "length", "cancelled": "stop", "deposit": "length"}
"""Of a stream, as OpenAI calls them: a deposit that is used up, or time that is, ends an answer at its length."""
TEXTS = ("content", "reasoning_content")


def finish_of(end: Finished) -> str:
    """Raises PeerError TRUNCATED where the provider broke off."""
    if end.finish not in FINISHES:
        raise PeerError(Code.TRUNCATED, finish=end.finish)
    return FINISHES[end.finish]


def usage_of(end: Finished, *, output: bool = True) -> dict[str, int]:
    """Units as tokens. Without `output` (vectors are no tokens) the input's alone."""
    prompt, answer = end.input_units, end.units if output else 0
    counted = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    if not output:
        del counted["completion_tokens"]
    return counted


def account_of(one: Candidate, end: Finished) -> dict[str, Any]:
    """What only we tell: the provider, the amount in smallest units and for people, and how the stream ended."""
    return {
        "provider": to_hex(one.provider),
        "deposit": to_hex(one.deposit.channel_id(one.holdings.crypto)),
        "amount": str(end.amount),
        "cost": one.money.show(end.amount),
        "input_units": end.input_units,
        "output_units": end.units,
        "finish": end.finish,
    }


class ChatAnswer:
    """One chat completion as it grows: `chunk` for each piece of a stream, `whole` at once."""

    def __init__(self, one: Candidate) -> None:
        self.one = one
        self._id, self._created = "chatcmpl-" + secrets.token_hex(12), int(time.time())
        self._reader = DeltaReader()
        self._message: dict[str, Any] = {"role": "assistant", "content": ""}
        self._scores: list[dict[str, Any]] = []

    def add(self, output: Output) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A piece; what is new of it, and the log-probabilities of its tokens. Raises PeerError BAD_MESSAGE."""
        delta, scores = self._reader.read(output)
        for field in TEXTS:
            if field in delta:
                self._message[field] = self._message.get(field, "") + delta[field]
        for call in delta.get("tool_calls", ()):
            add_call(self._message.setdefault("tool_calls", []), call)
        self._scores += scores
        return delta, scores

    def opening(self) -> dict[str, Any]:
        """The first chunk of a stream: who speaks."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def chunk(self, output: Output) -> dict[str, Any] | None:
        """Nothing where nothing became whole. Raises PeerError BAD_MESSAGE."""
        delta, scores = self.add(output)
        return self._chunk(delta, None, scores) if delta or scores else None

    def closing(self, end: Finished, *, usage: bool) -> Iterator[dict[str, Any]]:
        """Why it ended, and with `usage` what it came to. Raises PeerError TRUNCATED."""
        last = self._chunk({}, self._finish(end))
        counted = {"usage": usage_of(end), "tallystick": account_of(self.one, end)}
        if not usage:
            yield last | {"tallystick": counted["tallystick"]}
            return
        yield last
        yield self._head("chat.completion.chunk") | {"choices": []} | counted

    def whole(self, end: Finished) -> dict[str, Any]:
        """Raises PeerError TRUNCATED."""
        message = self._message
        if message.get("tool_calls"):
            message = message | {
                "content": message["content"] or None,
                "tool_calls": [{name: value for name, value in call.items() if name != "index"} for call in
                               message["tool_calls"]],
            }  # fmt: skip
        scores = {"content": self._scores} if self._scores else None
        choice = {"index": 0, "message": message, "logprobs": scores, "finish_reason": self._finish(end)}
        counted = {"usage": usage_of(end), "tallystick": account_of(self.one, end)}
        return self._head("chat.completion") | {"choices": [choice]} | counted

    def _finish(self, end: Finished) -> str:
        finish = finish_of(end)
        return "tool_calls" if finish == "stop" and self._message.get("tool_calls") else finish

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self.one.offer.model}

    def _chunk(
        self, delta: dict[str, Any], finish: str | None, scores: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        logprobs = {"content": scores} if scores else None
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return self._head("chat.completion.chunk") | {"choices": [choice]}


def vectors_answer(one: Candidate, data: bytes, count: int, end: Finished, *, packed: bool) -> dict[str, Any]:
    """An embeddings answer. Raises PeerError DEPOSIT_EXHAUSTED where not all vectors came, BAD_MESSAGE where they are
    none.
    """
    if end.units < count:
        # As many as were asked for would be all: it ends at a lesser length where no more could be paid.
        spent = end.finish in ("deposit", "length")
        raise PeerError(Code.DEPOSIT_EXHAUSTED if spent else Code.TRUNCATED, vectors=end.units)
    vectors = read_vectors(data, count)
    size = len(data) // count
    rows = [
        {
            "object": "embedding",
            "index": place,
            "embedding": base64.b64encode(data[place * size : (place + 1) * size]).decode() if packed else list(vector),
        }
        for place, vector in enumerate(vectors)
    ]
    counted = {"usage": usage_of(end, output=False), "tallystick": account_of(one, end)}
    return {"object": "list", "data": rows, "model": one.offer.model} | counted


def model_row(offers: list[Candidate]) -> dict[str, Any]:
    """One model of `GET /v1/models`, by all that can be paid for it now. Prices in whole coins for one unit, as
    OpenRouter has them.
    """
    first = offers[0]
    return {
        "id": first.offer.model,
        "object": "model",
        "created": first.profile.epoch,
        "owned_by": to_hex(first.provider),
        "context_length": max(one.offer.context for one in offers),
        "tallystick": [
            {
                "provider": to_hex(one.provider),
                "kind": one.offer.kind,
                "unit": one.offer.unit,
                "price_in": str(one.offer.price.input),
                "price_out": str(one.offer.price.output),
                "symbol": one.money.symbol,
                "decimals": one.money.decimals,
                "rest": str(one.rest),
            }
            for one in offers
        ],
    }
