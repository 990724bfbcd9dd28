"""One sentence for each thing that may be missing, in the order in which a person would mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick_helper.engines import open_engine
from tallystick_helper.engines.exl2.diagnose import Machine, diagnose, explain
from tallystick_shared.errors import Code, TallystickError


def machine(*absent: str, gpus: Callable[[], list[tuple[int, int]]] = lambda: [(8, 9)], nvcc: bool = True) -> Machine:
    return Machine(lambda name: name not in absent, gpus, lambda: nvcc)


def broken() -> list[tuple[int, int]]:
    raise OSError("libcudart.so.13: cannot open shared object file")


@pytest.mark.parametrize(
    ("engine", "here", "begins"),
    [
        ("exl2", machine("exllamav2_ext"), ""),
        ("exl2", machine("exllamav2_ext", nvcc=False), "nvcc is missing: exllamav2 compiles"),
        ("exl2", machine(nvcc=False), ""),
        ("exl2", machine("torch", "exllamav2"), "PyTorch (2.9 or older) is missing"),
        ("exl3", machine("torch"), "PyTorch is missing"),
        ("exl2", machine("exllamav2"), "exllamav2 is missing: pip install 'tallystick[exl2]'"),
        ("exl3", machine("triton"), "triton is missing"),
        ("exl2", machine(gpus=list), "No CUDA device: exllamav2 needs an NVIDIA GPU"),
        ("exl3", machine(gpus=lambda: [(7, 5)]), "The GPU is too old: exllamav3 needs compute capability 8.0"),
        ("exl3", machine(gpus=lambda: [(7, 5), (8, 6)]), ""),
        ("exl2", machine(gpus=broken), "PyTorch cannot be used (OSError: libcudart.so.13"),
        ("exl2", machine("tokenizers", "safetensors"), "safetensors and tokenizers are missing"),
        ("exl2_ref", machine("torch", "exllamav2", gpus=list), ""),
        ("exl2_ref", machine("gguf"), "gguf is missing: pip install 'tallystick[ref]'"),
    ],
)
def test_what_is_missing(engine: str, here: Machine, begins: str) -> None:
    said = diagnose(engine, here)
    assert said.startswith(begins) and bool(said) == bool(begins)
    assert "\n" not in said and (not said or said.endswith("."))


def test_an_import_that_fails_all_the_same_is_one_sentence() -> None:
    error = OSError("CUDA_HOME environment variable is not set.\nPlease set it")
    assert explain("exl2", error) == (
        "exllamav2 cannot be imported (OSError: CUDA_HOME environment variable is not set.)."
    )
    assert explain("exl3", ImportError()) == "exllamav3 cannot be imported (ImportError: ImportError)."


@pytest.mark.parametrize("engine", ["exl2", "exl3"])
async def test_opening_in_vain_says_why(engine: str, tmp_path: Path) -> None:
    if not (why := diagnose(engine)):
        pytest.skip("this machine has all that it needs")
    with pytest.raises(TallystickError) as caught:
        await open_engine(engine, {"path": tmp_path})
    assert caught.value.code is Code.ENGINE_FAILED
    assert caught.value.values["reason"] == why
