"""What stands in the way of an engine here, in one sentence: for `doctor`, and for who opens it in vain.

Importing a GPU library tells least: it compiles, and fails with whatever its build tools say. So what it needs is
looked for in the order in which a person would mend it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_REF = ("gguf", "safetensors", "threadpoolctl", "tokenizers")
_CUDA_HOMES = ("/usr/local/cuda", "/opt/cuda")


@dataclass(frozen=True, slots=True)
class _Needs:
    library: str
    extra: str
    extension: str
    newest_torch: str
    capability: tuple[int, int]
    others: tuple[str, ...] = ()


NEEDS = {
    "exl2": _Needs("exllamav2", "exl2", "exllamav2_ext", "2.9", (6, 0)),
    "exl3": _Needs("exllamav3", "exl3", "exllamav3_ext", "", (8, 0), ("triton",)),
}


def _gpus() -> list[tuple[int, int]]:
    import torch

    if not torch.cuda.is_available():
        return []
    found: list[Any] = [torch.cuda.get_device_capability(index) for index in range(torch.cuda.device_count())]
    return [(int(major), int(minor)) for major, minor in found]


def _nvcc() -> bool:
    homes: Iterable[str] = filter(None, (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), *_CUDA_HOMES))
    return shutil.which("nvcc") is not None or any((Path(home) / "bin" / "nvcc").exists() for home in homes)


@dataclass(frozen=True, slots=True)
class Machine:
    """What is asked of a machine; tests fill it with others."""

    has: Callable[[str], bool] = lambda name: find_spec(name) is not None
    gpus: Callable[[], list[tuple[int, int]]] = _gpus
    """Compute capability of each CUDA device that PyTorch can use."""
    nvcc: Callable[[], bool] = _nvcc


def diagnose(engine: str, machine: Machine | None = None) -> str:
    """One sentence that says what is missing for an engine, and how to get it; empty where nothing is.

    Nothing is compiled and no library of an engine imported; PyTorch is, to ask for devices.
    """
    here = machine or Machine()
    if missing := [name for name in _REF if not here.has(name)]:
        extra = "ref" if engine == "exl2_ref" else engine
        return f"{_list(missing)} missing: pip install 'tallystick[{extra}]'."
    needs = NEEDS.get(engine)
    if needs is None:
        return ""
    for name in ("torch", needs.library, *needs.others):
        if not here.has(name):
            return _missing_package(name, needs)
    return _missing_device(here, needs)


def explain(engine: str, error: BaseException) -> str:
    """An import that failed all the same, in one sentence."""
    needs = NEEDS[engine]
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"{needs.library} cannot be imported ({type(error).__name__}: {first[:160]})."


def _missing_package(name: str, needs: _Needs) -> str:
    if name == "torch":
        newest = f" ({needs.newest_torch} or older)" if needs.newest_torch else ""
        then = f"then pip install 'tallystick[{needs.extra}]'"
        return f"PyTorch{newest} is missing: install the build for your CUDA, {then}."
    return f"{name} is missing: pip install 'tallystick[{needs.extra}]'."


def _missing_device(here: Machine, needs: _Needs) -> str:
    try:
        found = here.gpus()
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return f"PyTorch cannot be used ({type(error).__name__}: {str(error)[:120]}): install it again for your CUDA."
    if not found:
        return f"No CUDA device: {needs.library} needs an NVIDIA GPU, its driver, and a PyTorch built for CUDA."
    if not any(capability >= needs.capability for capability in found):
        least = ".".join(map(str, needs.capability))
        return f"The GPU is too old: {needs.library} needs compute capability {least} or newer."
    if not here.has(needs.extension) and not here.nvcc():
        return (
            f"nvcc is missing: {needs.library} compiles its CUDA part at the first start. Install the CUDA toolkit of "
            f"your PyTorch's version and set CUDA_HOME, or install a compiled wheel of {needs.library}."
        )
    return ""


def _list(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"
