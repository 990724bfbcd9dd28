"""Mutants of Channels: the ways out. And of Registry."""

from __future__ import annotations

from typing import Any

from tests.contracts.mutants import Mutant
from tests.contracts.mutants.opens import mutant

CLOSE = "test_close.test_close_pays_both_and_ends"
REQUEST = "test_close.test_a_request_brings_the_expiry_to_now_and_the_delay"
WITHDRAW = "test_close.test_withdraw_returns_the_rest_to_the_payer_whoever_calls"
TOMB = "    self.channels[id] = (word & (max_value(uint256) >> 32)) | (ENDED << 224)\n"
OVER = "    self.channels[id] = deposit | (claimed << 112) | (ENDED << 224)\n"
LEAVING = "test_registry.test_leaving_takes_seven_days_and_returns_every_wei"

CLEARED = "    self.records[msg.sender] = 0\n    self.unlockAt[msg.sender] = 0\n"
SENT = '    raw_call(msg.sender, b"", value=stake)\n'


def registry(name: str, old: str, new: str, test: str, **given: Any) -> Mutant:
    return Mutant(f"registry: {name}", "Registry", old, new, f"test_{test}", given)


MUTANTS = [
    mutant(
        "withdraw one second early",
        "assert block.timestamp >= expiry",
        "assert block.timestamp + 1 >= expiry",
        WITHDRAW,
    ),
    mutant("withdraw one second late", "assert block.timestamp >= expiry", "assert block.timestamp > expiry", WITHDRAW),
    mutant(
        "withdraw leaves no tombstone",
        TOMB,
        "    self.channels[id] = 0\n",
        "test_open.test_an_ended_id_never_opens_again",
    ),
    mutant("withdraw ends nothing", TOMB, "", WITHDRAW),
    mutant(
        "withdraw takes what was claimed too",
        "refund: uint256 = (word & MAX_AMOUNT) - ((word >> 112) & MAX_AMOUNT)",
        "refund: uint256 = word & MAX_AMOUNT",
        WITHDRAW,
    ),
    mutant(
        "withdraw pays whoever calls",
        "self._pay(config.token, config.payer, refund)",
        "self._pay(config.token, msg.sender, refund)",
        WITHDRAW,
    ),
    mutant(
        "withdraw of the unknown",
        'assert expiry > ENDED, "ended"\n    assert block.timestamp',
        'assert expiry != ENDED, "ended"\n    assert block.timestamp',
        "test_close.test_withdraw_of_an_unknown_channel",
    ),
    mutant("close leaves no tombstone", OVER, "    self.channels[id] = 0\n", CLOSE),
    mutant("close ends nothing", OVER, OVER.replace("ENDED", "(word >> 224)"), CLOSE),
    mutant("close refunds everything", "refund: uint256 = deposit - claimed", "refund: uint256 = deposit", CLOSE),
    mutant(
        "close pays the closer",
        "self._pay(record.config.token, payee, paid)",
        "self._pay(record.config.token, msg.sender, paid)",
        CLOSE,
    ),
    mutant(
        "close refunds the closer",
        "self._pay(record.config.token, record.config.payer, refund)",
        "self._pay(record.config.token, msg.sender, refund)",
        CLOSE,
    ),
    mutant("close forgets what it paid", "        claimed = total\n", "", CLOSE),
    mutant(
        "anyone closes",
        '    assert self._leaf(payee, msg.sender, record.leafSalt) == record.config.root, "closer"\n',
        "",
        "test_close.test_only_the_closer_closes",
    ),
    mutant(
        "the payee closes",
        "self._leaf(payee, msg.sender, record.leafSalt)",
        "self._leaf(msg.sender, msg.sender, record.leafSalt)",
        CLOSE,
    ),
    mutant(
        "close with a proof",
        '    assert len(record.proof) == 0, "closer"\n',
        "",
        "test_close.test_a_record_with_a_proof_closes_nothing",
    ),
    mutant(
        "close unsigned",
        '        assert self._is_signed(digest, record.config.signer, record.sig), "signature"\n',
        "",
        "test_close.test_a_higher_total_needs_the_session_key",
    ),
    mutant(
        "close wants a signature for nothing",
        "    if total > claimed:\n",
        "    if total >= claimed:\n",
        "test_close.test_a_total_not_above_what_was_paid_needs_no_signature",
        total=300,
    ),
    mutant(
        "close beyond the deposit",
        "total: uint256 = min(record.cumulative, deposit)",
        "total: uint256 = record.cumulative",
        "test_close.test_close_pays_at_most_the_deposit",
    ),
    mutant(
        "close of the unknown",
        '    assert word >> 224 > ENDED, "ended"\n',
        "",
        "test_close.test_close_of_an_unknown_channel",
    ),
    mutant(
        "a token that pays out and says no",
        'assert extcall Token(token).transfer(to, amount, default_return_value=True), "token"',
        "done: bool = extcall Token(token).transfer(to, amount, default_return_value=True)",
        "test_odd_tokens.test_a_token_that_comes_to_return_false_holds_its_own_channels_alone",
    ),
    mutant(
        "a request without a delay",
        "block.timestamp + convert(config.delay, uint256)",
        "block.timestamp",
        REQUEST,
        who="payer",
    ),
    mutant(
        "a request extends",
        "if soonest < expiry:",
        "if soonest != expiry:",
        "test_close.test_a_later_request_never_extends_and_still_logs",
    ),
    mutant(
        "a request by anyone",
        '    assert msg.sender == config.payer or msg.sender == config.signer, "payer"\n',
        "",
        "test_close.test_nobody_else_requests",
    ),
    mutant("no request by the signer", " or msg.sender == config.signer", "", REQUEST, who="signer"),
    mutant(
        "a request forgets what was claimed",
        "self.channels[id] = (word & (max_value(uint256) >> 32)) | (expiry << 224)",
        "self.channels[id] = (word & MAX_AMOUNT) | (expiry << 224)",
        "test_close.test_a_request_keeps_what_was_claimed",
    ),
    mutant(
        "a request for the dead",
        '    assert expiry > ENDED, "ended"\n    soonest',
        "    soonest",
        "test_close.test_close_works_after_expiry_and_only_once",
    ),
    registry(
        "the hash of other bytes",
        "convert(keccak256(profile), uint256)",
        "convert(sha256(profile), uint256)",
        "registry.test_register_lists_the_provider_and_logs_the_profile",
    ),
    registry(
        "the stake stays", 'raw_call(msg.sender, b"", value=stake)', 'raw_call(msg.sender, b"", value=0)', LEAVING[5:]
    ),
    registry("an early exit", " and block.timestamp >= unlock", "", LEAVING[5:]),
    registry("an exit unasked", "unlock != 0 and ", "", LEAVING[5:]),
    registry("a second request", '    assert self.unlockAt[msg.sender] == 0, "requested"\n', "", LEAVING[5:]),
    registry(
        "who left is still known",
        "    self.records[msg.sender] = 0\n",
        "",
        "registry.test_a_provider_that_left_can_come_back_and_must_ask_again",
    ),
    registry(
        "who left may leave at once again",
        "    self.unlockAt[msg.sender] = 0\n",
        "",
        "registry.test_a_provider_that_left_can_come_back_and_must_ask_again",
    ),
    registry(
        "the moved one keeps its old index",
        "        self.records[moved] = (self.records[moved] & (max_value(uint256) >> 64)) | (index << 192)\n",
        "",
        "registry.test_the_last_provider_takes_the_free_place",
        leaver=0,
    ),
    registry(
        "the free place stays",
        "        self.entries[index] = last\n",
        "",
        "registry.test_the_last_provider_takes_the_free_place",
        leaver=0,
    ),
    Mutant(
        "registry: the stake comes before the end",
        "Registry",
        CLEARED + "    log Exited(provider=msg.sender)\n" + SENT,
        SENT + CLEARED + "    log Exited(provider=msg.sender)\n",
        "test_hostile.test_a_provider_that_calls_back_while_it_leaves_is_gone",
        {"name": "announce", "values": (b"x",)},
    ),
    registry(
        "strangers announce",
        '    assert record != 0, "unregistered"\n    self.records',
        "    self.records",
        "registry.test_strangers_can_do_nothing",
    ),
    registry(
        "no way back to the last profile",
        "previousBlock=(record >> 160) & BLOCK",
        "previousBlock=0",
        "registry.test_announce_replaces_hash_and_block_and_points_back",
    ),
    registry(
        "an announcement forgets the index",
        "self._record(record >> 192, profile)",
        "self._record(0, profile)",
        "registry.test_whoever_announced_still_leaves_alone",
    ),
    registry(
        "twice in the list",
        '    assert self.records[msg.sender] == 0, "registered"\n',
        "",
        "registry.test_register_once_and_with_enough_stake",
    ),
    registry("no least stake", "msg.value >= MIN_STAKE and ", "", "registry.test_register_once_and_with_enough_stake"),
    registry(
        "a stake beyond its bits", " and msg.value <= MAX_STAKE", "", "registry.test_the_stake_in_gwei_has_64_bits"
    ),
    registry(
        "added stake is lost",
        "self.entries[record >> 192] = entry + (msg.value << 160)",
        "self.entries[record >> 192] = entry",
        "registry.test_add_stake_changes_nothing_but_the_stake",
    ),
    registry(
        "a block reaches into the index",
        "(block.number & BLOCK)",
        "block.number",
        "registry.test_a_block_number_past_32_bits_leaves_the_index_alone",
    ),
    registry(
        "pages in another order", "self.entries[start + i]", "self.entries[size - 1 - start - i]", "registry.test_pages"
    ),
    registry("pages that overlap", "self.entries[start + i]", "self.entries[i]", "registry.test_pages"),
    registry(
        "a wrong count",
        '    @return Their number.\n    """\n    return len(self.entries)',
        '    @return Their number.\n    """\n    return len(self.entries) + 1',
        "registry.test_the_last_provider_takes_the_free_place",
        leaver=0,
    ),
]
