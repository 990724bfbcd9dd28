"""docs.py: the pages are what the contracts and the chain give, and the command says where they are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts import docs, gas, story
from contracts.machine import ROOT
from contracts.reference import table


def test_the_command_writes_and_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "reference" / "page.md"
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "PAGES", {page: lambda: "fresh\n"})
    assert docs.main(["--check"]) == 1
    assert "stale: reference/page.md (run: ./run docs)" in capsys.readouterr().out
    assert not page.exists()
    assert docs.main([]) == 0
    assert page.read_text() == "fresh\n"
    assert docs.main(["--check"]) == 0
    page.write_text("old\n")
    assert docs.main(["--check"]) == 1


@pytest.fixture(scope="module")
def told() -> str:
    return story.story()


def test_the_life_of_a_channel_is_the_committed_page(told: str) -> None:
    assert (docs.DOCS / "topics" / "life-of-a-channel.md").read_text(encoding="utf-8") == told, "run: ./run docs"


def test_the_story_costs_what_gas_json_says(told: str) -> None:
    """Receipts of the same steps; signatures of other bytes make a difference of some units."""
    held = gas.kept()
    table_of_costs = told[told.index("| story | step | gas |") :]
    found = re.findall(r"\| `(\w+)` \| ([\d,]+) \|", table_of_costs)
    costs = [(step, int(cost.replace(",", ""))) for step, cost in found]
    assert len(costs) == 14
    for step, key in (("open", "open_native"), ("topUp", "top_up"), ("requestClose", "request_close")):
        assert (step, held[key]) in costs
    assert ("withdraw", held["withdraw_native"]) in costs
    assert any(step == "close" and abs(cost - held["close_native"]) < 50 for step, cost in costs)


def test_every_step_of_the_story_is_told(told: str) -> None:
    functions = ("open", "topUp", "claim", "requestClose", "withdraw", "close", "openPermit")
    assert all(f"> `{name}` from the " in told for name in functions)
    assert "{{" not in told
    assert "`exists`" in told and "| `claim` | pays 0 |" in told


def test_links_of_the_hand_written_pages_lead_somewhere() -> None:
    for page in (*docs.DOCS.rglob("*.md"), ROOT / "contracts" / "README.md"):
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.relative_to(ROOT)}: {link}"


def test_a_table_escapes_what_would_break_it() -> None:
    assert table(("a", "b"), (1, "x | y")) == "| a | b |\n| --- | --- |\n| 1 | x \\| y |"
