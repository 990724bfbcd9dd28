"""A small Llama in numpy, single precision: the reference that needs no GPU and no PyTorch.

It reads what Llama's architecture is made of (RMS norm, rotary positions, grouped queries, SwiGLU), from an EXL2
folder, plain safetensors or a GGUF file. Several sequences go through the linear layers as one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tallystick_shared.errors import Code, LocalError

from .folder import text_config
from .rope import frequencies, turn
from .tensors import Tensors

Floats = npt.NDArray[np.float32]
FIRST_VECTOR = 1_000_000_000
"""Ids from here on stand for vectors that a request brings along, as in exllamav2."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What `config.json` says of a Llama."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    epsilon: float
    theta: float
    scaling: dict[str, Any] | None

    @classmethod
    def of(cls, config: dict[str, Any]) -> Shape:
        """Raises LocalError BAD_SETTINGS for another architecture, or where something is missing."""
        known = config.get("architectures") or ["?"]
        found = text_config(config)
        if "LlamaForCausalLM" not in known:
            raise LocalError(Code.BAD_SETTINGS, architecture=str(known[0])[:64], known=["LlamaForCausalLM"])
        odd = [key for key in ("attention_bias", "mlp_bias", "sliding_window") if found.get(key)]
        if odd or found.get("hidden_act", "silu") != "silu":
            raise LocalError(
                Code.BAD_SETTINGS, reason="the reference reads plain Llamas only", found=odd or ["hidden_act"]
            )
        rope = found.get("rope_parameters") or {}
        try:
            heads, width = int(found["num_attention_heads"]), int(found["hidden_size"])
            return cls(
                vocabulary=int(found["vocab_size"]),
                width=width,
                layers=int(found["num_hidden_layers"]),
                heads=heads,
                kv_heads=int(found.get("num_key_value_heads") or heads),
                head=int(found.get("head_dim") or width // heads),
                epsilon=float(found.get("rms_norm_eps", 1e-6)),
                theta=float(found.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
                scaling=found.get("rope_scaling") or (rope or None),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LocalError(Code.BAD_SETTINGS, reason=f"config.json: {error}"[:200]) from error


@dataclass(frozen=True, slots=True)
class Vectors:
    """Embeddings that a request brings along, (length, width), for ids from `first_index` on."""

    first_index: int
    embeddings: Floats

    @property
    def length(self) -> int:
        return len(self.embeddings)


class Memory:
    """Keys and values of one sequence: (layers, kv_heads, room, head) each, `length` of it filled."""

    def __init__(self, shape: Shape, room: int) -> None:
        self.keys: Floats = np.zeros((shape.layers, shape.kv_heads, room, shape.head), np.float32)
        self.values: Floats = np.zeros_like(self.keys)
        self.length = 0

    def take(self, other: Memory, length: int) -> None:
        """Begin as the first `length` positions of another sequence."""
        self.keys[:, :, :length] = other.keys[:, :, :length]
        self.values[:, :, :length] = other.values[:, :, :length]
        self.length = length


@dataclass(frozen=True, slots=True)
class Span:
    """Ids to be read next into a sequence's memory. The memory must have room for them."""

    ids: Sequence[int]
    memory: Memory
    vectors: Sequence[Vectors] = ()


@dataclass(frozen=True, slots=True)
class _Layer:
    norm: Floats
    qkv: Floats
    out: Floats
    after: Floats
    gate_up: Floats
    down: Floats


class Llama:
    """The model. Not safe to call from several threads with one memory."""

    def __init__(self, config: dict[str, Any], tensors: Tensors) -> None:
        self.shape = shape = Shape.of(config)
        self._embedding = tensors.plain("model.embed_tokens.weight")
        self._layers = [_read_layer(tensors, f"model.layers.{index}.") for index in range(shape.layers)]
        self._norm = tensors.plain("model.norm.weight")
        # Outputs may be padded to a multiple of 32; what lies beyond the vocabulary is no token.
        self._head = (
            tensors.linear("lm_head")[:, : shape.vocabulary]
            if tensors.has("lm_head")
            else np.ascontiguousarray(self._embedding.T)
        )
        self._turns = frequencies(shape.head, shape.theta, shape.scaling)

    def memory(self, room: int) -> Memory:
        return Memory(self.shape, room)

    def embed(self, ids: Sequence[int], vectors: Sequence[Vectors] = ()) -> Floats:
        """(ids, width). Ids from `FIRST_VECTOR` on are looked up in `vectors`."""
        rows = self._embedding[[token if token < FIRST_VECTOR else 0 for token in ids]]
        for index, token in enumerate(ids):
            for found in vectors:
                if found.first_index <= token < found.first_index + found.length:
                    rows[index] = found.embeddings[token - found.first_index]
        return rows

    def read(self, spans: Sequence[Span], *, logits: str = "last") -> Floats:
        """Read each span behind what its memory holds. Logits (rows, vocabulary) of each span's last id, of `all` ids
        in order, or (0, vocabulary) for `none`.
        """
        positions = np.concatenate(
            [np.arange(span.memory.length, span.memory.length + len(span.ids)) for span in spans]
        )
        angles = positions[:, None] * self._turns
        cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        state = np.concatenate([self.embed(span.ids, span.vectors) for span in spans])
        for index, layer in enumerate(self._layers):
            state += self._attend(index, layer, _norm(state, layer.norm, self.shape.epsilon), spans, cos, sin)
            state += _feed(layer, _norm(state, layer.after, self.shape.epsilon))
        for span in spans:
            span.memory.length += len(span.ids)
        if logits == "none":
            return np.empty((0, self.shape.vocabulary), np.float32)
        if logits == "last":
            state = state[np.cumsum([len(span.ids) for span in spans]) - 1]
        return _norm(state, self._norm, self.shape.epsilon) @ self._head

    def _attend(
        self, index: int, layer: _Layer, state: Floats, spans: Sequence[Span], cos: Floats, sin: Floats
    ) -> Floats:
        shape, rows = self.shape, len(state)
        mixed = state @ layer.qkv
        inner, outer = shape.heads * shape.head, shape.kv_heads * shape.head
        queries = turn(mixed[:, :inner].reshape(rows, shape.heads, shape.head), cos, sin)
        keys = turn(mixed[:, inner : inner + outer].reshape(rows, shape.kv_heads, shape.head), cos, sin)
        values = mixed[:, inner + outer :].reshape(rows, shape.kv_heads, shape.head)
        out = np.empty((rows, inner), np.float32)
        start = 0
        for span in spans:
            taken = slice(start, start + len(span.ids))
            begin, end = span.memory.length, span.memory.length + len(span.ids)
            span.memory.keys[index, :, begin:end] = keys[taken].transpose(1, 0, 2)
            span.memory.values[index, :, begin:end] = values[taken].transpose(1, 0, 2)
            out[taken] = _attention(
                queries[taken], span.memory.keys[index, :, :end], span.memory.values[index, :, :end]
            )
            start = taken.stop
        return out @ layer.out


def _read_layer(tensors: Tensors, at: str) -> _Layer:
    attention, mlp = f"{at}self_attn.", f"{at}mlp."
    return _Layer(
        norm=tensors.plain(f"{at}input_layernorm.weight"),
        qkv=np.concatenate([tensors.linear(f"{attention}{name}_proj") for name in "qkv"], axis=1),
        out=tensors.linear(f"{attention}o_proj"),
        after=tensors.plain(f"{at}post_attention_layernorm.weight"),
        gate_up=np.concatenate([tensors.linear(f"{mlp}{name}_proj") for name in ("gate", "up")], axis=1),
        down=tensors.linear(f"{mlp}down_proj"),
    )


def _norm(state: Floats, weight: Floats, epsilon: float) -> Floats:
    mean = np.mean(np.square(state), axis=-1, keepdims=True)
    normed: Floats = state / np.sqrt(mean + np.float32(epsilon)) * weight
    return normed


def _feed(layer: _Layer, state: Floats) -> Floats:
    both = state @ layer.gate_up
    gate, up = np.split(both, 2, axis=1)
    with np.errstate(over="ignore"):  # exp of a very negative gate is infinite, and the gate then 0
        passed: Floats = (gate / (1 + np.exp(-gate)) * up) @ layer.down
    return passed


def _attention(queries: Floats, keys: Floats, values: Floats) -> Floats:
    """Queries (rows, heads, head), the last rows of keys and values (kv_heads, length, head): (rows, heads * head)."""
    rows, heads, head = queries.shape
    kv_heads, length, _ = keys.shape
    group = heads // kv_heads
    grouped = queries.reshape(rows, kv_heads, group, head).transpose(1, 2, 0, 3).reshape(kv_heads, group * rows, head)
    scores: Floats = grouped @ keys.transpose(0, 2, 1)
    scores *= np.float32(head**-0.5)
    if rows > 1:
        ahead = np.arange(length)[None, :] > (length - rows + np.arange(rows))[:, None]
        scores.reshape(kv_heads, group, rows, length)[:, :, ahead] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    mixed: Floats = scores @ values
    mixed = mixed.reshape(kv_heads, group, rows, head)
    joined: Floats = mixed.transpose(2, 0, 1, 3).reshape(rows, heads * head)
    return joined
