"""The layered run's processes: every test in one of them, totals over all, and a process that dies is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.layers import FOLDERS, Notes, Outcome, closing, table
from tests.parts import NODE, PROCESSES, ROOT, Part, Plan, cached, parts, remember, run

ALL = ("unit", *FOLDERS)


def test_every_folder_is_in_one_process() -> None:
    plan = parts(ALL, ())
    (*nodes, pyodide), (stories,) = plan.groups
    assert pyodide == Part(("pyodide",), (*cached("pyodide"), "tests/pyodide"))
    assert stories == Part(("e2e",), (*cached("e2e"), "tests/e2e"))
    rest = (f"--ignore={NODE}", "--ignore=tests/pyodide", "--ignore=tests/e2e")
    assert plan.beneath == Part(("unit", "contracts"), (*cached("unit-contracts"), *rest), beneath=True)
    files = [file for part in nodes for file in part.arguments[2:]]
    assert len(nodes) == PROCESSES and len(files) == len(set(files))
    assert {ROOT / file for file in files} == set((ROOT / NODE).rglob("test_*.py"))


@pytest.mark.parametrize(
    ("layers", "arguments"),
    [
        (["contracts", "e2e"], [[("tests/contracts",)], [("tests/e2e",)]]),
        (["contracts", "pyodide"], [[("tests/contracts",), ("tests/pyodide",)]]),
        (["pyodide"], [[("tests/pyodide",)]]),
    ],
)
def test_some_layers(layers: list[str], arguments: list[list[tuple[str, ...]]]) -> None:
    plan = parts(layers, ())
    assert plan.beneath is None
    assert [[part.arguments[2:] for part in group] for group in plan.groups] == arguments
    assert all(part.arguments[:2] == cached(*part.layers) for group in plan.groups for part in group)


def test_units_alone() -> None:
    plan = parts(["unit"], ())
    assert [len(group) for group in plan.groups] == [PROCESSES]
    assert plan.beneath is not None and plan.beneath.arguments[-1] == "--ignore=tests/e2e"


def test_arguments_for_pytest_mean_one_process() -> None:
    assert parts(ALL, ("-k", "money")) == Plan(((Part(ALL, ("-k", "money")),),))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Options for pytest in `tmp_path`, without what only our own tests need."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return "-c", str(tmp_path / "pytest.ini")


def test_what_failed_anywhere_is_what_runs_again(small: tuple[str, str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(f"def test_good(): pass\ndef test_{name}(): assert 0\n")
    both = tuple(
        Part(("unit",), (*small, "-o", f"cache_dir={name}", str(tmp_path / f"test_{name}.py")))
        for name in ("one", "two")
    )
    _, notes = run(Plan((both,)))
    assert notes.totals == {"passed": 2, "failed": 2}
    remember(notes, tmp_path / "cache")
    _, again = run(Plan(((Part(("unit",), (*small, "-o", "cache_dir=cache", "--lf", str(tmp_path))),),)))
    assert again.totals == {"failed": 2} and again.nodes == notes.nodes


def test_totals_are_of_all_processes(small: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good, bad, dead = (tmp_path / f"test_{name}.py" for name in ("good", "bad", "dead"))
    good.write_text("def test_one(): pass\ndef test_two(): pass\n")
    bad.write_text(
        "import pytest\ndef test_wrong(): assert 1 == 2, 'one is not two'\ndef test_not(): pytest.skip('no moon')\n"
    )
    dead.write_text("import os\ndef test_end(): os.kill(os.getpid(), 9)\n")
    one, two, three = (
        Part((name,), (*small, "-p", "no:cacheprovider", str(path)))
        for name, path in (("unit", good), ("e2e", bad), ("pyodide", dead))
    )

    code, notes = run(Plan(((one, two),), beneath=replace(three, beneath=True)))

    assert code == 9
    assert notes.totals == {"passed": 2, "failed": 1, "skipped": 1, "error": 1}
    said = capfd.readouterr().out
    assert "one is not two" in said[said.index("--- beside it: e2e") :]
    assert " passed in " not in said and " failed, " not in said  # a process has no closing line of its own
    lines = "\n".join(table([], notes))
    assert "NOT RUN: " in lines and "test_not: no moon" in lines
    assert "test_wrong: AssertionError: one is not two" in lines
    assert "FAILED: pyodide - pytest ended with -9; it left no notes" in lines
    assert closing(notes, 12) == "1 failed, 2 passed, 1 skipped, 1 error in 12.00s"


def test_what_did_not_run_is_named_last() -> None:
    lines = list(
        table([Outcome("lint", "failed", 2.0, "ruff exited 1"), Outcome("e2e", "not run", why="no Chromium")], Notes())
    )
    assert lines[2:4] == ["FAILED: lint: ruff exited 1, see above", "NOT RUN: e2e: no Chromium"]


def test_closing_line_of_a_long_run() -> None:
    assert closing(Notes(totals=Counter(passed=1, error=2)), 3723.4) == "1 passed, 2 errors in 3723.40s (1:02:03)"
    assert closing(Notes(), 1) == "no tests ran in 1.00s"
