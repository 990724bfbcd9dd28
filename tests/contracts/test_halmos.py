"""Properties of Channels proved by halmos for all values at once, on the creation code that is deployed.

Solvency of a tree up to depth 3 is proved in two steps, and once more in one. From any state, a claim at depth 0 to 3
moves the payee's sum and the channel's together, and never above `deposit >> depth` (`claims_only_rise`); two children
never have more than their parent (`kraft_halves`), so all caps together are at most the deposit. `kraft_comb`
(leaves at depths 1, 2, 3 and 3) and its like open a real channel and let every payee of a real tree claim.

A proof that looks at nothing also holds. So each is tried on a broken contract too, and must find it out.
"""

from __future__ import annotations

import shutil

import pytest

from tests.contracts.provers import PROOFS, broken_code, install_halmos, prove

SHORT = {
    "Proofs": {
        "check_open_is_exact",
        "check_no_early_withdrawal",
        "check_claims_only_rise_0",
        "check_claims_only_rise_1",
        "check_kraft_halves",
        "check_only_what_is_signed_pays",
        "check_a_record_never_spoils_a_batch",
    },
    "Kraft": {"check_kraft_comb"},
}
LONG = {
    "Proofs": {"check_claims_only_rise_2", "check_claims_only_rise_3", "check_ended_is_over"},
    "Kraft": {"check_kraft_two", "check_kraft_square"},
}


@pytest.fixture(scope="module", autouse=True)
def halmos() -> None:
    shutil.rmtree(PROOFS, ignore_errors=True)
    install_halmos()


def wanted(names: set[str]) -> str:
    """A pattern for just these."""
    return f"({'|'.join(sorted(names))})\\("


@pytest.mark.parametrize("contract", SHORT)
def test_proofs(contract: str) -> None:
    found = prove(contract, wanted(SHORT[contract]))
    assert found.keys() == SHORT[contract]
    assert all(verdict.proved for verdict in found.values()), found


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("contract", LONG)
def test_long_proofs(contract: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = prove(contract, wanted(LONG[contract]), seconds=600)
    with capsys.disabled():
        for verdict in found.values():
            print(f"\nhalmos: {verdict.name}: {verdict.paths} paths, {verdict.seconds:.1f} s")
    assert found.keys() == LONG[contract]
    assert all(verdict.proved for verdict in found.values()), found


CAP = ("min(record.cumulative, (word & MAX_AMOUNT) >> depth)", "min(record.cumulative, word & MAX_AMOUNT)")
BROKEN = {
    "check_claims_only_rise_1": CAP,
    "check_no_early_withdrawal": ("block.timestamp >= expiry", "block.timestamp + 1 >= expiry"),
}
BROKEN_TOO = {
    "check_open_is_exact": ("delay <= MAX_DELAY", "delay <= MAX_DELAY + 1"),
    "check_claims_only_rise_0": ("min(record.cumulative, (word & MAX_AMOUNT) >> depth)", "record.cumulative"),
    "check_claims_only_rise_3": CAP,
    "check_only_what_is_signed_pays": ("return ecrecover(digest, v, r, s) == signer", "return True"),
    "check_a_record_never_spoils_a_batch": ("if total <= before:", "if total == before:"),
    "check_ended_is_over": ("if word >> 224 <= ENDED:", "if word >> 224 < ENDED:"),
    "check_kraft_two": CAP,
    "check_kraft_comb": CAP,
}


@pytest.mark.parametrize("name", [*BROKEN, *(pytest.param(name, marks=pytest.mark.full) for name in BROKEN_TOO)])
def test_a_broken_contract_is_refuted(name: str) -> None:
    """Not proved is not enough: halmos must show values with which it goes wrong."""
    old, new = (BROKEN | BROKEN_TOO)[name]
    contract = "Kraft" if name in SHORT["Kraft"] | LONG["Kraft"] else "Proofs"
    found = prove(contract, wanted({name}), CHANNELS=broken_code("Channels", old, new))
    assert found[name].refuted, found
