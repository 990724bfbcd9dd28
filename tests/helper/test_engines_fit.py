"""What a model needs, said from its header alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick_helper.engines.fit import Fit, Fits, cache_bytes, estimate, system_memory
from tallystick_helper.engines.gguf import check_fit
from tallystick_helper.engines.gguf_file import GgufModel, read_model
from tallystick_helper.engines.llama import GgufOptions
from tallystick_helper.engines.weights import find_demo
from tallystick_shared.errors import Code

from ..shared.tools import refused

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "fits"), [(10 * GIB, Fits.GREEN), (4 * GIB, Fits.AMBER), (3 * GIB, Fits.RED), (0, Fits.RED)]
)
def test_the_colours(free: int, fits: Fits) -> None:
    found = Fit(2 * GIB, GIB, GIB // 2, free, 16 * GIB)
    assert found.fits is fits and found.needs == 3 * GIB + GIB // 2
    assert "3.5 GiB" in found.says() and ("smaller" in found.says()) == (fits is Fits.RED)


def test_the_cache_is_what_llama_says_of_the_demo_model() -> None:
    # 30 layers × 3 heads × (64 + 64) values × 2 bytes = 22.5 KiB a token, as its log has it
    assert cache_bytes(read_model(find_demo()), 4096) == 23040 * 4096


def test_layers_that_differ() -> None:
    header = {
        "general.architecture": "x", "x.block_count": 3, "x.embedding_length": 64, "x.attention.head_count": [4, 4, 4],
        "x.attention.head_count_kv": [2, 0, 1],
    }  # fmt: skip
    assert cache_bytes(GgufModel((Path("m"),), header), 10) == 3 * (16 + 16) * 2 * 10


def test_more_context_or_slots_need_more() -> None:
    model, few = read_model(find_demo()), GgufOptions(slots=1, context=1024)
    assert estimate(model, replace(few, slots=8)).needs > estimate(model, few).needs > model.size


def test_what_does_not_fit_is_refused_before_it_is_loaded() -> None:
    model = read_model(find_demo())
    options = GgufOptions(gpu_layers=0)
    check_fit(model, options, system_memory)
    with refused(Code.MODEL_TOO_LARGE) as caught:
        check_fit(model, options, lambda: (model.size // 2, GIB))
    assert caught.value.values["needs"] > caught.value.values["free"]
    check_fit(model, replace(options, guard=False), lambda: (0, GIB))
