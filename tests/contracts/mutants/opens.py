"""Mutants of Channels: opening, topping up, and what comes in."""

from __future__ import annotations

from typing import Any

from tests.contracts.mutants import Mutant
from tests.contracts.world import DAY, ZERO


def mutant(name: str, old: str, new: str, test: str, **given: Any) -> Mutant:
    return Mutant(name, "Channels", old, new, test, given)


def refused(name: str, old: str, new: str, reason: str, **changes: Any) -> Mutant:
    """One that a bad configuration must reveal."""
    test = "test_open.test_a_bad_configuration_is_refused"
    return mutant(name, old, new, test, changes=changes, reason=reason)


PAYER = '    assert msg.sender == config.payer, "payer"\n    id: bytes32 = self._open(config, expiry, amount)\n'
OPENED = "    id: bytes32 = self._open(config, expiry, amount)\n"
PERMIT = """    done: bool = raw_call( # whether it worked shows below
        config.token,
        abi_encode(config.payer, self, amount, deadline, v, r, s, method_id=PERMIT),
        revert_on_failure=False,
    )
"""
STRICT = """    raw_call(
        config.token,
        abi_encode(config.payer, self, amount, deadline, v, r, s, method_id=PERMIT),
    )
"""
ARRIVED = '    assert staticcall Token(token).balanceOf(self) == before + amount, "amount"\n'
TAKEN = "assert extcall Token(token).transferFrom(msg.sender, self, amount, default_return_value=True)"
BEFORE = "before: uint256 = staticcall Token(config.token).balanceOf(self)\n"


MUTANTS = [
    refused("a zero signer", '    assert config.signer != empty(address), "signer"\n', "", "signer", signer=ZERO),
    refused("no least delay", "delay >= MIN_DELAY and ", "", "delay", delay=15 * 60 - 1),
    refused("no longest delay", " and delay <= MAX_DELAY", "", "delay", delay=30 * DAY + 1),
    mutant(
        "an expiry that leaves no delay",
        "expiry >= block.timestamp + delay and ",
        "",
        "test_open.test_expiry_leaves_at_least_the_delay",
    ),
    mutant(
        "an expiry one second early",
        "expiry >= block.timestamp + delay and ",
        "expiry + 1 >= block.timestamp + delay and ",
        "test_open.test_expiry_leaves_at_least_the_delay",
    ),
    mutant(
        "an expiry beyond its bits",
        'expiry <= MAX_EXPIRY, "expiry"\n    assert amount != 0',
        'expiry <= 2**33, "expiry"\n    assert amount != 0',
        "test_open.test_expiry_has_32_bits",
    ),
    mutant(
        "a deposit of nothing",
        "amount != 0 and ",
        "",
        "test_open.test_the_amount_is_the_value_and_not_zero",
        amount=0,
        value=0,
    ),
    mutant(
        "a deposit beyond its bits",
        'amount <= MAX_AMOUNT, "amount"\n    id',
        'amount <= 2**113, "amount"\n    id',
        "test_open.test_the_deposit_has_112_bits",
    ),
    mutant("an id opens twice", '    assert self.channels[id] == 0, "exists"\n', "", "test_open.test_an_id_opens_once"),
    mutant(
        "only living ids are taken",
        'assert self.channels[id] == 0, "exists"',
        'assert self.channels[id] >> 224 <= ENDED, "exists"',
        "test_open.test_an_ended_id_never_opens_again",
    ),
    mutant(
        "anyone opens for the payer",
        PAYER + "    self._take",
        OPENED + "    self._take",
        "test_open.test_only_the_payer_opens",
    ),
    mutant(
        "anyone uses a permit",
        PAYER + "    done",
        OPENED + "    done",
        "test_open_permit.test_a_stranger_cannot_use_it",
    ),
    mutant("a permit must work", PERMIT, STRICT, "test_open_permit.test_a_front_run_permit_still_opens"),
    mutant(
        "an authorisation without the expiry",
        "keccak256(abi_encode(id, expiry))",
        "keccak256(abi_encode(id, empty(uint256)))",
        "test_open_authorized.test_a_stranger_hands_it_in_and_pays_the_gas",
    ),
    mutant(
        "an authorisation without the id",
        "keccak256(abi_encode(id, expiry))",
        "keccak256(abi_encode(empty(bytes32), expiry))",
        "test_open_authorized.test_a_stranger_hands_it_in_and_pays_the_gas",
    ),
    mutant(
        "an authorisation whose money need not come",
        '    assert staticcall Token(config.token).balanceOf(self) == before + amount, "amount"\n',
        "",
        "test_open_authorized.test_a_token_without_authorisations",
        phantom=True,
        reason="amount",
    ),
    mutant(
        "value that is not the amount",
        '        assert msg.value == amount, "amount"\n',
        "",
        "test_open.test_the_amount_is_the_value_and_not_zero",
        amount=5,
        value=4,
    ),
    refused("value with a token", '    assert msg.value == 0, "amount"\n', "", "amount", token="0x" + "11" * 20),
    mutant("a token with a fee", ARRIVED, "", "test_odd_tokens.test_a_fee_on_transfer_is_refused", fee=1),
    mutant(
        "a token that takes in and says no",
        TAKEN + ', "token"',
        TAKEN.replace("assert", "done: bool ="),
        "test_odd_tokens.test_a_token_that_returns_false_is_refused",
        idle=False,
    ),
    mutant(
        "a token that answers nothing",
        TAKEN,
        TAKEN.replace(", default_return_value=True", ""),
        "test_odd_tokens.test_a_token_that_returns_nothing_serves",
    ),
    mutant(
        "the payer pays every top-up",
        "transferFrom(msg.sender, self, amount",
        "transferFrom(tx.origin, self, amount",
        "test_reentry.test_a_payer_whose_token_is_being_taken",
        way="topUp",
    ),
    mutant(
        "anyone extends",
        '        assert msg.sender == config.payer, "payer"\n        assert newExpiry',
        "        assert newExpiry",
        "test_top_up.test_nobody_else_extends",
    ),
    mutant(
        "a top-up shortens",
        "if newExpiry > expiry:",
        "if newExpiry != expiry:",
        "test_top_up.test_an_expiry_not_above_the_present_one_changes_nothing",
        earlier=1,
    ),
    mutant(
        "a top-up forgets what was claimed",
        "(word & (MAX_AMOUNT << 112)) | ",
        "",
        "test_top_up.test_a_top_up_keeps_what_was_claimed_and_raises_the_cap",
    ),
    mutant(
        "a top-up of the dead",
        '    assert expiry > ENDED, "ended"\n    assert amount',
        "    assert amount",
        "test_top_up.test_unknown_and_ended_channels_take_no_money",
    ),
    mutant(
        "a top-up beyond the bits",
        '    assert deposit <= MAX_AMOUNT, "amount"\n',
        "",
        "test_top_up.test_bounds",
    ),
    mutant(
        "a top-up that is not booked",
        "deposit: uint256 = (word & MAX_AMOUNT) + amount",
        "deposit: uint256 = word & MAX_AMOUNT",
        "test_top_up.test_anyone_adds_to_the_deposit",
    ),
]
