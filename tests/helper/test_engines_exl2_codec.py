"""The EXL2 layout against a reader written from the format's description alone: one bit after the other, in fractions
and plain halves, and shares no line with the codec.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick_helper.engines.exl2 import codec

MIXES = [
    ((8, 64), (4, 96)),
    ((5, 32), (4, 128)),
    ((8, 32), (4, 32), (3, 96)),
    ((6, 32), (3, 32), (2, 48)),
    ((8, 32), (5, 64), (4, 32)),
    ((6, 96), (5, 64)),
    ((8, 32), (6, 32), (5, 32), (4, 32), (3, 32), (2, 16)),
]


def half(value: float) -> float:
    """Rounded to fp16, by the standard library."""
    found: float = struct.unpack("<e", struct.pack("<e", value))[0]
    return found


def read_slowly(packed: codec.Packed) -> list[list[float]]:
    """Weights (K, N) of a layer, bit by bit."""
    inputs, outputs = len(packed.q_invperm), packed.q_weight.shape[1]
    pairs = [int(value) for value in packed.q_groups]
    widths, starts = pairs[0::2], [*pairs[1::2], packed.q_weight.shape[0]]
    rows: list[list[float]] = []
    for group, width in enumerate(widths):
        last = group == len(widths) - 1
        count = inputs - len(rows) if last else (starts[group + 1] - starts[group]) * 32 // width
        for index in range(count):
            rows.append([])
            for column in range(outputs):
                code = 0
                for bit in range(width):
                    word, place = divmod(index * width + bit, 32)
                    value = int(packed.q_weight[starts[group] + word, column]) & 0xFFFFFFFF
                    code |= (value >> place & 1) << bit
                scales = int(packed.q_scale[group, column // 8]) & 0xFFFFFFFF
                s = (scales >> 4 * (column % 8) & 15) + 1
                step = half(half(s * s) * half(float(packed.q_scale_max[group]) / 256))
                rows[-1].append(half((code - (1 << width - 1)) * step))
    return [rows[int(place)] for place in packed.q_invperm]


def layer(inputs: int, outputs: int, seed: int = 1) -> codec.Floats:
    return np.random.default_rng(seed).standard_normal((inputs, outputs)).astype(np.float32) * np.float32(0.05)


def shuffled(inputs: int, seed: int = 2) -> codec.Ints:
    return np.random.default_rng(seed).permutation(inputs)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("width", codec.WIDTHS)
def test_every_width_and_group_is_read_bit_by_bit(width: int, size: int) -> None:
    weights = layer(160, 32)  # 160 is no multiple of 64 or 128: the last group is smaller
    packed = codec.quantise(weights, codec.plan(160, [(width, 160)], size), shuffled(160))
    assert np.array_equal(codec.dequantise(packed), np.array(read_slowly(packed), np.float16))


@pytest.mark.parametrize("mix", MIXES)
def test_mixes_of_widths_are_read_bit_by_bit(mix: tuple[tuple[int, int], ...]) -> None:
    inputs = sum(rows for _, rows in mix)
    packed = codec.quantise(layer(inputs, 32), codec.plan(inputs, mix, 64), shuffled(inputs))
    assert np.array_equal(codec.dequantise(packed), np.array(read_slowly(packed), np.float16))


def test_a_layer_written_out_by_hand() -> None:
    """Four bits, 32 rows of 32 columns: row k of column n holds code (k + n) % 16, s is 4, the largest scale 0.5."""
    words = [[sum((8 * word + i + n) % 16 << 4 * i for i in range(8)) for n in range(32)] for word in range(4)]
    packed = codec.Packed(
        q_weight=np.array(words, np.uint32).view(np.int32),
        q_groups=np.array([4, 0], np.int16),
        q_scale=np.array([[0x33333333] * 4], np.int32),
        q_scale_max=np.array([0.5], np.float16),
        q_invperm=np.arange(31, -1, -1, dtype=np.int32),
    )
    step = 16 * 0.5 / 256
    expected = [[((31 - k + n) % 16 - 8) * step for n in range(32)] for k in range(32)]
    assert codec.dequantise(packed).tolist() == expected


def test_known_words_of_five_bits() -> None:
    """Codes 1, 2, 3, …, 7: 0b00111_00110_00101_00100_00011_00010_00001 begins the stream, the rest is zero."""
    codes = np.zeros((32, 1), np.uint8)
    codes[:7, 0] = range(1, 8)
    words = codec.pack_codes(codes, 5)
    assert [int(word) for word in words[:, 0]] == [
        0b11_00110_00101_00100_00011_00010_00001 | 0b00 << 32,
        0b001,
        0,
        0,
        0,
    ]
    assert np.array_equal(codec.unpack_codes(words, 5), codes)


@given(st.sampled_from(codec.WIDTHS), st.integers(1, 4), st.integers(1, 5), st.randoms(use_true_random=False))
def test_codes_come_back(width: int, steps: int, columns: int, random: object) -> None:
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    codes = rng.integers(0, 1 << width, (32 * steps, columns), dtype=np.uint8)
    words = codec.pack_codes(codes, width)
    assert words.shape == (width * steps, columns)
    assert np.array_equal(codec.unpack_codes(words, width), codes)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Widths in falling order with their rows, and a group size."""
    widths = sorted(draw(st.sets(st.sampled_from(codec.WIDTHS), min_size=1, max_size=3)), reverse=True)
    return [(width, 32 * draw(st.integers(1, 5))) for width in widths], draw(st.sampled_from([32, 64, 128]))


