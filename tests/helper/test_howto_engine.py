"""What docs/howto/write-an-engine.md says is run: the engine in it against the suite, its entry point, its length."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tallystick_helper import engines
from tallystick_helper.engines import Task, open_engine
from tallystick_helper.engines.conformance import EngineConformance, collect

TEXT = (Path(__file__).parents[2] / "docs" / "howto" / "write-an-engine.md").read_text()
FILES = dict(re.findall(r"```python file=(\S+)\n(.*?)```", TEXT, re.DOTALL))


def module(name: str) -> ModuleType:
    """A file of the page, imported under its own name."""
    made = sys.modules[name] = ModuleType(name)
    exec(compile(FILES[f"{name}.py"], f"write-an-engine.md:{name}.py", "exec"), made.__dict__)
    return made


module("dice_engine")
TestDice = module("test_dice_engine").TestDice  # its tests are collected here like any others


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's own package, as installed."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (entry,) = re.findall(r'entry-points\."([^"]+)"\]\n(.*)\n```', TEXT)
    info = tmp_path / "dice_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dice-engine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{entry[0]}]\n{entry[1].replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_suite_of_the_page_is_the_published_one() -> None:
    assert issubclass(TestDice, EngineConformance) and set(FILES) == {"dice_engine.py", "test_dice_engine.py"}


async def test_it_is_found_by_its_entry_point(package: Path) -> None:
    assert engines.GROUP in TEXT and "dice" in engines.names()
    engine = await open_engine("dice", {"slots": 2, "max_output": 3})
    pieces, finish = await collect(engine.run(Task("dice", b"x", max_units=3)))
    assert finish.units == 3 and all(piece.data[:-1] in b"123456" for piece in pieces)
    await engine.close()


def test_it_is_short_and_in_the_style_of_the_house(package: Path) -> None:
    assert len([line for line in FILES["dice_engine.py"].splitlines() if line.strip()]) <= 40
    for name in FILES:
        subprocess.run([sys.executable, "-m", "ruff", "check", "--isolated", name], cwd=package, check=True)
