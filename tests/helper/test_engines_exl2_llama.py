"""The numpy Llama against one written out head by head in double precision, and against itself in other portions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tallystick_helper.engines.exl2.llama import FIRST_VECTOR, Llama, Shape, Span, Vectors
from tallystick_helper.engines.exl2.rope import frequencies
from tallystick_helper.engines.exl2.tensors import Floats
from tallystick_shared.errors import Code, LocalError

Doubles = npt.NDArray[np.float64]
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 24, "num_attention_heads": 6, "num_key_value_heads": 2,
    "head_dim": 4, "num_hidden_layers": 2, "intermediate_size": 40, "vocab_size": 50, "rms_norm_eps": 1e-5,
    "rope_theta": 100.0,
}  # fmt: skip
IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]


class Random:
    """Weights drawn by name, so that they are the same in any order."""

    def __init__(self, tied: bool = False) -> None:
        self._tied = tied

    def has(self, key: str) -> bool:
        return key != "lm_head" or not self._tied

    def plain(self, key: str) -> Floats:
        rng = np.random.default_rng(list(key.encode()))
        if "norm" in key:
            return (1 + rng.standard_normal(24) * 0.1).astype(np.float32)
        return rng.standard_normal((50, 24)).astype(np.float32)

    def linear(self, key: str) -> Floats:
        inner = 40 if "down" in key else 24
        sizes = {"k": 8, "v": 8, "gate": 40, "up": 40}
        outer = 50 if key == "lm_head" else sizes.get(key.rsplit(".", 1)[-1].removesuffix("_proj"), 24)
        return (np.random.default_rng(list(key.encode())).standard_normal((inner, outer)) * 0.3).astype(np.float32)


def written_out(ids: list[int], config: dict[str, Any]) -> Doubles:
    """Logits (ids, vocabulary), position by position and head by head."""
    weights, turns = Random(), frequencies(4, config["rope_theta"], config.get("rope_scaling"))
    state = [weights.plain("model.embed_tokens.weight")[token].astype(float) for token in ids]

    def norm(row: Doubles, key: str) -> Doubles:
        return row / math.sqrt(float(row @ row) / len(row) + 1e-5) * weights.plain(key)

    def turned(head: Doubles, position: int) -> Doubles:
        found = head.copy()
        for pair in range(2):
            angle = position * turns[pair]
            one, two = head[pair], head[pair + 2]
            found[pair] = one * math.cos(angle) - two * math.sin(angle)
            found[pair + 2] = two * math.cos(angle) + one * math.sin(angle)
        return found

    for index in range(2):
        at = f"model.layers.{index}."
        q, k, v, o = (weights.linear(f"{at}self_attn.{name}_proj").astype(float) for name in "qkvo")
        gate, up, down = (weights.linear(f"{at}mlp.{name}_proj").astype(float) for name in ("gate", "up", "down"))
        normed = [norm(row, f"{at}input_layernorm.weight") for row in state]
        after: list[Doubles] = []
        for position, row in enumerate(state):
            joined = np.zeros(24)
            for head in range(6):
                own, shared = slice(4 * head, 4 * head + 4), slice(4 * (head // 3), 4 * (head // 3) + 4)
                query = turned((normed[position] @ q)[own], position)
                scores = [float(query @ turned((normed[past] @ k)[shared], past)) / 2 for past in range(position + 1)]
                shares = np.exp(np.array(scores) - max(scores))
                shares /= shares.sum()
                joined[own] = sum(share * (normed[past] @ v)[shared] for past, share in enumerate(shares))
            after.append(row + joined @ o)
        state = []
        for row in after:
            inner = norm(row, f"{at}post_attention_layernorm.weight")
            opened = inner @ gate
            state.append(row + (opened / (1 + np.exp(-opened)) * (inner @ up)) @ down)
    head = weights.linear("lm_head").astype(float)
    return np.array([norm(row, "model.norm.weight") @ head for row in state])


@pytest.mark.parametrize(
    "scaling",
    [
        None,
        {"rope_type": "linear", "factor": 4.0},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 64},
    ],
)  # fmt: skip
def test_the_same_as_written_out(scaling: dict[str, Any] | None) -> None:
    config = CONFIG | {"rope_scaling": scaling}
    model = Llama(config, Random())
    found = model.read([Span(IDS, model.memory(len(IDS)))], logits="all")
    assert np.allclose(found, written_out(IDS, config), rtol=1e-4, atol=1e-4)


def test_in_portions_and_beside_others_it_says_the_same() -> None:
    model = Llama(CONFIG, Random())
    whole = model.read([Span(IDS, model.memory(20))], logits="all")
    first, second = model.memory(20), model.memory(20)
    model.read([Span(IDS[:4], first), Span(IDS[:7], second)], logits="none")
    both = model.read([Span(IDS[4:], first), Span(IDS[7:8], second)])
    assert np.allclose(both, whole[[-1, 7]], atol=1e-4)
    assert (first.length, second.length) == (len(IDS), 8)


def test_a_memory_goes_on_from_another() -> None:
    model = Llama(CONFIG, Random())
    memory, copy = model.memory(20), model.memory(20)
    whole = model.read([Span(IDS, memory)])
    copy.take(memory, 6)
    assert np.allclose(model.read([Span(IDS[6:], copy)]), whole, atol=1e-4)


def test_a_vector_stands_for_its_token() -> None:
    model = Llama(CONFIG, Random())
    vectors = Vectors(FIRST_VECTOR + 5, model.embed(IDS[:1]))
    plain = model.read([Span(IDS, model.memory(20))])
    assert np.array_equal(model.read([Span([FIRST_VECTOR + 5, *IDS[1:]], model.memory(20), [vectors])]), plain)


def test_without_an_output_layer_the_embeddings_are_it() -> None:
    model = Llama(CONFIG, Random(tied=True))
    assert model.read([Span(IDS, model.memory(20))]).shape == (1, 50)


def test_llama3_scaling_of_hugging_face() -> None:
    """The first, a middle and the last frequency of Llama 3.1, by the formula of `modeling_rope_utils.py`."""
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}  # fmt: skip
    found = frequencies(128, 500_000.0, scaling)
    plain = frequencies(128, 500_000.0, None)
    assert found[0] == plain[0] == 1.0
    assert found[-1] == pytest.approx(plain[-1] / 8)
    middle = next(i for i, value in enumerate(plain) if 2048 < 2 * math.pi / value < 8192)
    share = (8192 / (2 * math.pi / plain[middle]) - 1) / 3
    assert found[middle] == pytest.approx((1 - share) * plain[middle] / 8 + share * plain[middle])


@pytest.mark.parametrize(
    "change",
    [
        {"architectures": ["MambaForCausalLM"]},
        {"rope_scaling": {"rope_type": "longrope"}},
        {"hidden_size": None},
        {"mlp_bias": True},
        {"hidden_act": "gelu"},
        {"sliding_window": 4096},
    ],
)
def test_what_it_cannot_run(change: dict[str, Any]) -> None:
    with pytest.raises(LocalError) as caught:
        Llama(CONFIG | change, Random())
    assert caught.value.code is Code.BAD_SETTINGS


def test_the_shape_says_what_is_left_out() -> None:
    config = {
        key: value for key, value in CONFIG.items() if key not in ("num_key_value_heads", "head_dim", "rope_theta")
    }
    shape = Shape.of(config)
    assert (shape.kv_heads, shape.head, shape.theta) == (6, 4, 10_000.0)
