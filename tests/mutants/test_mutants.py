"""A dozen mutants are caught in every run, all of them in the long form: nine in ten at the least, in each file.

What survives is mostly no fault at all: a default that is always given, a bound that another bound makes good. Each
run of the long form names the survivors.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutants.rules import Mutant, mutants
from tests.mutants.subjects import SUBJECTS
from tests.mutants.trial import ROOT, SHARED

LEAST = 0.9
DOZEN = (
    ("session/tables.py", "(C.READY, Type.CLOSE): C.DRAINING", "the row (C.READY, Type.CLOSE) is left out"),
    ("session/tables.py", "(S.RUNNING, Type.DATA): S.RUNNING", "the row (S.RUNNING, Type.DATA) is left out"),
    ("session/tables.py", "(C.AUTHING, Type.AUTH_OK): C.READY", "the row (C.AUTHING, Type.AUTH_OK) is left out"),
    ("money.py", "return -(-(input_units * self.input", "Add becomes Sub"),
    ("money.py", "return owed <= self.cap and", "LtE becomes Lt"),
    ("money.py", "needed = total if total - self.durable > self.window", "Gt becomes GtE"),
    ("money.py", "if amount <= self.durable:", "LtE becomes Lt"),
    ("money.py", "self.settled += amount", "'self.settled += amount' is left out"),
    ("voucher.py", "if not is_signed_by_session(crypto, self.digest", "not is left out"),
    ("session/purse.py", "return min(self.account.cap, max(self.account.owed, ahead))", "min becomes max"),
    ("session/purse.py", "if window > self.limits.window:", "the condition is turned over"),
    ("session/client_stream.py", "if self.most is not None and amount > self.most:", "the condition is turned over"),
)
"""Of what matters most: (file, the line, what is done to it)."""

WRONG = '''
"""A module."""

TABLE = {(1, 2): 3, **OTHER}


def price(units: int, limit: int = 0) -> int:
    """Not this text."""
    if units <= limit and not units:
        raise PeerError(Code.PROTOCOL, units=1)
    return -(-(units * 4) // min(units, 7))
'''


def run(*arguments: str, file: Path) -> dict[str, dict[str, dict[str, int]]]:
    """`python -m tests.mutants`, in a process that has loaded nothing of ours; what it wrote."""
    command = [sys.executable, "-m", "tests.mutants", "--json", str(file), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(file.read_text(encoding="utf-8"))


def chosen(file: str, line: str, what: str) -> Mutant:
    """The first mutant of a line."""
    source = (SHARED / file).read_text(encoding="utf-8")
    lines = source.splitlines()
    found = [each for each in mutants(file, source) if line in lines[each.line - 1] and each.what == what]
    assert found, f"{file} has no such mutant any more: {line}: {what}"
    return found[0]


def test_a_dozen_is_caught(tmp_path: Path) -> None:
    names = [chosen(*each).name for each in DOZEN]
    arguments = [part for name in names for part in ("--mutant", name)]
    held = run(*arguments, file=tmp_path / "told.json")
    assert held["counts"][""] == {"killed": len(DOZEN), "of": len(DOZEN)}, held["survivors"]


@pytest.mark.full
@pytest.mark.timeout(3000)
def test_nine_in_ten_of_all_are_caught(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    held = run(file=tmp_path / "told.json")
    counts = held["counts"]
    record_property("mutants", counts)
    assert set(counts) == {"", *SUBJECTS}
    short = {file: counts[file] for file in SUBJECTS if counts[file]["killed"] < LEAST * counts[file]["of"]}
    print(f"mutants: {counts}")
    assert not short, f"{short}\n" + "\n".join(held["survivors"])


def whats(source: str) -> list[str]:
    return [mutant.what for mutant in mutants("wrong.py", source)]


def test_rules_change_what_matters_and_nothing_else() -> None:
    found = whats(WRONG)
    assert {
        "the row (1, 2) is left out",
        "the row **OTHER is left out",
        "LtE becomes Lt",
        "And becomes Or",
        "not is left out",
        "the condition is turned over",
        "'raise PeerError(Code.PROTOCOL, units=1)' is left out",
        "Mult becomes FloorDiv",
        "FloorDiv becomes Mult",
        "min becomes max",
        "nothing is returned",
        "4 becomes 5",
        "7 becomes 8",
    } <= set(found)
    assert not any("Not this text" in what or "A module" in what for what in found)
    assert found.count("1 becomes 2") == 1  # the table's; what an error carries is not counted


def test_each_mutant_is_another_module_that_compiles() -> None:
    as_it_is = ast.unparse(ast.parse(WRONG))
    sources = [mutant.source for mutant in mutants("wrong.py", WRONG)]
    assert len(set(sources)) == len(sources) and as_it_is not in sources
    for source in sources:
        compile(source, "wrong.py", "exec")


def test_subjects_are_there_and_their_mutants_compile() -> None:
    for file, tests in SUBJECTS.items():
        found: list[Mutant] = mutants(file, (SHARED / file).read_text(encoding="utf-8"))
        assert len(found) > 20
        assert all((ROOT / test).is_file() for test in tests)
        for mutant in found[:: len(found) // 5]:
            compile(mutant.source, file, "exec")
