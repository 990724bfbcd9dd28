"""Our codec against exllamav2's own kernels, bit by bit."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tallystick_helper.engines.exl2 import codec
from tests.gpu import extension, kernels

extension.install()

MIXES = [
    *(((width, rows),) for width in codec.WIDTHS for rows in (256, 576)),
    ((5, 192), (4, 384)), ((8, 64), (4, 256), (3, 256)), ((6, 128), (3, 224), (2, 224)), ((8, 32), (5, 288), (4, 256)),
    ((8, 32), (6, 64), (5, 96), (4, 128), (3, 160), (2, 96)), ((4, 1536),), ((6, 160), (5, 1376)),
]  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if kernels.compiler() is None:
        pytest.skip("no C++ compiler: the kernels cannot be built")
    return kernels.build(tmp_path_factory.mktemp("kernels"))


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("mix", MIXES)
def test_no_weight_differs(compiled: ctypes.CDLL, mix: tuple[tuple[int, int], ...], size: int) -> None:
    inputs = sum(rows for _, rows in mix)
    rng = np.random.default_rng(inputs + size)
    weights = rng.standard_normal((inputs, 96)).astype(np.float32) * np.float32(0.04)
    packed = codec.quantise(weights, codec.plan(inputs, mix, size), rng.permutation(inputs))
    theirs = kernels.dequantise(compiled, packed)
    assert theirs.any()
    assert np.array_equal(theirs.view(np.uint16), codec.dequantise(packed).view(np.uint16))
