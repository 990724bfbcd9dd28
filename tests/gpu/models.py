"""Small models for a machine with a GPU, made on the spot: nothing is downloaded.

EXL2 folders are written by our own converter. EXL3 ones are made by exllamav3's, on the GPU, from plain fp16.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tallystick_helper.engines.exl2.convert import convert, convert_plain
from tallystick_helper.engines.weights import find_demo
from tests.helper.exl2_models import write_clockwork


def known(engine: str, target: Path) -> Path:
    """The clockwork: a model whose answers are known, for the conformance suite."""
    if engine != "exl3":
        return write_clockwork(target / "clockwork")
    plain = write_clockwork(target / "clockwork-fp16", mix=None)
    return to_exl3(plain, target / "clockwork")


def speaking(engine: str, target: Path) -> Path:
    """The demo model, for speed. For `exl3` as plain fp16, which exllamav3 also runs: EXL3 wants widths that are a
    multiple of 128, and this one's is 576.
    """
    folder = target / "demo"
    (convert_plain if engine == "exl3" else convert)(find_demo(), folder)
    return folder


def to_exl3(plain: Path, target: Path) -> Path:
    """exllamav3's converter, with its own calibration. Raises subprocess.CalledProcessError."""
    work = target.with_name(f"{target.name}-work")
    sizes = ["--bits", "8", "--head_bits", "8", "--cal_rows", "16", "--cal_cols", "512"]
    module = "exllamav3.conversion.convert_model"
    places = ["--in_dir", str(plain), "--out_dir", str(target), "--work_dir", str(work)]
    subprocess.run([sys.executable, "-m", module, *places, *sizes], check=True)
    return target
