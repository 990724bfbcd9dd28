"""The layered run's processes: every test in one of them, totals over all, and a process that dies is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.layers import FOLDERS, Notes, Outcome, closing, table
from tests.parts import NODE, ROOT, Part, parts, run

ALL = ("unit", *FOLDERS)


def test_every_folder_is_in_one_process() -> None:
    (node, rest), (stories,) = parts(ALL, ())
    assert node == Part(("unit",), (NODE,))
    assert rest == Part(("unit", "contracts", "pyodide"), (f"--ignore={NODE}", "--ignore=tests/e2e"))
    assert stories == Part(("e2e",), ("tests/e2e",))


@pytest.mark.parametrize(
    ("layers", "arguments"),
    [
        (["contracts", "e2e"], [[("tests/contracts",)], [("tests/e2e",)]]),
        (["pyodide"], [[("tests/pyodide",)]]),
        (["unit"], [[(NODE,), (f"--ignore={NODE}", *(f"--ignore={folder}" for (folder,) in FOLDERS.values()))]]),
    ],
)
def test_some_layers(layers: list[str], arguments: list[list[tuple[str, ...]]]) -> None:
    assert [[part.arguments for part in group] for group in parts(layers, ())] == arguments


def test_arguments_for_pytest_mean_one_process() -> None:
    assert parts(ALL, ("-k", "money")) == [[Part(ALL, ("-k", "money"))]]


def test_totals_are_of_all_processes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good, bad, dead = (tmp_path / f"test_{name}.py" for name in ("good", "bad", "dead"))
    good.write_text("def test_one(): pass\ndef test_two(): pass\n")
    bad.write_text(
        "import pytest\ndef test_wrong(): assert 1 == 2, 'one is not two'\ndef test_not(): pytest.skip('no moon')\n"
    )
    dead.write_text("import os\ndef test_end(): os.kill(os.getpid(), 9)\n")
    own = ("-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider")
    one, two, three = (
        Part((name,), (*own, str(path))) for name, path in (("unit", good), ("e2e", bad), ("pyodide", dead))
    )

    code, notes = run([[one, two], [three]])

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
