"""Mutants of Channels: claims, signatures, trees, the packed form, the lock."""

from __future__ import annotations

from tests.contracts.mutants import Mutant
from tests.contracts.mutants.opens import mutant

BAD = "test_claim.test_bad_records_are_skipped_each_alone_and_never_spoil_a_batch"
BAD_PACKED = "test_packed.test_bad_records_are_skipped_each_alone_and_never_spoil_a_batch"
CAPS = "test_kraft.test_each_payee_gets_its_power_of_two"
RISE = "test_claim.test_totals_only_rise"
PRECOMPILE = "test_p256.test_only_exactly_one_in_exactly_32_bytes_is_a_yes"
LOCKED = ["open", "openPermit", "openAuthorized", "topUp", "requestClose", "withdraw", "claim", "claimPacked", "close"]
PAID = "        paid += total - before\n    self._pay(token, payee, paid)\n    return paid\n"
PAID += "\n\n@external\n@nonreentrant\ndef claimPacked"


def unlocked(function: str) -> Mutant:
    """A function without the lock: the payee of a claim calls it back."""
    payable = "@payable\n" if function in ("open", "topUp") else ""
    old, new = (f"@external\n{payable}{lock}def {function}(" for lock in ("@nonreentrant\n", ""))
    return mutant(f"{function} without the lock", old, new, "test_reentry.test_a_payee", way="claim", native=True)


