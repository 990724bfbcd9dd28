"""The tests of `shared`, once more inside real Pyodide, with the page's wheels, libsodium and noble."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from web.build import wheels
from web.build.inputs import BOOT, ROOT, SITE, node, npm

HERE = Path(__file__).parent
TESTS = ROOT / "requirements" / "page-tests.lock"
ARGUMENTS = [
    "-q",
    "-ra",
    "-p",
    "no:cacheprovider",
    "-c",
    "tests/pyodide/inside.ini",
    "--rootdir=/repo",
    "--import-mode=importlib",
    "-m",
    "not full",
]


def run_inside(page: Path, work: Path, *what: str) -> tuple[dict[str, list[dict[str, str]]], str]:
    """Run pytest on `what` (paths from the repository's root) inside Pyodide. The outcomes, and what it printed."""
    return run_module(page, work, "tests.pyodide.inside", [*ARGUMENTS, "--confcutdir=/repo/tests/shared", *what])


def run_module(page: Path, work: Path, module: str, arguments: list[str]) -> tuple[Any, str]:
    """Call `module.run(arguments)` inside Pyodide, with the page's wheels, modules and the tests' packages. What it
    returned, read as JSON, and what it printed.
    """
    [modules] = (page / "a").glob("modules-*.js")
    packages = [path for path in wheels.fetch() if not path.name.startswith("micropip-")]
    beside = work / "modules"  # node takes a module for one by its ending, or by what the folder says
    beside.mkdir()
    (beside / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for script in (modules, *(page / "a").glob("chunk-*.js")):
        (beside / script.name).write_bytes(script.read_bytes())
    job = {
        "pyodide": str(npm("pyodide")),
        "modules": str(beside / modules.name),
        "wheels": [str(path) for path in (*packages, *wheels.fetch(TESTS), *wheels.own(work))],
        "site": SITE,
        "prepare": str(BOOT / "prepare.py"),
        "root": str(ROOT),
        "module": module,
        "args": arguments,
        "results": str(work / "results.json"),
    }
    described = work / "job.json"
    described.write_text(json.dumps(job), encoding="utf-8")
    command = [node(), "--no-warnings", str(HERE / "run.mjs"), str(described)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + "\n".join(line[:500] for line in done.stderr.splitlines())
    return json.loads((work / "results.json").read_text(encoding="utf-8")), done.stdout


def test_shared_tests_pass_inside_pyodide(
    page: Path, tmp_path: Path, subtests: pytest.Subtests, note_inside: Callable[[str], None]
) -> None:
    """Each of them is a subtest here; none may fail, and some must run."""
    outcome, said = run_inside(page, tmp_path, "tests/shared")
    results = outcome["results"]
    passed = sum(result["outcome"] == "passed" for result in results)
    note_inside(f"inside Pyodide: {passed} passed, {len(results) - passed} not, of the tests of shared")
    for result in results:
        with subtests.test(msg=result["test"]):
            if result["outcome"] == "skipped":
                pytest.skip(result["why"])
            assert result["outcome"] == "passed", result["why"]
    assert outcome["exit"] == 0, said[-4000:]
    assert passed > 0
