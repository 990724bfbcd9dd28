"""What servers add to OpenAI's API, as a table: how each names the choices that OpenAI's does not know.

A server says what it is in `owned_by` of its list of models. One that does not is treated as nothing but OpenAI's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..capabilities import BASIC

_OPENAI = {"presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty"}
_USUAL = _OPENAI | {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"}


@dataclass(frozen=True, slots=True)
class Flavour:
    """One kind of server. `sampling` is our name of a choice and its own; `continues` are the fields with which it
    goes on from the assistant's words, None where it cannot; `alone` keeps a request from sharing a cache with
    others' requests.
    """

    name: str
    sampling: Mapping[str, str] = field(default_factory=lambda: _OPENAI)
    continues: Mapping[str, Any] | None = None
    alone: Mapping[str, Any] = field(default_factory=dict)
    salt: str = ""
    """The field that takes a salt: requests with the same one share a cache."""

    @property
    def honoured(self) -> frozenset[str]:
        return BASIC | frozenset(self.sampling)


_FINAL = {"continue_final_message": True, "add_generation_prompt": False}
OPENAI = Flavour("openai")
FLAVOURS: dict[str, Flavour] = {
    "openai": OPENAI,
    "llamacpp": Flavour("llamacpp", _USUAL | {"repeat_penalty": "repeat_penalty"}, {}, {"cache_prompt": False}),
    "vllm": Flavour("vllm", _USUAL, _FINAL, salt="cache_salt"),
    "sglang": Flavour("sglang", _USUAL, _FINAL),
    "tabbyapi": Flavour("tabbyapi", _USUAL),
    "ollama": Flavour("ollama"),
}
_OWNERS = {"library": "ollama"}


def flavour_of(owned_by: Any) -> Flavour:
    """By what stands in the list of models."""
    name = str(owned_by or "").lower()
    return FLAVOURS.get(_OWNERS.get(name, name), OPENAI)
