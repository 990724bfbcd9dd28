"""What a node is told of the server it stands before: where it is, its key, and how patient to be with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tallystick_shared.errors import Code, LocalError

from .flavours import FLAVOURS

KEY_ENV = "TALLYSTICK_UPSTREAM_KEY"
_OURS = frozenset({"messages", "model", "stream", "max_tokens", "stop", "n"})


class ApiKey:
    """A key that no `print`, log line, traceback or pickle shows. Empty where the server asks for none."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def headers(self) -> dict[str, str]:
        """For requests to the server, and for nothing else."""
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "ApiKey(…)" if self._value else "ApiKey()"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a key is not pickled")


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """How a server that speaks OpenAI's API is used. Times are in seconds.

    Raises LocalError BAD_SETTINGS for what makes no sense.
    """

    url: str = ""
    """Its address, with or without `/v1`."""
    model: str = ""
    """The model's name there; empty takes the only one."""
    name: str = ""
    """The model's public name; empty takes `model`."""
    context: int = 0
    """Input and output together, in tokens; 0 asks the server."""
    key_env: str = KEY_ENV
    """The environment's variable that holds the key."""
    key_file: Path | None = None
    """A file that holds the key; it comes before the environment."""
    tokenizer: Path | None = None
    """A `tokenizer.json`, its folder or a GGUF file, to count units by. Without it see `units`."""
    slots: int = 8
    queue: int = 16
    connect_timeout: float = 10.0
    first_timeout: float = 300.0
    """From the request to the first piece, so with reading the prompt."""
    next_timeout: float = 60.0
    """From one piece to the next."""
    patience: float = 30.0
    """How long a request that is charged already is tried again, while nothing of it was delivered."""
    probe_interval: float = 60.0
    """Between the probes that make one token; traffic that flows saves them."""
    probe_timeout: float = 60.0
    flavour: str = ""
    """The kind of server (`flavours`); empty goes by what it says of itself."""
    tools: bool = False
    """The model's template knows tools: no server says so."""
    json_schema: bool | None = None
    """Answers can be made to fit a schema; where not set, it is tried at the start. So too the next."""
    logprobs: bool | None = None
    reasoning: bool = False
    """The server sends what the model thinks apart from its answer."""
    manifest: Path | None = None
    """A JSON document that lists the model's files with their sha256, for whoever wants to check the answers."""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Further fields of each request, as the server takes them: `repetition_penalty`, say."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> UpstreamOptions:
        """From settings. Raises TypeError for names that are not known."""
        paths = {name: Path(values[name]) for name in ("key_file", "tokenizer", "manifest") if values.get(name)}
        return cls(**{**values, **paths})

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason="url begins with http:// or https://")
        if parts.username or parts.password or parts.query or parts.fragment:
            reason = "url holds an address alone; the key comes from key_file or the environment"
            raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason)
        times = (self.connect_timeout, self.first_timeout, self.next_timeout, self.probe_interval, self.probe_timeout)
        if self.slots < 1 or min(self.queue, self.context) < 0 or min(times) <= 0 or self.patience < 0:
            raise LocalError(Code.BAD_SETTINGS, engine="upstream", slots=self.slots, context=self.context)
        if self.flavour and self.flavour not in FLAVOURS:
            raise LocalError(Code.BAD_SETTINGS, engine="upstream", flavour=self.flavour, known=", ".join(FLAVOURS))
        if taken := _OURS & set(self.extra):
            raise LocalError(Code.BAD_SETTINGS, engine="upstream", extra=", ".join(sorted(taken)))

    @property
    def root(self) -> str:
        """The address without `/v1`, where servers keep what is not OpenAI's."""
        return self.url.rstrip("/").removesuffix("/v1").rstrip("/")

    @property
    def base(self) -> str:
        """The address that OpenAI's paths follow."""
        return self.root + "/v1"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def key(self) -> ApiKey:
        """Raises LocalError BAD_SETTINGS where the key that is named is not there."""
        if self.key_file is not None:
            try:
                return ApiKey(self.key_file.read_text().strip())
            except (OSError, UnicodeDecodeError) as error:
                reason = f"key_file cannot be read ({type(error).__name__})"
                raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason) from None
        value = os.environ.get(self.key_env, "").strip()
        if not value and self.key_env != KEY_ENV:
            reason = f"the environment has no {self.key_env}"
            raise LocalError(Code.BAD_SETTINGS, engine="upstream", reason=reason)
        return ApiKey(value)
