"""What the protocol costs on this machine: natively in this process, and in the page's own Pyodide, run by node."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tallystick_shared.messages import BODIES
from tallystick_shared.records import Type
from tests.bench.measures import RECORD_SIZES, SUITES, run
from tests.bench.row import Row, median, missing, pairwise, spread
from tests.pyodide.test_shared_inside import run_module
from web.build.build import build
from web.build.inputs import DIST, BuildError

MESSAGES = [kind.name.lower() for kind in BODIES if kind is not Type.PONG]
NAMES = {
    "handshakes": [f"handshake_{suite}" for suite in SUITES],
    "records": [f"{verb}_{size}" for size in RECORD_SIZES for verb in ("seal", "open")],
    "messages": [f"{verb}_{name}" for name in MESSAGES for verb in ("encode", "decode")],
    "peers": ["records_per_second"],
}
GOALS = {"handshakes": 3.0, "records": 1.5, "messages": 1.0, "peers": 0.15}
PAGE_GOALS = {"handshakes": 6.0, "records": 15.0, "messages": 1.0, "peers": 0.1}
"""The largest ratio to what each is held against; of `records_per_second` the least."""
PAGE = "page_"


def names(page: bool) -> tuple[str, ...]:
    """The rows of one runtime."""
    return tuple((PAGE if page else "") + name for group in NAMES.values() for name in group)


def natively() -> list[dict[str, Any]]:
    return json.loads(run(list(NAMES)))  # type: ignore[no-any-return]


def in_page() -> list[dict[str, Any]]:
    """The same inside Pyodide. Raises AssertionError, BuildError or OSError where it does not run."""
    build()
    with tempfile.TemporaryDirectory() as folder:
        measured, _ = run_module(DIST, Path(folder), "tests.bench.measures", list(NAMES))
    return measured  # type: ignore[no-any-return]


def rows(measure: Callable[[], list[dict[str, Any]]], prefix: str, goals: dict[str, float]) -> list[Row]:
    """A row for each name; one that was not measured says why."""
    found: dict[str, dict[str, Any]] = {}
    why = "this suite is not spoken here"
    try:
        found = {each["name"]: each for each in measure()}
    except (AssertionError, BuildError, OSError, subprocess.SubprocessError) as error:
        why = str(error)[:300]
    made = []
    for group, members in NAMES.items():
        make = per_second if group == "peers" else each_takes
        for name in members:
            sign = "≥" if group == "peers" else "≤"
            if name in found:
                made.append(make(prefix + name, found[name], goals[group]))
            else:
                made.append(missing(prefix + name, "µs", "", f"{sign} {goals[group]:g}", why))
    return made


def each_takes(name: str, held: dict[str, Any], goal: float) -> Row:
    """Microseconds for one, as a multiple of what it is held against."""
    ratio = pairwise(held["ours"], held["floor"], lambda one, other: one / other)
    against = f"{held['against']}: {median(held['floor']):.3g} µs"
    return Row(name, median(held["ours"]), "µs", against, ratio, f"≤ {goal:g}", ratio <= goal, spread(held["ours"]))


def per_second(name: str, held: dict[str, Any], goal: float) -> Row:
    """How many a second, as a part of what it is held against."""
    rates = [1e6 / taken for taken in held["ours"]]
    floor = [1e6 / taken for taken in held["floor"]]
    ratio = pairwise(rates, floor, lambda one, other: one / other)
    against = f"{held['against']}: {median(floor):,.0f}/s"
    return Row(name, median(rates), "1/s", against, ratio, f"≥ {goal:g}", ratio >= goal, spread(rates))


def protocol() -> list[Row]:
    """Natively: processor time."""
    return rows(natively, "", GOALS)


def page_protocol() -> list[Row]:
    """In the page: wall time, beside libsodium.js without the bridge to Python."""
    return rows(in_page, PAGE, PAGE_GOALS)
