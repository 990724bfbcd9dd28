"""The tensors of a Llama, from an EXL2 folder, from plain safetensors, or from a GGUF file: one shape for all three.

Linear layers come as (inputs, outputs) in fp32, ready for `x @ w`; the rest as it is stored, in fp32.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from tallystick_shared.errors import Code, LocalError

from . import codec

Floats = npt.NDArray[np.float32]
_PARTS = ("q_weight", "q_groups", "q_scale", "q_scale_max", "q_invperm")


class Tensors(Protocol):
    """Where a model's tensors come from, by the names of Hugging Face's Llama. Both raise LocalError MODEL_MISSING
    where there is no such tensor.
    """

    def linear(self, key: str) -> Floats:
        """`KEY.weight`, turned to (inputs, outputs)."""

    def plain(self, key: str) -> Floats:
        """A tensor as it is: embeddings (vocabulary, width), norms (width)."""

    def has(self, key: str) -> bool:
        """True where the layer or tensor is there."""


class FolderTensors:
    """Of all safetensors files of a folder: EXL2 layers where there are `q_` parts, plain ones elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, Any] = {}
        for file in sorted(path.glob("*.safetensors")):
            try:
                opened = safe_open(file, framework="numpy")
                self._files.update(dict.fromkeys(opened.keys(), opened))  # type: ignore[no-untyped-call]
            except (OSError, SafetensorError) as error:
                raise LocalError(Code.MODEL_MISSING, path=str(file), reason=str(error)[:200]) from error

    def names(self) -> Iterator[str]:
        return iter(self._files)

    def has(self, key: str) -> bool:
        return f"{key}.q_weight" in self._files or f"{key}.weight" in self._files or key in self._files

    def packed(self, key: str) -> codec.Packed | None:
        """An EXL2 layer as it lies in the file; None where the layer is stored plainly."""
        if f"{key}.q_weight" not in self._files:
            return None
        return codec.Packed(*(self._get(f"{key}.{part}") for part in _PARTS))

    def linear(self, key: str) -> Floats:
        packed = self.packed(key)
        if packed is None:
            return np.ascontiguousarray(self.plain(f"{key}.weight").T)
        try:
            return codec.dequantise(packed).astype(np.float32)
        except (ValueError, IndexError) as error:
            raise LocalError(Code.MODEL_MISSING, path=str(self._path), tensor=key, reason=str(error)) from error

    def plain(self, key: str) -> Floats:
        floats: Floats = self._get(key).astype(np.float32)
        return floats

    def _get(self, name: str) -> Any:
        if name not in self._files:
            raise LocalError(Code.MODEL_MISSING, path=str(self._path), tensor=name)
        try:
            return self._files[name].get_tensor(name)
        except (SafetensorError, TypeError) as error:
            raise LocalError(Code.MODEL_MISSING, path=str(self._path), tensor=name, reason=str(error)) from error
