"""Rotary positions: the angles of each position, with the scalings that Llama's family uses.

Sources: RoFormer (Su et al. 2021); `rope_scaling` as `transformers` defines it (`modeling_rope_utils.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from tallystick_shared.errors import Code, LocalError

Floats = npt.NDArray[np.float32]


def frequencies(size: int, theta: float, scaling: dict[str, Any] | None) -> npt.NDArray[np.float64]:
    """Radians a position, for each half of a head's `size` dimensions.

    Raises LocalError BAD_SETTINGS for a scaling that the reference does not know.
    """
    plain: npt.NDArray[np.float64] = 1.0 / theta ** (np.arange(0, size, 2, dtype=np.float64) / size)
    kind = str((scaling or {}).get("rope_type") or (scaling or {}).get("type") or "default")
    if scaling is None or kind == "default":
        return plain
    if kind == "linear":
        return plain / float(scaling["factor"])
    if kind == "llama3":
        return _llama3(plain, scaling)
    raise LocalError(Code.BAD_SETTINGS, rope_scaling=kind, known=["default", "linear", "llama3"])


def _llama3(plain: npt.NDArray[np.float64], scaling: dict[str, Any]) -> npt.NDArray[np.float64]:
    factor = float(scaling["factor"])
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    trained = float(scaling["original_max_position_embeddings"])
    waves = 2 * math.pi / plain
    share = (trained / waves - low) / (high - low)
    between = (1 - share) * plain / factor + share * plain
    return np.where(waves > trained / low, plain / factor, np.where(waves < trained / high, plain, between))


def turn(heads: Floats, cos: Floats, sin: Floats) -> Floats:
    """Turn (rows, heads, size) by the angles of its rows (rows, size / 2). The halves are paired, as in `transformers`
    and EXL2; GGUF pairs neighbours, and is put in this order when it is read.
    """
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    cos, sin = cos[:, None, :], sin[:, None, :]
    out = np.empty_like(heads)
    out[..., :half] = first * cos - second * sin
    out[..., half:] = second * cos + first * sin
    return out
