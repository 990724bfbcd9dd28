"""The EXL2 format of one linear layer, in numpy: pack, quantise, dequantise.

A layer KEY of K inputs and N outputs (N a multiple of 32) is five tensors:

- `q_weight` int32 (R, N). Its rows belong to groups of consecutive input rows, each group with a width of its own.
  Down each column the codes of a group are one little-endian bit stream: code i begins at bit i * width.
- `q_groups` int16 (2 G): for each group its width and its first row of `q_weight`; widest groups first.
- `q_scale` int32 (G, N / 8): s - 1 for each column in four bits, column c at bits 4 * (c % 8). s is 1 to 16.
- `q_scale_max` fp16 (G): what s = 16 stands for.
- `q_invperm` int32 (K): natural row k lies at packed row `q_invperm[k]`.

`W[k, n] = (code - 2**(width - 1)) * half(s * s) * half(q_scale_max / 256)`, each product rounded to fp16, as the
kernels of exllamav2 0.3.2 do (`q_matrix.cu`, `qdq_util.cuh`; the layout is from `conversion/adaptivegptq.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

WIDTHS = (8, 6, 5, 4, 3, 2)
COLUMN_STEP = 32
"""Outputs are padded to a multiple of this."""
_STEPS = 16
_CLIPS = (1.0, 0.95, 0.9, 0.84, 0.78)  # how much of the largest weight a column's scale reaches
_TRIED = (-2, -1, 0, 1)

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Packed:
    """One layer as it lies in the file. Shapes as above."""

    q_weight: npt.NDArray[np.int32]
    q_groups: npt.NDArray[np.int16]
    q_scale: npt.NDArray[np.int32]
    q_scale_max: npt.NDArray[np.float16]
    q_invperm: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Group:
    """`rows` input rows from packed row `first` on, `width` bits each, whose codes begin at row `word` of q_weight."""

    width: int
    first: int
    rows: int
    word: int


def row_step(width: int) -> int:
    """A group's rows are a multiple of this, so that it ends with a whole word."""
    return 16 if width == 2 else 32


def plan(inputs: int, widths: Sequence[tuple[int, int]], size: int) -> list[Group]:
    """Groups of `size` rows, from (width, rows) in falling order of width. What is left at the end of a width is a
    smaller group.

    Raises ValueError where widths, rows and size do not make whole words or do not add up to `inputs`.
    """
    groups: list[Group] = []
    first = word = 0
    if [width for width, _ in widths] != sorted({width for width, _ in widths}, reverse=True):
        raise ValueError("widths must fall")
    for width, rows in widths:
        if width not in WIDTHS or rows % row_step(width) or size % row_step(width) or size < 1:
            raise ValueError(f"no whole words: {rows} rows of {width} bits in groups of {size}")
        for start in range(0, rows, size):
            count = min(size, rows - start)
            groups.append(Group(width, first, count, word))
            first, word = first + count, word + count * width // 32
    if first != inputs:
        raise ValueError(f"{first} rows for {inputs} inputs")
    return groups


def groups_of(packed: Packed) -> list[Group]:
    """The groups of a layer. The last one takes what the others leave of its inputs. Raises ValueError."""
    inputs, words = len(packed.q_invperm), packed.q_weight.shape[0]
    pairs = packed.q_groups.astype(np.int64).reshape(-1, 2)
    starts = [*(int(word) for word in pairs[:, 1]), words]
    groups: list[Group] = []
    first = 0
    for index, (width, word) in enumerate(pairs.tolist()):
        if width not in WIDTHS or starts[index + 1] <= word:
            raise ValueError("not an EXL2 layer: its groups make no sense")
        rows = inputs - first if index == len(pairs) - 1 else (starts[index + 1] - word) * 32 // width
        groups.append(Group(width, first, rows, word))
        first += rows
    if first != inputs or any(group.rows <= 0 for group in groups):
        raise ValueError("not an EXL2 layer: its groups do not add up to its inputs")
    return groups


