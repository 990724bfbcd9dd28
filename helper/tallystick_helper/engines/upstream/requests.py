"""A task as the server takes it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

from ..chat import ChatTask, openai_messages, openai_tool_choice, schema_format
from .flavours import Flavour


class Requests:
    """Writes requests for one model of one server."""

    def __init__(self, model: str, flavour: Flavour, extra: Mapping[str, Any]) -> None:
        self._model, self._flavour, self._extra = model, flavour, dict(extra)
        self._secret = secrets.token_bytes(32)
        """Hides from the server which channels there are."""

    def chat(self, request: ChatTask, max_tokens: int) -> dict[str, Any]:
        """The body of a request for a chat completion, `stream` aside."""
        body: dict[str, Any] = {"model": self._model, "messages": openai_messages(request), "max_tokens": max_tokens}
        for name in ("temperature", "top_p", "seed"):
            if (value := getattr(request, name)) is not None:
                body[name] = value
        for name, theirs in self._flavour.sampling.items():
            if (value := getattr(request, name)) is not None:
                body[theirs] = value
        if request.stop:
            body["stop"] = list(request.stop)
        if request.json_schema is not None:
            body["response_format"] = schema_format(request.json_schema)
        if request.tools:
            body |= {"tools": list(request.tools), "tool_choice": openai_tool_choice(request)}
        if request.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        if request.continues:
            body |= dict(self._flavour.continues or {})
        return self._extra | body | self._cache(request.scope)

    def _cache(self, scope: bytes) -> dict[str, Any]:
        """Nobody can tell by the time to the first token what somebody else asked."""
        if self._flavour.salt:
            own = scope or secrets.token_bytes(16)  # who has no scope shares with nobody
            return {self._flavour.salt: hmac.digest(self._secret, own, hashlib.sha256).hex()}
        return dict(self._flavour.alone)

    def probe(self) -> dict[str, Any]:
        """The shortest request that shows that tokens are made."""
        messages = [{"role": "user", "content": "Say yes."}]
        return self._extra | {"model": self._model, "messages": messages, "max_tokens": 1, "temperature": 0}
