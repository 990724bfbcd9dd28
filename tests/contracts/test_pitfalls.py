"""Which tests show an attack failing, by the pitfall as the design tells it: none may lose its test unnoticed."""

from __future__ import annotations

import ast
from functools import lru_cache

import pytest

from contracts.machine import ROOT

CONTRACTS, HELPER, SHARED = "tests/contracts/", "tests/helper/", "tests/shared/"

PITFALLS: dict[str, tuple[str, ...]] = {
    "operator key stolen": (
        CONTRACTS + "test_replay.py::test_a_closer_in_league_with_the_payer_can_forfeit_but_not_redirect",
        CONTRACTS + "test_close.py::test_the_closer_cannot_name_another_payee",
        HELPER + "test_node_service.py::test_claims_at_the_threshold",
    ),
    "payer leaves with unclaimed vouchers outstanding": (
        CONTRACTS + "test_replay.py::test_a_withdrawal_cannot_come_before_the_claims_that_a_request_lets_in",
        CONTRACTS + "test_close.py::test_a_later_request_never_extends_and_still_logs",
        CONTRACTS + "test_claim.py::test_claims_are_paid_after_expiry_until_the_end",
        HELPER + "test_node_service.py::test_a_close_request_ends_service",
        HELPER + "test_node_till.py::test_half_of_the_delay_is_left_after_a_close_request",
        HELPER + "test_node_till.py::test_the_margin_before_the_end",
    ),
    "front-run permit": (
        CONTRACTS + "test_open_permit.py::test_a_front_run_permit_still_opens",
        CONTRACTS + "test_open_permit.py::test_a_stranger_cannot_use_it",
        CONTRACTS + "test_open_authorized.py::test_it_opens_once_even_when_front_run",
        CONTRACTS + "test_open_authorized.py::test_the_nonce_binds_the_configuration",
        CONTRACTS + "test_open_authorized.py::test_the_nonce_binds_the_expiry",
    ),
    "fee-on-transfer tokens": (
        CONTRACTS + "test_odd_tokens.py::test_a_fee_on_transfer_is_refused",
        CONTRACTS + "test_odd_tokens.py::test_a_fee_that_comes_later_is_the_receivers",
        CONTRACTS + "test_odd_tokens.py::test_a_fee_on_top_harms_channels_of_that_token_alone",
    ),
    "re-entrant tokens": (
        CONTRACTS + "test_reentry.py::test_a_payer_whose_token_is_being_taken",
        CONTRACTS + "test_reentry.py::test_a_payee",
        CONTRACTS + "test_reentry.py::test_a_payer_at_the_end",
        CONTRACTS + "test_reentry.py::test_a_token_that_calls_back_in_its_permit",
        CONTRACTS + "test_reentry.py::test_a_token_that_calls_back_in_its_authorisation",
    ),
    "blacklisting tokens": (
        CONTRACTS + "test_odd_tokens.py::test_a_frozen_payee_fails_its_own_claim_only",
        CONTRACTS + "test_odd_tokens.py::test_a_frozen_payee_holds_up_nobody_else_in_the_tree",
        CONTRACTS + "test_odd_tokens.py::test_a_frozen_payer_does_not_hold_up_the_payee",
        CONTRACTS + "test_odd_tokens.py::test_a_frozen_contract_waits",
        HELPER + "test_node_till.py::test_a_token_that_will_not_move_holds_up_no_other",
    ),
    "rebasing tokens": (
        CONTRACTS + "test_odd_tokens.py::test_a_rebase_upwards_leaves_everybody_what_was_booked",
        CONTRACTS + "test_odd_tokens.py::test_a_rebase_downwards_leaves_channels_of_that_token_short",
        HELPER + "test_node_admission.py::test_token_delay_and_cap",
    ),
    "tiny channels, free rides below the claim's gas": (
        HELPER + "test_node_admission.py::test_token_delay_and_cap",
        HELPER + "test_money_rules.py::test_rule_10_a_provider_is_not_left_with_claims_that_their_gas_would_eat",
        HELPER + "test_money_rules.py::test_rule_10_a_deposit_below_the_minimum_is_not_made_and_not_taken",
        HELPER + "test_provide.py::test_the_first_voucher_comes_to_what_a_claim_costs",
        SHARED + "test_money_rules.py::test_rule_10_it_is_credited_against_use",
        SHARED + "test_money_rules.py::test_rule_10_who_promises_less_is_asked_before_any_work",
        SHARED + "test_money_rules.py::test_rule_10_more_than_the_client_allows_is_never_signed",
        SHARED + "test_money_rules.py::test_rule_10_what_was_served_at_all_is_closed_for_the_minimum",
        SHARED + "test_session.py::test_input_beyond_the_window_is_paid_first",
        CONTRACTS + "test_claim.py::test_bad_records_are_skipped_each_alone_and_never_spoil_a_batch",
    ),
    "a config that cannot be claimed": (
        HELPER + "test_node_admission.py::test_the_claim_must_pay",
        CONTRACTS + "test_kraft.py::test_nine_levels_are_no_claim",
        CONTRACTS + "test_p256.py::test_a_missing_precompile_spoils_no_batch",
        CONTRACTS + "test_p256.py::test_without_the_precompile_the_payer_still_gets_its_money_back",
        CONTRACTS + "test_open.py::test_a_bad_configuration_is_refused",
    ),
    "key stolen from the page": (
        CONTRACTS + "test_replay.py::test_a_stolen_session_key_pays_only_the_payees_and_only_their_caps",
        CONTRACTS + "test_close.py::test_a_request_brings_the_expiry_to_now_and_the_delay",
        CONTRACTS + "test_kraft.py::test_no_tree_pays_more_than_the_deposit",
    ),
    "provider gone after payment": (
        SHARED + "test_hostile.py::test_after_a_cut_the_provider_gets_no_more_than_the_advance",
        SHARED + "test_hostile.py::test_output_that_goes_on_after_cancel_is_not_paid",
        SHARED + "test_money.py::test_credit_never_exceeds_the_window",
    ),
    "two requests, one channel": (
        SHARED + "test_hostile.py::test_one_request_on_two_connections",
        SHARED + "test_money.py::test_two_streams_share_one_window",
        HELPER + "test_node_service.py::test_two_closes_at_once_end_the_deposit_once",
        HELPER + "test_ledger.py::test_what_was_acknowledged_survives_kill_9",
    ),
    "reorg at open": (
        HELPER + "test_chain_follower.py::test_a_reorganisation_takes_a_channel_back",
        HELPER + "test_node_service.py::test_a_channel_that_a_reorganisation_took_back_is_not_served_any_longer",
        HELPER + "test_node_confirmations.py::test_the_depth_grows_with_the_cap",
        HELPER + "test_node_confirmations.py::test_all_young_deposits_share_one_budget",
        HELPER
        + "test_node_confirmations.py::test_deposits_that_a_reorganisation_takes_back_cost_no_more_than_the_budget",
        HELPER + "test_node_confirmations.py::test_a_top_up_that_a_reorganisation_takes_back_counts_no_longer",
        HELPER + "test_node_witness.py::test_a_channel_that_only_one_knows_gets_the_window_and_no_more",
        SHARED + "test_session.py::test_unpaid_stream_pauses_at_the_window_and_gives_up",
    ),
}
"""Section 5 of the contracts' design; what a contract cannot answer is the node's, and stands under its tests."""