def pack_codes(codes: Codes, width: int) -> npt.NDArray[np.uint32]:
    """Codes (rows, N) below 2**width as words (rows * width / 32, N)."""
    rows, columns = codes.shape
    period, count = _period(width)
    wide = codes.reshape(rows // period, period, columns).astype(np.uint32)
    words = np.zeros((rows // period, count, columns), np.uint32)
    for index in range(period):
        word, shift = divmod(index * width, 32)
        words[:, word] |= wide[:, index] << np.uint32(shift)
        if shift + width > 32:
            words[:, word + 1] |= wide[:, index] >> np.uint32(32 - shift)
    return words.reshape(-1, columns)


def unpack_codes(words: npt.NDArray[np.uint32], width: int) -> Codes:
    """The other way: words (rows * width / 32, N) as codes (rows, N)."""
    period, count = _period(width)
    columns = words.shape[1]
    grouped = words.reshape(-1, count, columns)
    codes = np.empty((len(grouped), period, columns), np.uint8)
    for index in range(period):
        word, shift = divmod(index * width, 32)
        found = grouped[:, word] >> np.uint32(shift)
        if shift + width > 32:
            found |= grouped[:, word + 1] << np.uint32(32 - shift)
        codes[:, index] = found & np.uint32((1 << width) - 1)
    return codes.reshape(-1, columns)


def _period(width: int) -> tuple[int, int]:
    """After how many codes the stream is at the beginning of a word again, and how many words that is."""
    count = math.lcm(width, 32) // 32
    return count * 32 // width, count


def pack_scales(scales: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """s (1 to 16) of (G, N) as words (G, N / 8)."""
    codes = (scales - 1).astype(np.uint32).reshape(len(scales), -1, 8)
    words: npt.NDArray[np.uint32] = np.bitwise_or.reduce(codes << np.arange(0, 32, 4, dtype=np.uint32), axis=2)
    return words.view(np.int32)


def unpack_scales(words: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """The other way: s of (G, N)."""
    codes = words.view(np.uint32)[:, :, None] >> np.arange(0, 32, 4, dtype=np.uint32) & np.uint32(15)
    return (codes.reshape(len(words), -1) + 1).astype(np.uint8)


def real_scales(scales: npt.NDArray[np.uint8], largest: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """What one step is worth: s (…, N) and q_scale_max (…) as fp16 (…, N), rounded where the kernels round."""
    squared = np.square(scales.astype(np.float32)).astype(np.float16)
    loaded = (largest.astype(np.float32) * np.float32(1 / 256)).astype(np.float16)
    # A product of two halves is exact in single precision, so rounding it once gives the half product.
    return (squared.astype(np.float32) * loaded.astype(np.float32)[..., None]).astype(np.float16)


def dequantise(packed: Packed) -> npt.NDArray[np.float16]:
    """The weights (K, N) in fp16, rows in natural order. Raises ValueError for what is no EXL2 layer."""
    groups = groups_of(packed)
    words = np.ascontiguousarray(packed.q_weight).view(np.uint32)
    steps = real_scales(unpack_scales(np.ascontiguousarray(packed.q_scale)), packed.q_scale_max)
    rows = np.empty((len(packed.q_invperm), words.shape[1]), np.float16)
    for same, part in groupby(zip(groups, steps, strict=True), key=lambda pair: pair[0].width):
        members = list(part)
        first, last = members[0][0], members[-1][0]
        end = last.word + last.rows * last.width // 32
        values = unpack_codes(words[first.word : end], same).astype(np.float32)
        values -= 1 << (same - 1)
        for group, step in members:
            values[group.first - first.first :][: group.rows] *= step.astype(np.float32)
        rows[first.first : last.first + last.rows] = values
    return rows[packed.q_invperm]


def quantise(weights: Floats, groups: Sequence[Group], order: Ints) -> Packed:
    """Round the weights (K, N) to the nearest code, with the scales that lose least.

    `order` says which natural row comes first in the packed order, and so on; rows that matter more belong first,
    where the widths are larger. For each group several largest scales are tried, for each column several s.
    """
    inputs, outputs = weights.shape
    if outputs % COLUMN_STEP or sorted(order.tolist()) != list(range(inputs)):
        raise ValueError("outputs must be a multiple of 32, and the order a permutation of the inputs")
    ordered = weights[order].astype(np.float32)
    parts = [_quantise_group(ordered[group.first : group.first + group.rows], group.width) for group in groups]
    inverse = np.empty(inputs, np.int32)
    inverse[order] = np.arange(inputs, dtype=np.int32)
    return Packed(
        q_weight=np.concatenate([words for words, _, _ in parts]).view(np.int32),
        q_groups=np.array([(group.width, group.word) for group in groups], np.int16).reshape(-1),
        q_scale=pack_scales(np.stack([scales for _, scales, _ in parts])),
        q_scale_max=np.array([largest for _, _, largest in parts], np.float16),
        q_invperm=inverse,
    )


def _quantise_group(rows: Floats, width: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8], np.float16]:
    """Words, s for each column, and q_scale_max of one group."""
    zero = 1 << (width - 1)
    needed = np.abs(rows).max(axis=0) / max(zero - 1, 1)
    best_loss = np.inf
    scales, largest = np.ones(rows.shape[1], np.uint8), np.float16(0)
    for clip in _CLIPS if width < 8 else _CLIPS[:1]:
        top = np.float16(min(float(needed.max()) * clip, 65504.0))
        found, loss = _choose_scales(rows, width, needed * np.float32(clip), top)
        if loss < best_loss:
            scales, largest, best_loss = found, top, loss
    codes = _codes(rows, real_scales(scales[None], np.array([largest]))[0], width)
    return pack_codes(codes, width), scales, largest


def _choose_scales(
    rows: Floats, width: int, needed: Floats, largest: np.float16
) -> tuple[npt.NDArray[np.uint8], float]:
    """For each column the s that loses least with this largest scale, and what is lost in all (squared error)."""
    top = max(float(largest), 1e-30)
    near = np.ceil(_STEPS * np.sqrt(needed / top))
    best = np.full(rows.shape[1], np.inf, np.float32)
    scales = np.ones(rows.shape[1], np.uint8)
    for offset in _TRIED if width < 8 else (0,):
        tried = np.clip(near + offset, 1, _STEPS).astype(np.uint8)
        step = real_scales(tried[None], np.array([largest]))[0]
        error = _codes(rows, step, width).astype(np.float32)
        error -= 1 << (width - 1)
        error *= step.astype(np.float32)
        error -= rows
        loss = np.einsum("kn,kn->n", error, error)
        better = loss < best
        best = np.where(better, loss, best)
        scales = np.where(better, tried, scales)
    return scales, float(best.sum())


def _codes(rows: Floats, step: npt.NDArray[np.float16], width: int) -> Codes:
    zero = 1 << (width - 1)
    wide = step.astype(np.float32)
    scaled = np.divide(rows, wide, out=np.zeros_like(rows), where=wide > 0)
    np.rint(scaled, out=scaled)
    scaled += zero
    return np.clip(scaled, 0, 2 * zero - 1, out=scaled).astype(np.uint8)
