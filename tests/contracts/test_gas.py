"""gas.json holds what anvil measures, and every figure keeps to that of the design."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts import gas

REQUIRED = (
    "open_native",
    "open_permit_first",
    "open_permit",
    "open_3009",
    "top_up",
    "claim_native",
    "claim_erc20",
    "claim_batch10_each",
    "claim_packed100_each",
    "close_native",
    "close_erc20",
    "request_close",
    "withdraw_native",
    "register",
    "announce",
    "session_1000_prompts",
    "session_uncooperative",
    "session_kraft",
)


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return gas.measure()


def test_gas_json_is_what_is_measured(measured: dict[str, int]) -> None:
    """A rise fails the run, and so does a fall that was not written down."""
    assert gas.risen(measured, gas.kept()) == [], "run: python -m contracts.gas"


def test_gas_json_is_flat_and_whole(measured: dict[str, int]) -> None:
    held = json.loads(gas.GAS_JSON.read_text(encoding="utf-8"))
    assert all(type(value) is int and value > 0 for value in held.values())
    assert [name for name in REQUIRED if name not in held] == []
    assert gas.GAS_JSON.read_text(encoding="utf-8") == json.dumps(measured, indent=2) + "\n"


def test_nothing_costs_more_than_the_design_and_3_percent(measured: dict[str, int]) -> None:
    assert gas.missed(measured) == []


def test_a_figure_just_above_is_missed() -> None:
    exact = {name: int(design * gas.TOLERANCE) for name, design in gas.DESIGN.items()}
    assert gas.missed(exact) == []
    above = exact | {"announce": exact["announce"] + 1}
    assert gas.missed(above) == [f"announce: {above['announce']} > 37000 + 3 %"]
    del above["announce"]
    assert gas.missed(above) == ["announce: not measured"]


def test_a_change_is_told_with_both_figures() -> None:
    assert gas.risen({"a": 2, "b": 1}, {"a": 1, "c": 3}) == ["a: 1 -> 2", "b: None -> 1", "c: 3 -> None"]


def test_the_command_checks_and_writes(
    measured: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gas, "measure", lambda: measured)
    monkeypatch.setattr(gas, "GAS_JSON", tmp_path / "gas.json")
    assert gas.main(["--check"]) == 1
    assert "stale: contracts/gas.json" in capsys.readouterr().out
    assert gas.main([]) == 0
    assert gas.main(["--check"]) == 0
    monkeypatch.setattr(gas, "measure", lambda: measured | {"open_native": 60_000})
    assert gas.main(["--check"]) == 1
    assert "open_native: 60000 > 50458 + 3 %" in capsys.readouterr().out


def test_code_fits_a_chain(measured: dict[str, int]) -> None:
    """EIP-170: at most 24,576 bytes."""
    assert max(measured["size_channels_bytes"], measured["size_registry_bytes"]) <= 24_576
