"""Vouchers that wait to be claimed, and what the next claim would bring: you get X, gas Y, worth it from Z."""

from __future__ import annotations

import time
from typing import Any

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError, to_hex

from ..chain.table import Tracked
from ..ledger import ChannelRow
from ..node.assemble import till_rules
from ..node.claims import Batch, batches, paid_before, prepare, unclaimed
from ..place import Place

FRESH = 15.0
"""Seconds for which an answer is given again: it takes several calls to the chain."""


class Outlook:
    """Of one chain."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._told: tuple[float, dict[str, Any]] | None = None

    async def values(self) -> dict[str, Any]:
        """Amounts are decimal text in smallest units, times Unix seconds. `next` is a list, a claim each: in the coin
        it says its gas, the fee likely and at most, and from where it is worth it; for a token nobody knows that.
        """
        if self._told is None or time.monotonic() - self._told[0] > FRESH:
            self._told = (time.monotonic(), await self._read())
        return self._told[1]

    def forget(self) -> None:
        """Something was claimed."""
        self._told = None

    async def _read(self) -> dict[str, Any]:
        running = self._place.running
        if running is None:
            return {"serving": False, "vouchers": [], "next": [], "unclaimed": "0"}
        waiting: list[tuple[ChannelRow, Tracked, int]] = []
        for row in await running.ledger.live_channels():
            known = running.follower.table.get(row.channel_id)
            if known is None or known.state.ended:
                continue
            amount = unclaimed(row, known, await paid_before(self._channels, self._place.rpc, row))
            if amount > 0:
                waiting.append((row, known, amount))
        waiting.sort(key=lambda one: one[2], reverse=True)
        return {
            "serving": True,
            "vouchers": [_voucher(*one) for one in waiting],
            "next": [await self._claim(batch) for batch in batches([row for row, _, _ in waiting])],
            "unclaimed": str(sum(one[2] for one in waiting if one[0].config.token == NATIVE)),
        }

    @property
    def _channels(self) -> Channels:
        assert self._place.running is not None
        return Channels(self._place.running.node.crypto, self._place.running.announced.where.channels)

    async def _claim(self, batch: Batch) -> dict[str, Any]:
        rules, sender = till_rules(self._place.settings.money), self._place.running.node.till.sender  # type: ignore[union-attr]
        told: dict[str, Any] = {
            "token": to_hex(batch.token),
            "payee": to_hex(batch.payee),
            "channels": len(batch.rows),
            "threshold": str(rules.thresholds.get(batch.token, rules.threshold)),
        }
        try:
            data, pays = await prepare(self._channels, self._place.rpc, batch)
            cost = await sender.cost(self._channels.address, data)
        except (TallystickError, RpcError) as error:
            return {**told, "error": getattr(error, "says", "") or str(error)}
        coin = batch.token == NATIVE
        return {
            **told,
            "pays": str(pays),
            "gas": cost.estimate,
            "fee": str(cost.likely),
            "fee_most": str(cost.most),
            "worth_from": str(cost.likely) if coin else None,
            "worth": pays > cost.likely if coin else None,
        }


def _voucher(row: ChannelRow, known: Tracked, amount: int) -> dict[str, Any]:
    return {
        "channel": to_hex(row.channel_id),
        "payer": to_hex(row.config.payer),
        "token": to_hex(row.config.token),
        "amount": str(row.voucher.amount),
        "unclaimed": str(amount),
        "owed": str(row.owed),
        "expiry": known.state.expiry,
        "closing": known.closing,
    }
