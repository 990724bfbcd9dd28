"""Invariants 1 to 12 of the design under forge, on the creation code that is deployed.

Each Solidity invariant bears its number. 6 and 12 (every voucher is still paid, everybody gets out) are checked at the
end of each life; 8 (a batch is its singles, packed is plain) and 10 (one kind of signature is never good for the other)
inside the handler's steps. A step that cannot be done now is discarded, and any other that reverts is a failure, so the
counts below are counts of calls that succeeded: of attacks, that were refused.
"""

from __future__ import annotations

import secrets
from collections import Counter

import pytest

from tests.contracts.provers import Campaign, broken_code, run_invariants

NAMES = {
    "invariant_1_what_is_owed_is_held",
    "invariant_2_money_is_conserved",
    "invariant_3_caps_hold_and_nothing_falls",
    "invariant_4_only_what_was_signed_is_paid",
    "invariant_5_7_expiry_and_end",
    "invariant_9_nobody_calls_back",
    "invariant_11_pages_are_the_list",
    "invariant_11_stake_is_conserved",
}
STEPS = {
    *("open", "openApproved", "openPermit", "openAuthorized", "topUp", "requestClose", "withdraw", "wait"),
    *("claim", "claimBatch", "claimPacked", "close", "gift"),
    *("attackEarly", "attackEnded", "attackForged", "attackUnproven", "attackClose", "attackExpiry", "attackOpen"),
    *(
        "attackFee",
        "attackLeave",
        "register",
        "announce",
        "addStake",
        "requestExit",
        "exit",
        "attackUnregistered",
        "attackTwice",
    ),
}
RUNS, DEPTH = 3, 100
FULL_RUNS, FULL_DEPTH = 100, 250


@pytest.fixture(scope="module")
def found() -> dict[str, Campaign]:
    return {campaign.name: campaign for campaign in run_invariants(RUNS, DEPTH)}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_invariant(found: dict[str, Campaign], name: str) -> None:
    assert found[name].ok, found[name].reason
    assert found[name].calls == RUNS * DEPTH


def test_all_of_them_ran_and_every_kind_of_step_succeeded(found: dict[str, Campaign]) -> None:
    assert found.keys() == NAMES
    done = total(found.values())
    assert done.keys() >= STEPS
    assert all(done[step] >= 5 for step in STEPS), done


def total(campaigns: object) -> Counter[str]:
    """The steps of all campaigns together."""
    return sum((campaign.done for campaign in campaigns), Counter())


BROKEN = {
    "a cap that is not halved": ("Channels", "(word & MAX_AMOUNT) >> depth)", "word & MAX_AMOUNT)", "invariant_3"),
    "no lock": ("Channels", "@nonreentrant\n", "", "invariant_9"),
    "an end that is forgotten": (
        "Channels",
        "self.channels[id] = (word & (max_value(uint256) >> 32)) | (ENDED << 224)",
        "self.channels[id] = 0",
        "invariant_5_7",
    ),
    "a packed record that anyone signed": (
        "Channels",
        "if convert(recovered, uint256) != signer:",
        "if recovered == empty(address):",
        "invariant_4",
    ),
    "a stake that is not given back": ("Registry", 'raw_call(msg.sender, b"", value=stake)', "pass", "invariant_11"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_contract_is_caught(name: str) -> None:
    contract, old, new, only = BROKEN[name]
    caught = run_invariants(RUNS, DEPTH, only=only, **{contract.upper(): broken_code(contract, old, new)})
    assert any(not campaign.ok for campaign in caught)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_invariants_at_length(capsys: pytest.CaptureFixture[str]) -> None:
    """100 lives of 250 steps for each invariant, another seed each time."""
    long = run_invariants(FULL_RUNS, FULL_DEPTH, seed=secrets.randbits(64))
    assert {campaign.name for campaign in long if campaign.ok} == NAMES, [campaign.reason for campaign in long]
    done = total(long)
    with capsys.disabled():
        print(f"\nforge: {sum(campaign.calls for campaign in long)} steps, of which succeeded: {dict(done)}")
    assert all(done[step] >= 500 for step in STEPS), done
