"""gas.json holds what anvil measures, and every figure keeps to its goal."""

from __future__ import annotations

import json

import pytest

from contracts import gas


@pytest.fixture(scope="module")
def measured() -> dict:
    return gas.measure()


def test_gas_json_is_fresh(measured: dict) -> None:
    kept = json.loads(gas.GAS_JSON.read_text(encoding="utf-8"))
    assert kept == measured, "run: python -m contracts.gas"


def test_nothing_costs_more_than_its_goal(measured: dict) -> None:
    assert gas.missed(measured) == []
    rows = measured["Channels"]["gas"] | measured["Registry"]["gas"]
    assert {name for name, row in rows.items() if "design" in row} == set(gas.DESIGN)


def test_the_command_tells_a_missed_goal() -> None:
    rows = {"open": {"gas": 104, "design": 100}, "claim": {"gas": 103, "design": 100}, "other": {"gas": 999}}
    assert gas.missed({"Channels": {"gas": rows}}) == ["Channels open: 104 > 100 + 3 %"]


def test_code_fits_a_chain(measured: dict) -> None:
    """EIP-170: at most 24,576 bytes."""
    assert all(part["size"] <= 24_576 for part in measured.values())
