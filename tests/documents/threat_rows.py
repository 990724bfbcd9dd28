"""Threats, what is done about each, and the tests that prove it: `FILE::TEST` under `tests/`.

A row whose proof is not whole says what is missing; a row without any test is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threat:
    """`tests` as (what it shows, its tests); `missing` says what no test shows yet."""

    attacker: str
    mitigation: str
    tests: tuple[tuple[str, tuple[str, ...]], ...]
    missing: str = ""


THREATS = (
    Threat(
        "Whoever records the network, now or with a quantum computer later",
        "Noise over X25519 with an ephemeral ML-KEM-768 exchange mixed in; the greeting is part of the handshake, so "
        "no suite is lowered in silence",
        (
            ("vectors of others, natively and in the page", ("shared/test_noise.py::test_vectors",)),
            ("nothing readable crosses", ("shared/test_tamper.py::test_nothing_readable_crosses",)),
            (
                "no downgrade",
                (
                    "shared/test_tamper.py::test_a_suite_that_was_lowered_on_the_way",
                    "shared/test_tamper.py::test_a_client_with_the_suite_for_tests_is_refused",
                    "shared/test_user.py::test_a_profile_that_asks_for_more_than_suite_1_is_never_dialled_with_less",
                ),
            ),
            (
                "either half of the hybrid keeps it shut",
                ("shared/test_tamper.py::test_either_half_of_the_hybrid_keeps_it_shut",),
            ),
        ),
    ),
    Threat(
        "Statistics on sizes and times",
        "one record of one size at every beat, full or empty, from OPEN to the end of a tail; prompts and tails "
        "padded to a coarse series",
        (
            (
                "every record has its class's size and beat, whatever happens inside; the checker sees what is off",
                (
                    "property/test_shape.py::test_every_record_has_its_size_and_its_beat",
                    "property/test_shape.py::test_two_answers_of_one_length_class_cannot_be_told_apart",
                    "property/test_shape.py::test_the_checker_sees_what_is_off",
                ),
            ),
            (
                "an attacker that learned from a model's answers tells no topic within a length class, and does "
                "without shape; what the length class tells is measured",
                (
                    "traces/test_traffic.py::test_with_shape_topics_cannot_be_told_apart",
                    "traces/test_traffic.py::test_the_control_without_shape_tells_them_apart",
                    "traces/test_traffic.py::test_the_length_class_is_what_leaks",
                ),
            ),
            (
                "bulk is whole records, padded to the series; classes never mix on a connection",
                (
                    "shared/test_wire_shape.py::test_bulk_is_whole_records_padded_to_the_series",
                    "shared/test_wire_shape.py::test_a_class_changes_only_at_rest",
                    "property/test_shape.py::test_bulk_has_one_size_each_way",
                ),
            ),
        ),
        "that a session exists, its beginning and its length class are still seen; that leak is measured and stated",
    ),
    Threat(
        "A man in the middle; a rogue certificate authority or DNS",
        "the provider's key comes from the chain, never from the connection; HELLO is the handshake's prologue",
        (
            (
                "every byte of the handshake, and of a record of each type, flipped: refused",
                (
                    "shared/test_tamper.py::test_every_byte_of_the_greeting",
                    "shared/test_tamper.py::test_every_byte_of_the_answer",
                    "shared/test_tamper.py::test_every_byte_of_one_record_of_each_type",
                    "shared/test_noise.py::test_every_byte_of_both_messages_counts",
                ),
            ),
            (
                "repeated, dropped, reordered, reflected or from another connection: refused",
                (
                    "shared/test_tamper.py::test_records_repeated_reordered_or_dropped",
                    "shared/test_tamper.py::test_a_record_sent_back_to_its_sender",
                    "shared/test_tamper.py::test_a_record_of_another_connection",
                ),
            ),
            ("another key than the one on chain", ("shared/test_user.py::test_a_key_other_than_the_one_on_chain",)),
            ("seen by a person in a browser", ("e2e/test_refusals.py::test_a_byte_altered_on_the_way",)),
        ),
    ),
    Threat(
        "A thief of keys, later",
        "ephemeral keys on both sides, an anonymous client",
        (
            (
                "a recorded session, with every long-term key given, opens nothing; with the ephemeral keys it does",
                (
                    "shared/test_tamper.py::test_recorded_sessions_stay_shut_with_every_long_term_key",
                    "shared/test_tamper.py::test_the_control_opens_with_the_ephemeral_keys",
                ),
            ),
        ),
    ),
    Threat(
        "A provider who uses a user's AUTH at another provider",
        "AUTH signs the handshake's hash, the channel and the provider, in the domain of chain and contract",
        (
            (
                "replayed to another connection, provider, chain, contract: refused",
                (
                    "shared/test_tamper.py::test_auth_on_another_connection",
                    "shared/test_tamper.py::test_auth_at_another_provider_chain_or_contract",
                    "shared/test_tamper.py::test_auth_for_another_contract_with_its_address_rewritten",
                    "shared/test_tamper.py::test_the_same_connection_forwarded_is_still_only_that_connection",
                ),
            ),
        ),
    ),
    Threat(
        "An RPC endpoint that lies",
        "profiles are signed by their owner; two sources before a channel gets credit; confirmations that grow with "
        "the cap",
        (
            (
                "a forged profile is refused",
                (
                    "shared/test_profile.py::test_every_byte_counts",
                    "shared/test_profile.py::test_another_owner_registry_or_chain",
                    "shared/test_user.py::test_a_profile_older_than_the_one_the_deposit_was_made_for",
                ),
            ),
            (
                "a forged deposit is served no further than the true one",
                (
                    "helper/test_node_witness.py::test_a_forged_deposit_is_served_no_further_than_the_true_one",
                    "helper/test_node_witness.py::test_a_channel_that_only_one_knows_gets_the_window_and_no_more",
                ),
            ),
            (
                "deposits that the chain takes back",
                (
                    "helper/test_node_confirmations.py::"
                    "test_deposits_that_a_reorganisation_takes_back_cost_no_more_than_the_budget",
                ),
            ),
        ),
    ),
    Threat(
        "A provider who cheats; a user who cheats",
        "one ledger for each channel and payee, the window as an amount, a digest over the answer, units bounded by "
        "bytes, a signed receipt",
        (
            (
                "both parties under drops, repeats, reordering and crashes, with the money's invariants",
                ("property/test_two_parties.py::TestTwoParties", "property/test_streams.py::TestStreams"),
            ),
            (
                "a peer that holds the keys and says anything",
                (
                    "property/test_hostile_peer.py::test_any_provider",
                    "property/test_hostile_peer.py::test_any_client",
                    "fuzz/test_targets.py::test_near_bytes",
                ),
            ),
            (
                "an end that does not add up, output after CANCEL, an advance beyond reason",
                (
                    "shared/test_hostile.py::test_an_end_that_does_not_add_up",
                    "shared/test_hostile.py::test_output_that_goes_on_after_cancel_is_not_paid",
                    "shared/test_hostile.py::test_pay_first_beyond_reason",
                    "shared/test_hostile.py::test_after_a_cut_the_provider_gets_no_more_than_the_advance",
                ),
            ),
            (
                "take the window, drop, open again; many streams; a proof that is never sent; a retry that bills twice",
                (
                    "helper/test_attacks.py::test_attack_take_the_window_drop_and_open_again_for_ever",
                    "helper/test_attacks.py::test_attack_thirty_two_streams_on_four_connections_multiply_no_window",
                    "helper/test_attacks.py::test_attack_a_paused_client_holds_no_slot_for_long",
                    "helper/test_attacks.py::test_attack_a_proof_that_is_never_sent_holds_nothing",
                    "helper/test_attacks.py::test_attack_a_retry_after_a_restart_is_not_billed_twice",
                    "shared/test_attacks.py::test_attack_auth_ok_says_more_was_paid",
                ),
            ),
            (
                "a receipt that the operator did not sign",
                ("shared/test_hostile.py::test_a_receipt_that_the_operator_did_not_sign_for_this_answer",),
            ),
        ),
    ),
    Threat(
        "A crash, a power cut",
        "a voucher is on disk before it is acknowledged, a client's amount before its signature leaves",
        (
            (
                "kill -9 loses nothing that was acknowledged",
                ("helper/test_ledger.py::test_what_was_acknowledged_survives_kill_9",),
            ),
            (
                "the client stores first",
                (
                    "shared/test_user.py::test_every_amount_is_kept_before_its_signature_leaves",
                    "shared/test_user.py::test_a_store_that_lost_the_last_amount_learns_it_from_our_own_signature",
                ),
            ),
        ),
        "the control that loses writes because it does not wait for the disk",
    ),
    Threat(
        "Strangers who want to be in the way",
        "checks in the order of their cost; deadlines and limits for whoever is not known yet, the oldest goes first",
        (
            (
                "slow, half and dripping clients; giants; frames, messages and PINGs without end; compression",
                (
                    "helper/test_wires.py::test_idle_partial_and_dripping_clients_are_cut",
                    "helper/test_wires.py::test_a_message_in_too_many_frames",
                    "helper/test_wires.py::test_a_giant_in_many_frames",
                    "helper/test_wires.py::test_control_frames_without_end",
                    "helper/test_wires.py::test_messages_without_end_at_once",
                    "helper/test_wires.py::test_who_does_not_read_is_cut",
                    "helper/test_server.py::test_compression_is_refused_and_giants_end_the_connection",
                ),
            ),
            (
                "who holds sockets keeps nobody out",
                (
                    "helper/test_node_gate.py::test_the_oldest_of_an_address_goes",
                    "helper/test_node_gate.py::test_a_neighbourhood_and_the_whole_have_limits",
                    "helper/test_wires.py::test_the_gate_holds_half_open_sockets_down",
                    "helper/test_node_gate.py::test_handshakes_of_an_address",
                    "helper/test_node_gate.py::test_holders_of_a_ticket_have_a_pool_of_their_own",
                    "helper/test_node_connection.py::test_a_flood_of_handshakes_leaves_holders_of_a_ticket_in",
                    "helper/test_node_rates.py::test_never_more_than_the_burst_and_what_time_gave",
                ),
            ),
            (
                "the cheap checks come first, and the chain is asked seldom",
                (
                    "helper/test_node_connection.py::test_each_check_spares_the_dearer_ones",
                    "helper/test_node_connection.py::test_an_eleventh_handshake_costs_nothing",
                    "helper/test_node_backfill.py::test_calls_keep_their_pace",
                    "helper/test_strangers.py::test_a_flood_of_unfunded_channels_asks_the_chain_seldom",
                ),
            ),
            (
                "all of them at once, from everywhere: a paying client's answers are whole",
                ("helper/test_strangers.py::test_whoever_pays_is_served_among_all_of_them",),
            ),
            (
                "any bytes at any place: no crash, memory bounded",
                (
                    "fuzz/test_targets.py::test_seeds",
                    "fuzz/test_targets.py::test_near_bytes",
                    "fuzz/test_targets.py::test_atheris",
                    "fuzz/test_bombs.py::test_no_field_of_a_body_takes_a_bomb",
                    "fuzz/test_bombs.py::test_inputs_of_all_streams",
                ),
            ),
        ),
        "how much a flood delays a paying client's first token is measured (`strangers` of the bench), not asserted",
    ),
    Threat(
        "A web page in the user's browser",
        "the public listener has no authority and the page's none at all; names other than this machine's get nothing",
        (
            (
                "the page's listener",
                (
                    "helper/test_routes_page.py::test_a_foreign_name_for_this_machine_gets_nothing",
                    "helper/test_routes_page.py::test_only_reading_is_allowed",
                    "helper/test_routes_page.py::test_documents_carry_the_policy_of_the_build",
                ),
            ),
        ),
        "the listener with authority (the provider's console) is not built yet; its attacks will be tested with it",
    ),
    Threat(
        "Whoever hosts the page and is not honest; a stolen session key",
        "one's own node serves the page first; every file is in a manifest of hashes; a key can spend no more than "
        "each payee's cap, at one provider for each signature",
        (
            (
                "the build is the same each time, every file in its manifest",
                (
                    "pyodide/test_build.py::test_manifest_has_the_hash_of_every_file",
                    "pyodide/test_snapshot.py::test_two_builds_give_the_same_bytes",
                ),
            ),
            (
                "never above the cap",
                (
                    "shared/test_hostile.py::test_close_above_the_cap",
                    "property/test_money.py::test_what_is_affordable_is_within_the_cap",
                ),
            ),
        ),
    ),
)
