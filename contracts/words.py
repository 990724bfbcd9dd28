"""The words for people in the documents of the contracts; each table is complete, or `./run docs` fails."""

from __future__ import annotations

REFUSALS = {
    ("Channels", "payer"): (
        "the caller is not the payer; for `requestClose`: neither payer nor signer; for `topUp`: it moves the expiry",
        "send it from the payer's account; to add money from another one, give an expiry of 0",
    ),
    ("Channels", "signer"): ("the signer is the zero address", "make a session key first"),
    ("Channels", "delay"): ("the delay is not within 15 minutes and 30 days", "choose one that is; a day is usual"),
    ("Channels", "expiry"): (
        "the expiry is past the year 2106, or at `open` sooner than now + delay",
        "add a minute or more: the block's clock decides",
    ),
    ("Channels", "amount"): (
        "zero at `open`, past 112 bits in all, not the value sent, value sent with a token, or the token moved another",
        "send the deposit as value for the native coin, nothing with a token; a token that takes a fee cannot be used",
    ),
    ("Channels", "exists"): ("this id was opened before, and may be over", "use a new salt"),
    ("Channels", "token"): (
        "the token answered `false` to a transfer",
        "look at its balance, its approval, and whether it blocks one of the two addresses",
    ),
    ("Channels", "ended"): ("the channel is unknown or over", "nothing is left to do; look at `channels(id)`"),
    ("Channels", "early"): ("the expiry has not come", "wait for it, or ask for the close and wait for the delay"),
    ("Channels", "closer"): (
        "the caller is not the closer of the only payee, or the channel has several",
        "send it from the operator's account; with several payees use `claim`",
    ),
    ("Channels", "signature"): (
        "the total is above what was paid, and the session key did not sign it",
        "close with the highest voucher that was signed",
    ),
    ("Registry", "registered"): ("the caller is in the list", "use `announce` to change the profile"),
    ("Registry", "unregistered"): ("the caller is not in the list", "use `register` first"),
    ("Registry", "stake"): (
        "below `minStake()`, or past 64 bits of gwei in all",
        "send at least `minStake()` as value; it comes back at `exit`",
    ),
    ("Registry", "requested"): ("the exit was asked for before", "wait for `unlockAt(provider)`"),
    ("Registry", "early"): ("the exit was not asked for, or it is not time", "`requestExit`, and wait a week"),
    ("Registry", "page"): ("more than 1,000 at once", "ask for less"),
}
"""Because, and what to do, by contract and word."""

GAS = {
    "open_native": "open, native coin",
    "open_erc20": "open, ERC-20 that was approved before (the approval is 46k more)",
    "open_permit_first": "open, ERC-20 with the payer's first permit",
    "open_permit": "open, ERC-20 with a later permit",
    "open_3009": "open, ERC-20 with an EIP-3009 authorisation, handed in by anybody",
    "top_up": "top up, native coin",
    "top_up_erc20": "top up, ERC-20 approved before",
    "claim_native": "claim one voucher, native coin, by the payee",
    "claim_native_by_operator": "the same by the operator, whose payee is a cold account",
    "claim_p256": "claim one voucher of a P-256 session key",
    "claim_erc20": "claim one voucher, ERC-20",
    "claim_batch10_each": "claim in a batch of 10, each",
    "claim_packed10_each": "packed claim of 10, each",
    "claim_packed100_each": "packed claim of 100, each",
    "claim_packed200_each": "packed claim of 200, each",
    "claim_kraft16_first": "a payee's first claim behind a root of 16",
    "claim_kraft16_later": "its later claims",
    "close_native": "close, native coin, by an operator who is not the payee",
    "close_native_own": "close, native coin, by the payee itself",
    "close_erc20": "close, ERC-20",
    "request_close": "request the close",
    "withdraw_native": "withdraw, native coin",
    "withdraw_erc20": "withdraw, ERC-20",
    "session_1000_prompts": "**one user, 1,000 prompts, cooperative close**: 2 transactions",
    "session_uncooperative": "the same where the provider does not close: open, claim, withdraw",
    "session_kraft": "the same behind a Kraft root of 16, one used",
    "register": "register, signed profile of one offer",
    "register_10_offers": "register, signed profile of ten offers",
    "announce": "announce (URL, keys and every offer at once), one offer",
    "announce_10_offers": "announce, ten offers",
    "announce_base": "announce: base, before the profile's bytes",
    "announce_each_byte": "announce: each byte that is not zero, up to some 700",
    "announce_each_byte_long": "announce: each such byte of a longer profile (the floor of EIP-7623)",
    "add_stake": "add to the stake",
    "request_exit": "ask to leave",
    "exit": "leave, with the stake",
    "page_1000": "read a page of 1,000 providers (an `eth_call`)",
    "deploy_channels": "deploy Channels (`cancun`)",
    "deploy_registry": "deploy Registry (`cancun`)",
}
"""What each figure of gas.json is, in the order of the table."""

SIZES = {
    "size_channels_bytes": "deployed code of Channels",
    "size_registry_bytes": "deployed code of Registry",
    "profile_1_offer_bytes": "the profile of one offer",
    "profile_10_offers_bytes": "the profile of ten offers",
}
"""The figures in bytes."""

MORPHEUS = {
    "open_native": "439k, 508k the first time, + 47k to approve",
    "close_native": "353k to 475k",
    "request_close": "106k (its claim)",
    "withdraw_native": "83k",
    "session_1000_prompts": "873k in one session, 24.8M in 30 daily ones",
    "session_kraft": "16 sessions",
    "register": "1,076k",
    "announce": "362k for one bid",
}
