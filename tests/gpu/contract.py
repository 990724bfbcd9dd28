"""`just exl2-contract`: our engines against exllamav2 and exllamav3 themselves, on a machine without a GPU.

Makes an environment of its own (`.venv-exl2`), because both want PyTorch: from PyPI that is the CUDA build, several
gigabytes. `--torch` takes another one (such as `torch==2.9.1+cpu` from PyTorch's index), `--python` an environment that
has all of it already.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-exl2"
LIBRARIES = ("exllamav2==0.3.2",)
BARE = ("exllamav3>=1.6.5",)
"""Installed alone: it declares triton, which the checks put a stand-in for."""
OTHERS = (
    "eth-abi", "eth-utils", "gguf", "jinja2", "llguidance>=1.7", "marisa-trie", "msgspec", "numpy>=2.1", "psutil",
    "pydantic", "pytest>=9", "pytest-asyncio", "pyyaml", "safetensors", "threadpoolctl", "tokenizers",
)  # fmt: skip


def main() -> int:
    """Returns pytest's own code."""
    parser = argparse.ArgumentParser(prog="just exl2-contract", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--torch", default="torch", help="which PyTorch to install")
    parser.add_argument("--python", type=Path, help="an interpreter that has everything; nothing is installed then")
    options, rest = parser.parse_known_args()
    python = options.python or environment(options.torch)
    return run(
        python, ["tests/gpu/check_kernels.py", "tests/gpu/check_exllamav2.py", "tests/gpu/check_exllamav3.py", *rest]
    )


def environment(torch: str) -> Path:
    """The interpreter of an environment with the packages; made once."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        venv.create(FOLDER, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for arguments in ([torch], [*LIBRARIES, *OTHERS], ["--no-deps", *BARE]):
        subprocess.run([*pip, *arguments], check=True)
    return python


def run(python: Path, arguments: list[str], **environment: str) -> int:
    """pytest in that environment, on the checks of this folder."""
    paths = os.pathsep.join(str(ROOT / name) for name in (".", "helper", "shared"))
    command = [str(python), "-m", "pytest", "--noconftest", "-c", "tests/gpu/pytest.ini", "--rootdir", str(ROOT)]
    values = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run([*command, *arguments], cwd=ROOT, env=values, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
