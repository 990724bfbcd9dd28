"""The layered test run behind ``./run test``.

    ./run test                        every layer, the short forms
    ./run test --full                 the long forms too
    ./run test --only unit,contracts  some layers
    ./run test -- -k money -x         what follows -- goes to pytest

Layers that are not pytest's (lint, types, arrows, generated files, the page's build) run first; one pytest run over the
rest closes. Nothing stops at the first failure, so one run tells everything; the exit code is 0 only if every layer
passed. ``tests/layers.py`` prints the table of layers and whatever could not run just above pytest's closing line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests import browsers

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

STATIC: dict[str, list[list[str]]] = {
    "lint": [
        [str(BIN / "ruff"), "check", "--quiet", "--output-format=concise", "."],
        [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    ],
    "types": [[sys.executable, "-m", "mypy", "--no-error-summary"]],
    "arrows": [[str(BIN / "lint-imports")]],
    "generated": [
        [sys.executable, "contracts/build.py", "--check"],
        [sys.executable, "-m", "tests.documents", "--check"],
    ],
    "page": [[sys.executable, "web/build/build.py"]],
}
"""Layers that are commands, in the order in which they run."""

FOLDERS: dict[str, tuple[str, ...]] = {
    "contracts": ("tests/contracts",),
    "pyodide": ("tests/pyodide",),
    "e2e": ("tests/e2e",),
}
"""Layers that are folders of pytest's run; ``unit`` is every other folder of tests."""

PYTEST = ("unit", *FOLDERS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a layer. ``state`` is passed, failed or "not run"; ``why`` says why it is not passed."""

    layer: str
    state: str
    seconds: float = 0.0
    why: str = ""


def run_static(layer: str) -> Outcome:
    """Run a layer's commands; prints what they say only if one fails."""
    began = time.monotonic()
    for command in STATIC[layer]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            spent = time.monotonic() - began
            print(f"--- {layer} failed ({spent:.1f} s)\n{readable(done.stdout + done.stderr)}", flush=True)
            return Outcome(layer, "failed", spent, f"{Path(command[0]).name} exited {done.returncode}")
    spent = time.monotonic() - began
    print(f"--- {layer} passed ({spent:.1f} s)", flush=True)
    return Outcome(layer, "passed", spent)


def readable(said: str) -> str:
    """The last lines of what a command said, each cut to a width that a person can read."""
    return "\n".join(line[:300] for line in said.strip().splitlines()[-200:])


def missing_for(layer: str) -> str:
    """Why a pytest layer cannot run on this machine; empty when it can. May install a browser."""
    if not any((ROOT / folder).is_dir() for folder in FOLDERS[layer]):
        return "it has no tests yet"
    if layer == "e2e" and browsers.ensure_chromium() is None:
        return "there is no Chromium, and none could be installed"
    return ""


def pytest_command(layers: list[str], extra: list[str]) -> list[str]:
    """The one pytest run over the wanted layers."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.layers", "-q", *extra]
    if "unit" in layers:
        left_out = [layer for layer in FOLDERS if layer not in layers]
        return [*command, *(f"--ignore={folder}" for layer in left_out for folder in FOLDERS[layer])]
    return [*command, *(folder for layer in layers for folder in FOLDERS[layer])]


def chosen(argv: list[str]) -> tuple[list[str], bool, list[str]]:
    """Read the command line: (layers, full, arguments for pytest). Exits with a sentence on an unknown layer."""
    own, extra = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(prog="./run test", description="Runs the tests, by layers.", allow_abbrev=False)
    parser.add_argument("--full", action="store_true", help="the long forms too (under an hour)")
    parser.add_argument("--only", metavar="LAYERS", help=f"some of: {', '.join((*STATIC, *PYTEST))}")
    options, unknown = parser.parse_known_args(own)
    layers = options.only.split(",") if options.only else [*STATIC, *PYTEST]
    if strange := [layer for layer in layers if layer not in STATIC and layer not in PYTEST]:
        parser.error(f"no such layer: {', '.join(strange)}")
    return layers, options.full, unknown + extra


def main(argv: list[str]) -> int:
    """Run the wanted layers; returns the exit code."""
    layers, full, extra = chosen(argv)
    outcomes = [run_static(layer) for layer in STATIC if layer in layers]
    wanted = [layer for layer in PYTEST if layer in layers]
    for layer in [layer for layer in wanted if layer in FOLDERS]:
        if why := missing_for(layer):
            outcomes.append(Outcome(layer, "not run", why=why))
            wanted.remove(layer)
    code = max((1 for outcome in outcomes if outcome.state == "failed"), default=0)
    if not wanted:
        return code
    environment = os.environ | {"TALLYSTICK_LAYERS": json.dumps([asdict(outcome) for outcome in outcomes])}
    if full:
        environment["TALLYSTICK_FULL"] = "1"
    sys.stdout.flush()
    return subprocess.run(pytest_command(wanted, extra), cwd=ROOT, env=environment, check=False).returncode or code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