MUTANTS = [
    *map(unlocked, LOCKED),
    mutant("the cap is not halved", "(word & MAX_AMOUNT) >> depth)", "word & MAX_AMOUNT)", CAPS),
    mutant("the cap is halved once at most", "MAX_AMOUNT) >> depth)", "MAX_AMOUNT) >> min(depth, 1))", CAPS),
    mutant(
        "the cap is of the rest",
        "(word & MAX_AMOUNT) >> depth)",
        "((word & MAX_AMOUNT) - ((word >> 112) & MAX_AMOUNT)) >> depth)",
        CAPS,
    ),
    mutant(
        "what a payee was paid is not kept",
        "        if depth != 0:\n            self.claimedBy[id][payee] = total\n",
        "",
        "test_kraft.test_payees_count_apart",
    ),
    mutant(
        "what a payee was paid is kept for the closer",
        "self.claimedBy[id][payee] = total",
        "self.claimedBy[id][closer] = total",
        "test_kraft.test_payees_count_apart",
    ),
    mutant(
        "what a payee was paid now is kept, not the sum",
        "self.claimedBy[id][payee] = total",
        "self.claimedBy[id][payee] = total - before",
        "test_kraft.test_payees_count_apart",
    ),
    mutant(
        "the only payee is kept twice",
        "        if depth != 0:\n            self.claimedBy[id][payee] = total\n",
        "        self.claimedBy[id][payee] = total\n",
        "test_claim.test_the_only_payee_never_uses_the_second_mapping",
    ),
    mutant(
        "a claim is not counted",
        "        self.channels[id] = word + ((total - before) << 112)\n        if depth",
        "        if depth",
        RISE,
    ),
    mutant("a claim pays the total again", PAID, PAID.replace("total - before", "total"), RISE),
    mutant(
        "a claim pays whoever calls",
        PAID,
        PAID.replace("payee, paid", "msg.sender, paid"),
        "test_claim.test_a_voucher_pays_the_payee_whoever_hands_it_in",
    ),
    mutant(
        "a lower total is taken",
        "        if total <= before:\n            continue\n        node",
        "        node",
        RISE,
    ),
    mutant(
        "the dead are paid",
        "        if word >> 224 <= ENDED:\n            continue\n        depth",
        "        depth",
        BAD,
    ),
    mutant("any tree will do", "        if node != record.config.root:\n            continue\n", "", BAD),
    mutant(
        "any signature will do",
        "        if not self._is_signed(digest, record.config.signer, record.sig):\n            continue\n",
        "",
        BAD,
    ),
    mutant(
        "any token will do",
        "        if record.config.token != token:\n            continue\n",
        "",
        "test_tokens.test_a_batch_is_of_one_token",
    ),
    mutant(
        "one bad record ends the batch",
        "        if node != record.config.root:\n            continue\n",
        "        if node != record.config.root:\n            break\n",
        BAD,
    ),
    mutant(
        "nodes are not sorted",
        "    return keccak256(concat(right, left))",
        "    return keccak256(concat(left, right))",
        CAPS,
    ),
    mutant(
        "a leaf of 72 bytes",
        'concat(b"\\x00", convert(payee',
        "concat(convert(payee",
        "test_shared.test_the_contract_takes_the_shared_codes_vouchers",
        depth=1,
    ),
    mutant(
        "a domain for ever",
        "    if chain.id == CHAIN_ID:\n        return DOMAIN_SEPARATOR\n    return self._build_domain()",
        "    return DOMAIN_SEPARATOR",
        "test_claim.test_after_a_fork_vouchers_follow_the_new_chain_id_and_ids_stay",
    ),
    mutant(
        "ids change with the chain",
        "abi_encode(DOMAIN_SEPARATOR, config)",
        "abi_encode(self._domain(), config)",
        "test_claim.test_after_a_fork_vouchers_follow_the_new_chain_id_and_ids_stay",
    ),
    mutant("no answer is needed", "if not done or len(answer) != 32:", "if not done:", PRECOMPILE),
    mutant("a failed answer counts", "if not done or len(answer) != 32:", "if len(answer) != 32:", PRECOMPILE),
    mutant("a long answer is cut", "max_outsize=64, is_static", "max_outsize=32, is_static", PRECOMPILE),
    mutant(
        "any answer is a yes",
        "return extract32(answer, 0, output_type=uint256) == 1",
        "return extract32(answer, 0, output_type=uint256) != 0",
        PRECOMPILE,
    ),
    mutant(
        "any P-256 key will do",
        "    if convert(convert(keccak256(slice(sig, 64, 64)), uint256) & (2**160 - 1), address) != signer:\n"
        "        return False\n",
        "",
        "test_p256.test_the_signer_is_the_key_whatever_the_precompile_says",
    ),
    mutant("P-256 of any length", "    if len(sig) != 128:\n        return False\n", "", BAD),
    mutant("secp256k1 of any length", "    if len(sig) == 65:", "    if len(sig) >= 65:", BAD),
    mutant(
        "P-256 over the digest itself",
        "concat(sha256(digest), sig)",
        "concat(digest, sig)",
        "test_p256.test_the_precompile_is_asked_as_the_standard_says",
    ),
    mutant(
        "packed: any signature",
        "        if convert(recovered, uint256) != signer:\n            continue\n",
        "",
        BAD_PACKED,
    ),
    mutant(
        "packed: the payee is taken for the closer",
        "self._leaf(payee, closer, empty(bytes32))",
        "self._leaf(payee, payee, empty(bytes32))",
        "test_packed.test_a_packed_record_pays_and_tells_as_a_claim_does",
    ),
    mutant(
        "packed: a root of anyone's",
        "abi_encode(\n                DOMAIN_SEPARATOR, record[1] >> 96, signer, root, token,",
        "abi_encode(\n                DOMAIN_SEPARATOR, record[1] >> 96, signer, root, empty(address),",
        "test_packed.test_payee_closer_and_token_must_be_the_channels",
    ),
    mutant(
        "packed: the total's halves overlap",
        "(record[1] & 65535) << 96)",
        "(record[1] & 65535) << 95)",
        "test_packed.test_a_total_over_both_words",
        total=2**96,
    ),
    mutant(
        "packed: a bit too many",
        "(record[1] & 65535)",
        "(record[1] & 131071)",
        "test_packed.test_bits_that_are_not_read",
        bit=16,
    ),
    mutant(
        "packed: v and s mixed",
        "record[4] & (max_value(uint256) >> 1),",
        "record[4],",
        BAD_PACKED,
    ),
    mutant(
        "packed: no cap",
        "min(cumulative, word & MAX_AMOUNT)",
        "cumulative",
        "test_packed.test_totals_only_rise_and_end_at_the_cap",
    ),
    mutant(
        "packed: a claim is not counted",
        "            continue\n        self.channels[id] = word + ((total - before) << 112)\n        log",
        "            continue\n        log",
        "test_packed.test_totals_only_rise_and_end_at_the_cap",
    ),
    mutant(
        "packed: the dead are paid",
        "        if word >> 224 <= ENDED:\n            continue\n        cumulative",
        "        cumulative",
        BAD_PACKED,
    ),
]
