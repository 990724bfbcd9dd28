"""What a model's name says of its weights, in its own word and in OpenRouter's."""

from __future__ import annotations

import pytest

from tallystick_shared.quantisation import SORTS, is_quantised, quantisation


@pytest.mark.parametrize(
    ("model", "own", "sort"),
    [
        ("SmolLM2-135M-Instruct-Q4_1", "Q4_1", "int4"),
        ("llama-3-8b.Q4_K_M", "Q4_K_M", "int4"),
        ("llama-3-8b-IQ4_XS", "IQ4_XS", "int4"),
        ("mistral 4.0bpw", "4.0bpw", "int4"),
        ("qwen-Q8_0", "Q8_0", "int8"),
        ("qwen-Q6_K", "Q6_K", "fp6"),
        ("qwen-bf16", "bf16", "bf16"),
        ("qwen-f16", "f16", "fp16"),
        ("gpt-oss-mxfp4", "mxfp4", "fp4"),
        ("qwen-Q2_K", "Q2_K", "unknown"),
        ("loopback", "", "unknown"),
    ],
)
def test_a_name_tells_what_the_weights_are(model: str, own: str, sort: str) -> None:
    assert quantisation(model) == own
    assert [word for word in SORTS if is_quantised(model, word)] == [sort]
    assert not own or is_quantised(model, own.upper())


def test_the_beginning_of_a_word_is_enough_and_half_of_one_is_not() -> None:
    assert is_quantised("x-Q4_K_M", "q4") and is_quantised("x-Q4_K_M", "Q4_K")
    assert not is_quantised("x-Q4_K_M", "Q") and not is_quantised("x-Q4_K_M", "K_M")
