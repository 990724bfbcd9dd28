"""The input units of a conversation, before anything is charged: by a tokenizer of the node's own, else by the server
where it counts, else by an estimate from the bytes (decision 20).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tallystick_shared.errors import Code, LocalError

from ..chat import ChatTask, openai_messages
from .http import Door
from .options import UpstreamOptions
from .units import estimate

Ask = Callable[[ChatTask], Awaitable[int]]
_TIMEOUT = 30.0
_KEPT = 256
_SAMPLE = [{"role": "user", "content": ""}]
# Where servers count a conversation, and how they name the outcome.
_PLACES: tuple[tuple[str, str, str], ...] = (
    ("/v1/chat/completions/input_tokens", "messages", "input_tokens"),  # llama.cpp
    ("/tokenize", "messages", "count"),  # vLLM, SGLang
    ("/v1/token/encode", "text", "length"),  # TabbyAPI
)


class ServerCount:
    """A server that counts."""

    def __init__(self, door: Door, root: str, model: str, place: tuple[str, str, str]) -> None:
        self._door, self._model = door, model
        path, self._field, self._outcome = place
        self._url = root + path

    async def messages(self, messages: list[dict[str, Any]], tools: list[Any]) -> int:
        """Raises LocalError where the server does not say."""
        body: dict[str, Any] = {"model": self._model, self._field: messages}
        if tools:
            body["tools"] = tools
        answer = await self._door.post(self._url, body, _TIMEOUT)
        units = answer.get(self._outcome) if isinstance(answer, Mapping) else None
        if not isinstance(units, int) or isinstance(units, bool) or units < 0:
            raise LocalError(Code.ENGINE_FAILED, kind="the server does not count")
        return units

    async def __call__(self, request: ChatTask) -> int:
        return await self.messages(openai_messages(request), list(request.tools))


async def find_server_count(door: Door, options: UpstreamOptions, model: str) -> tuple[ServerCount, int] | None:
    """The first place that counts an empty message, with what that comes to; None where none does."""
    for place in _PLACES:
        count = ServerCount(door, options.root, model, place)
        try:
            if units := await count.messages(_SAMPLE, []):
                return count, units
        except LocalError:
            continue
    return None


async def estimated(request: ChatTask) -> int:
    """Where nobody counts."""
    return estimate(request.messages) + len(str(request.tools or "")) // 4


class Bounded:
    """Counts within what the offer promises, and remembers the last counts: one request is counted twice, before it
    is charged and when it starts. What is kept is a digest and a number, for its scope alone: how fast a count comes
    must tell nobody what others asked.
    """

    def __init__(self, ask: Ask, bytes_per_unit: int, template_units: int) -> None:
        self._ask, self._least, self._template = ask, bytes_per_unit, template_units
        self._known: OrderedDict[bytes, int] = OrderedDict()

    async def units(self, data: bytes, request: ChatTask) -> int:
        """Of an encoded input and what it holds. Raises LocalError."""
        digest = hashlib.sha256(hashlib.sha256(request.scope).digest() + data).digest()
        if (known := self._known.get(digest)) is not None:
            return known
        size = len(data)
        units = min(max(await self._ask(request), size // self._least, 1), size + self._template)
        self._known[digest] = units
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return units
