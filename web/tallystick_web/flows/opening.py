"""Pieces around a deposit's record: what the state shows of it, a first amount, an event of a receipt."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from tallystick_shared.channel import ChannelState
from tallystick_shared.deposit import Deposit as DepositRecord
from tallystick_shared.evm.channels import Channels
from tallystick_shared.messages import amount_int

from ..app import App
from ..state import Choice, Deposit, DepositPhase, Transit

SUGGESTED_TOKENS = 100_000
FIRSTS = 10
"""The first payment, which does not come back, is to be no more than this part of a suggested amount."""


def shown(app: App, record: DepositRecord, phase: DepositPhase) -> Deposit:
    """What the state holds of a record; the counts of the same deposit stay."""
    channel_id, held = record.channel_id(app.seats.crypto), app.state.deposit
    fresh = Deposit(
        phase,
        channel_id,
        record.provider,
        record.cap,
        record.expiry,
        record.config.delay,
        open_transaction=record.transaction,
        transit=Transit.SENT if phase is DepositPhase.SENT else Transit.ASKED,
        first=amount_int(record.agreed.first_voucher) if record.agreed else 0,
        token=record.config.token,
    )
    if held.channel_id != channel_id:
        return fresh
    return changed(fresh, owed=held.owed, durable=held.durable, notches=held.notches)


def suggested(choice: Choice) -> int:
    """An amount that lasts a while: a hundred thousand tokens written, rounded up to one digit; never below
    the provider's minimum, nor so little that the first payment is much of it.
    """
    tokens = SUGGESTED_TOKENS * max(choice.price_in, choice.price_out) // 1_000_000
    wanted = max(choice.minimum, tokens, FIRSTS * choice.first, 1)
    unit = 10 ** (len(str(wanted)) - 1)
    return int(-(-wanted // unit) * unit)


def log_of(channels: Channels, entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The values of one event of a receipt; empty where it is not there."""
    for entry in entries:
        log = channels.read_log(entry)
        if log is not None and log.name == name:
            return log.values
    return {}


def outcome(word: ChannelState, transaction: str) -> dict[str, Any]:
    """What became of an ended deposit: the word still tells it. `transaction` may be empty."""
    return {"paid": word.claimed, "refunded": word.deposit - word.claimed, "end_transaction": transaction}
