"""The twelve invariants of the contracts, held by random lives of several channels at once (see ``stateful``).

A run in which calls only failed proves nothing: successes are counted, and each kind must have happened. The short form
asserts what every life begins and ends with; the full form that each kind succeeded `MANY` times or more.
"""

from __future__ import annotations

import pytest

from contracts.machine import Machine
from tests.contracts.stateful.cast import Cast
from tests.contracts.stateful.ends import Lives
from tests.contracts.stateful.runs import STEPS, live, tell
from tests.contracts.world import World

LIVES = {"py_evm": (5, 240), "chain": (12, 240), "node": (0, 70)}
"""How many, by the EVM's fixture: in the short form, in the full one. `chain` and `node` have P-256, py-evm has not."""

MANY = 5
SHORT = {"open native", "open for P-256", "calls back", "exit of a payer", "exit of a payee", "exit of a closer"}
FULL = SHORT | {
    "open approved",
    "open permit",
    "open authorized",
    "top up by the payer",
    "top up by a stranger",
    "claim of nothing",
    "forgery",
    "gift",
    "open used permit",
    "extend",
    "claim",
    "deep claim",
    "batch",
    "batch with bad ones",
    "packed",
    "forgery of the other kind",
    "paid whatever others did",
    "close",
    "close by the payee",
    "close requested by the payer",
    "close requested by the signer",
    "withdraw",
    "withdraw at the first moment",
}
WORDS = ["payer", "signer", "delay", "expiry", "amount", "exists", "ended", "early", "closer", "signature", "frozen"]
FULL |= {f"refused: {word}" for word in [*WORDS, "by the receiver"]}


@pytest.fixture(params=LIVES)
def where(request: pytest.FixtureRequest, full: bool) -> tuple[str, Machine]:
    """An EVM and its name. Made here: titanoboa's plugin anchors each test, and no fixture may begin inside of that."""
    if not LIVES[request.param][full]:
        pytest.skip("ethereumjs lives in the full form only")
    return request.param, request.getfixturevalue(request.param)


@pytest.mark.timeout(1800)
def test_money_invariants(where: tuple[str, Machine], full: bool, pytestconfig: pytest.Config) -> None:
    name, machine = where
    lives = LIVES[name][full]
    with machine.anchored():
        done = live(Lives, lives, full=full, cast=Cast(World(machine)))
    tell(pytestconfig, f"channels on {name}", done)
    assert done["steps"] >= lives * STEPS[full] * 5 // 6  # hypothesis cuts some short
    # Seventy lives are too few for what is rare.
    least, kinds = (1, SHORT) if not full else (MANY, FULL) if lives >= 200 else (MANY, SHORT)
    rare = {kind: done[kind] for kind in kinds if done[kind] < least}
    assert not rare, f"too seldom: {rare}"
    assert bool(done["claim with P-256"]) == machine.has_p256