@given(layouts(), st.integers(0, 1 << 16))
@example(([(6, 96)], 128), 861)
def test_any_layout_says_its_own_groups_and_loses_less_than_a_step(
    layout: tuple[list[tuple[int, int]], int], seed: int
) -> None:
    widths, size = layout
    inputs = sum(rows for _, rows in widths)
    weights = layer(inputs, 32, seed)
    groups = codec.plan(inputs, widths, size)
    order = shuffled(inputs, seed)
    packed = codec.quantise(weights, groups, order)
    assert codec.groups_of(packed) == groups
    assert np.array_equal(np.argsort(packed.q_invperm), order)
    lost = np.abs(codec.dequantise(packed).astype(np.float32) - weights)
    first = [weights[order[group.first : group.first + group.rows]] for group in groups]
    most = max(
        float(np.abs(rows).max()) / max((1 << group.width - 1) - 1, 1)
        for rows, group in zip(first, groups, strict=True)
    )
    # Scales are chosen for the least squared error in all, so a single large weight may be clipped for the others.
    assert np.sqrt(np.mean(lost**2)) <= most and lost.max() <= np.abs(weights).max()


@pytest.mark.parametrize(("width", "most"), [(8, 0.01), (6, 0.03), (5, 0.06), (4, 0.12), (3, 0.22), (2, 0.55)])
def test_more_bits_lose_less(width: int, most: float) -> None:
    weights = layer(256, 64)
    found = codec.dequantise(codec.quantise(weights, codec.plan(256, [(width, 256)], 64), shuffled(256)))
    assert np.sqrt(np.mean((found.astype(np.float32) - weights) ** 2)) / weights.std() < most


def test_the_same_weights_give_the_same_bytes() -> None:
    made = [codec.quantise(layer(96, 32), codec.plan(96, [(4, 96)], 32), shuffled(96)) for _ in range(2)]
    assert made[0].q_weight.tobytes() == made[1].q_weight.tobytes()
    assert made[0].q_scale.tobytes() == made[1].q_scale.tobytes()


def test_zeros_stay_zeros() -> None:
    packed = codec.quantise(np.zeros((32, 32), np.float32), codec.plan(32, [(4, 32)], 32), np.arange(32))
    assert not codec.dequantise(packed).any()


@pytest.mark.parametrize(
    ("inputs", "widths", "size"),
    [
        (64, [(4, 32), (5, 32)], 32),  # widths rise
        (64, [(4, 64)], 48),  # no whole words in a group
        (48, [(4, 48)], 32),
        (64, [(7, 64)], 32),  # no such width
        (96, [(4, 64)], 32),  # rows are left over
    ],
)
def test_plans_that_make_no_sense(inputs: int, widths: list[tuple[int, int]], size: int) -> None:
    with pytest.raises(ValueError):
        codec.plan(inputs, widths, size)


@pytest.mark.parametrize("groups", [[9, 0], [4, 5], [4, 0, 4, 0], [2, 0, 8, 1, 8, 3]])
def test_groups_that_make_no_sense(groups: list[int]) -> None:
    packed = codec.quantise(layer(32, 32), codec.plan(32, [(4, 32)], 32), np.arange(32))
    broken = codec.Packed(
        packed.q_weight, np.array(groups, np.int16), packed.q_scale, packed.q_scale_max, packed.q_invperm
    )
    with pytest.raises(ValueError):
        codec.dequantise(broken)
