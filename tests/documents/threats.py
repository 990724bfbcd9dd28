"""The table of threats, from `threat_rows.py`."""

from __future__ import annotations

from contracts.machine import ROOT
from tests.documents.threat_rows import THREATS, Threat

HEAD = """# Threats, and the tests that prove what is done about them

*Made by `./run docs` from `tests/documents/threat_rows.py`; a test sees to it that every test named here exists and is
run, and that no threat is without one.*

The chosen provider **can** read the prompt while it runs it; nothing here is against that. A user's address on the
network is seen by the provider it talks to, while it does. What is public for ever is that a wallet opened a channel,
and which providers claimed from it. Whoever doubts a row runs its tests: `./run test -- tests/shared/test_tamper.py`.
"""
PLACE = "../../tests/"


def lines() -> dict[str, int]:
    """The line of each named test, by its name in `threat_rows`. Raises SystemExit where one is not there."""
    found = {}
    for threat in THREATS:
        for _, names in threat.tests:
            for name in names:
                found[name] = line_of(name)
    return found


def line_of(name: str) -> int:
    """Where a test begins in its file."""
    file, test = name.split("::")
    path = ROOT / "tests" / file
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.is_file() else (), 1):
        if line.startswith((f"def {test}(", f"async def {test}(", f"{test} =", f"class {test}")):
            return number
    raise SystemExit(f"tests/documents/threat_rows.py names a test that is not there: {name}")


def row(threat: Threat) -> str:
    """One threat."""
    shown = [f"## {threat.attacker}\n\n{threat.mitigation[0].upper()}{threat.mitigation[1:]}.\n"]
    for what, names in threat.tests:
        links = ", ".join(f"[`{name.split('::')[1]}`]({PLACE}{name.split('::')[0]})" for name in names)
        shown.append(f"- {what}: {links}")
    if threat.missing:
        shown.append(f"- *not shown by a test:* {threat.missing}")
    return "\n".join(shown) + "\n"


def page() -> str:
    """The whole page."""
    lines()
    return HEAD + "\n" + "\n".join(map(row, THREATS))
