"""The layered test run behind ``./run test``.

    ./run test                        every layer, the short forms
    ./run test --full                 the long forms too
    ./run test --only unit,contracts  some layers
    ./run test -- -k money -x         what follows -- goes to pytest

Layers that are not pytest's (lint, types, arrows, generated files, the page's build) run first, side by side, then
pytest's, in processes of their own (``tests/parts.py``). Nothing stops at the first failure, so one run tells
everything; the exit code is 0 only if every layer passed. ``tests/layers.py`` has the table of layers and whatever
could not run, just above the closing line, which is pytest's own, with the totals of all processes.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import browsers, parts
from tests.layers import FOLDERS, Outcome, closing, table

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
"""Layers that are commands. They run side by side."""

PYTEST = ("unit", *FOLDERS)


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
    began = time.monotonic()
    # Who ends this run ends what it started, and hears what is known by then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ThreadPoolExecutor(os.cpu_count()) as together:
        outcomes = list(together.map(run_static, [layer for layer in STATIC if layer in layers]))
    wanted = [layer for layer in PYTEST if layer in layers]
    for layer in [layer for layer in wanted if layer in FOLDERS]:
        if why := missing_for(layer):
            outcomes.append(Outcome(layer, "not run", why=why))
            wanted.remove(layer)
    failed = max((1 for outcome in outcomes if outcome.state == "failed"), default=0)
    if not wanted:
        return failed
    if full:
        os.environ["TALLYSTICK_FULL"] = "1"
    sys.stdout.flush()
    code, notes = parts.run(parts.parts(wanted, extra))
    if not extra:  # else there was one process, and it remembers by itself
        parts.remember(notes)
    print(f"{' layers ':=^80}")
    for line in (*table(outcomes, notes), closing(notes, time.monotonic() - began)):
        print(line)
    return code or failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
