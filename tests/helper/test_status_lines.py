"""What `tallystick status` says of money."""

from __future__ import annotations

from typing import Any

from tallystick_helper.status_lines import ZERO, money_rows

ETHER = 10**18
GAS = {"operator": "0xop", "held": "0", "claim": "1", "send": "0", "claims": 1200}
CLAIM = {"token": ZERO, "pays": str(2 * ETHER), "fee": "1", "worth": True, "channels": 3, "threshold": str(5 * ETHER)}


def told(**chain: Any) -> dict[str, str]:
    return dict(money_rows({"earnings": [], "chains": {"": {"symbol": "ETH", "claims": [], "gas": GAS, **chain}}}))


def test_nothing_yet() -> None:
    assert told() == {
        "Earned": "nothing in the last 30 days",
        "Next claim": "no voucher waits",
        "Gas": "for 1,200 claims",
    }


def test_a_claim_to_come() -> None:
    assert told(claims=[CLAIM])["Next claim"].startswith("2 ETH from 3 deposits, gas ")
    assert told(claims=[CLAIM])["Next claim"].endswith("; by itself from 5 ETH")
    assert "its gas costs more than it pays" in told(claims=[{**CLAIM, "worth": False}])["Next claim"]
    assert told(claims=[{"token": ZERO, "error": "it reverts"}])["Next claim"] == "not known: it reverts"


def test_an_operator_without_gas() -> None:
    none = told(gas={**GAS, "claims": 0, "send": str(ETHER)})["Gas"]
    assert none == "none: the operator cannot claim; send 1 ETH to 0xop"
    assert told(gas={**GAS, "claims": 3, "send": str(ETHER)})["Gas"] == "for 3 claims; send 1 ETH to 0xop"


def test_a_chain_that_does_not_answer_and_a_token() -> None:
    assert set(told(claims=None, gas=None).values()) >= {"not known: the chain does not answer"}
    row = {"chain": "", "token": "0x" + "11" * 20, "symbol": "ETH", "today": "1", "week": "2", "month": "3"}
    ((_, said),) = money_rows({"earnings": [row], "chains": {}})
    assert said.startswith("1 of 0x11") and said.endswith(" in 30 days")