ATTACKS: dict[str, tuple[str, ...]] = {
    "front-running an open": (CONTRACTS + "test_replay.py::test_an_open_cannot_be_taken_over",),
    "replay after re-open": (
        CONTRACTS + "test_replay.py::test_a_channel_that_is_over_cannot_be_opened_for_its_old_vouchers",
        CONTRACTS + "test_open.py::test_an_ended_id_never_opens_again",
    ),
    "replay across chains": (
        CONTRACTS + "test_replay.py::test_the_same_address_on_another_chain",
        CONTRACTS + "test_claim.py::test_after_a_fork_vouchers_follow_the_new_chain_id_and_ids_stay",
        CONTRACTS + "test_replay.py::test_after_a_fork_packed_vouchers_and_closes_follow_the_new_chain_id",
    ),
    "replay across contracts": (
        CONTRACTS + "test_replay.py::test_a_second_deployment_knows_nothing_of_the_first",
        CONTRACTS + "test_replay.py::test_an_authorisation_for_one_contract_opens_nothing_in_another",
    ),
    "one payee at several depths": (
        CONTRACTS + "test_kraft.py::test_a_payee_in_several_leaves_gets_its_largest_cap_not_the_sum",
        HELPER + "test_several.py::test_a_payee_in_two_places_is_claimed_from_the_nearer",
    ),
    "shared subtrees": (
        CONTRACTS + "test_kraft.py::test_a_shared_subtree_is_one",
        CONTRACTS + "test_kraft.py::test_a_leaf_beside_itself",
    ),
    "leaf posing as node": (
        CONTRACTS + "test_kraft.py::test_a_leaf_that_poses_as_a_node",
        CONTRACTS + "test_kraft.py::test_an_inner_node_is_no_leaf",
    ),
    "nine levels": (CONTRACTS + "test_kraft.py::test_nine_levels_are_no_claim",),
    "gas griefing by return bombs": (
        CONTRACTS + "test_bombs.py::test_a_payee_that_answers_at_length_is_paid_all_the_same",
        CONTRACTS + "test_bombs.py::test_a_payer_that_answers_at_length_holds_up_nobody",
        CONTRACTS + "test_bombs.py::test_a_token_that_answers_at_length_when_it_takes",
        CONTRACTS + "test_bombs.py::test_a_token_that_answers_at_length_when_it_pays",
        CONTRACTS + "test_bombs.py::test_a_token_that_answers_at_length_to_a_permit",
    ),
    "an ETH-refusing payer and payee": (
        CONTRACTS + "test_bombs.py::test_a_payer_that_burns_or_refuses_cannot_keep_the_payee_from_its_money",
        CONTRACTS + "test_bombs.py::test_a_payee_that_burns_or_refuses_cannot_keep_the_payer_from_its_money",
        CONTRACTS + "test_hostile.py::test_a_payer_that_refuses_cannot_keep_the_payee_from_its_money",
    ),
    "gas burnt at the closer's cost": (
        HELPER + "test_node_till.py::test_a_payer_that_burns_gas_is_not_refunded_at_the_nodes_cost",
        HELPER + "test_node_till.py::test_a_close_that_was_mined_and_failed_is_not_paid_for_again",
    ),
    "forced ether": (CONTRACTS + "test_bombs.py::test_forced_ether_changes_nothing_and_is_nobodys",),
    "exact expiry boundaries": (
        CONTRACTS + "test_edges.py::test_withdraw_from_the_very_second",
        CONTRACTS + "test_edges.py::test_open_leaves_the_delay",
        CONTRACTS + "test_edges.py::test_a_request_that_comes_when_the_delay_is_just_left",
        CONTRACTS + "test_edges.py::test_a_new_expiry_just_above_the_present_one",
        CONTRACTS + "test_edges.py::test_claims_do_not_look_at_the_clock",
    ),
    "delay out of bounds": (CONTRACTS + "test_open.py::test_a_bad_configuration_is_refused",),
    "uint edges": (
        CONTRACTS + "test_edges.py::test_a_deposit",
        CONTRACTS + "test_edges.py::test_a_top_up_that_would_overflow",
        CONTRACTS + "test_edges.py::test_the_fields_of_the_word_do_not_touch",
        CONTRACTS + "test_edges.py::test_the_latest_expiry",
        CONTRACTS + "test_packed.py::test_a_total_over_both_words",
    ),
    "both signature forms malformed in every way": (
        CONTRACTS + "test_signatures.py::test_every_length",
        CONTRACTS + "test_signatures.py::test_every_v",
        CONTRACTS + "test_signatures.py::test_r_and_s_at_and_beyond_their_bounds",
        CONTRACTS + "test_signatures.py::test_every_bit_counts",
        CONTRACTS + "test_p256.py::test_malformed_signatures_are_refused",
        CONTRACTS + "test_p256.py::test_only_exactly_one_in_exactly_32_bytes_is_a_yes",
    ),
    "a signature of the one kind for a key of the other": (
        CONTRACTS + "test_p256.py::test_neither_kind_of_signature_passes_for_the_other",
    ),
    "phantom functions": (
        CONTRACTS + "test_open_permit.py::test_a_token_without_permits_opens_by_its_approval_alone",
        CONTRACTS + "test_open_authorized.py::test_a_token_without_authorisations",
    ),
    "no code behind a token": (
        CONTRACTS + "test_odd_tokens.py::test_a_token_without_code_is_refused",
        CONTRACTS + "test_odd_tokens.py::test_a_token_that_vanishes_pays_nobody_and_books_nothing",
    ),
}
"""The others that a contract which holds money must survive."""


@lru_cache
def names_of(path: str) -> frozenset[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("attack", [*PITFALLS, *ATTACKS])
def test_each_has_its_tests(attack: str) -> None:
    identities = (PITFALLS | ATTACKS)[attack]
    assert identities
    for identity in identities:
        path, name = identity.split("::")
        assert name in names_of(path), identity
