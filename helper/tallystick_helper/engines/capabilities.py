"""What an engine can do with one model, as data: what the node writes offers from and refuses requests by."""

from __future__ import annotations

from dataclasses import dataclass

BASIC = frozenset({"temperature", "top_p", "seed", "stop"})
"""Choices of `chat.ChatParams` that every engine of text honours."""
SAMPLING = BASIC | {"top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty"}
"""All that only change how a token is drawn."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine offers with one model: enough to write an offer from, price aside.

    `unit` is what a price is for. `context` is in units, input and output together. Input units lie between bytes /
    `bytes_per_unit` and bytes + `template_units`, where bytes are those of the encoded input. `manifest` is the sha256
    of `manifest_json`, which lists every file of the model with its own sha256.

    The rest has defaults that promise nothing. What is not promised is refused with UNSUPPORTED, never ignored.
    """

    engine: str
    kind: str
    services: tuple[str, ...]
    model: str
    unit: str
    context: int
    bytes_per_unit: int
    template_units: int
    manifest: bytes
    manifest_json: str
    demo: bool = False
    label: str = ""
    max_input: int = 0
    """The longest input, in units; 0: what the context leaves room for."""
    max_output: int = 0
    """The longest answer, in units; 0: what the context leaves room for. A longer wish ends with `length` there."""
    sampling: frozenset[str] = BASIC
    """The names of those choices of `chat.ChatParams` that are honoured."""
    tools: bool = False
    """The model's own template knows tools."""
    json_schema: bool = False
    """Answers can be made to fit a JSON schema."""
    logprobs: int | None = None
    """How many other tokens it tells beside the one that came; None where it tells no log-probabilities at all."""
    vision: bool = False
    """Messages may hold images."""
    reasoning: bool = False
    """What the model thinks comes apart from what it says."""
    continues: bool = False
    """An answer can go on from text that the assistant is given."""
    quantisation: str = ""
    """As the model's format calls it, such as `Q4_K_M` or `4.65 bpw`."""
    architecture: str = ""
    parameters: int = 0
    """Weights, 0 where not known."""
    size: int = 0
    """Bytes of the model's files."""
    dimensions: int = 0
    """Values in a vector, for models that make vectors."""
    licence: str = ""

    def most(self, units: int) -> int:
        """So many output units may be made where `units` are asked for."""
        return min(units, self.max_output) if self.max_output else units
