"""`./run --help` names every task, and installs nothing for that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_every_task_is_told_with_what_it_does(flag: str, tmp_path: Path) -> None:
    for name in ("run", "justfile"):
        shutil.copy(ROOT / name, tmp_path / name)
    told = subprocess.run(["sh", "run", flag], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    just = Path(sys.executable).parent / "just"
    names = subprocess.run([just, "--summary"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    rows = dict(line.split(maxsplit=1) for line in told.splitlines() if line.startswith("  "))
    assert set(rows) == set(names) - {"default"} and all(rows.values())
    assert {path.name for path in tmp_path.iterdir()} == {"run", "justfile"}
