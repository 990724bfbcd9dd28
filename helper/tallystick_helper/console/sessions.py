"""Who is connected now, and what runs for them. Of users there is the wallet that pays, and no address of a machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick_shared.evm.rpc import to_hex

from ..node.channel import LiveChannel
from ..node.service import Node
from ..place import Place


def sessions(places: Sequence[Place]) -> list[dict[str, Any]]:
    """One for each deposit in use, newest connection first. Amounts are decimal text in smallest units."""
    found = []
    for place in places:
        if place.running is not None:
            node = place.running.node
            found += [_row(place.name, node, channel) for channel in node.channels]
    return sorted(found, key=lambda row: row["seconds"])


def _row(chain: str, node: Node, channel: LiveChannel) -> dict[str, Any]:
    now, account, config = node.ticker.now(), channel.account, channel.offered.config
    requests = [
        {"model": channel.asked.get(request_id, ""), "units": job.made or 0, "began": job.made is not None}
        for request_id, job in channel.jobs.items()
    ]
    return {
        "chain": chain,
        "channel": to_hex(channel.channel_id),
        "payer": to_hex(config.payer),
        "token": to_hex(config.token),
        "seconds": int(now - max((one.opened_at for one in channel.connections), default=now)),
        "connections": len(channel.connections),
        "requests": requests,
        "owed": str(account.owed),
        "paid": str(account.durable),
        "cap": str(account.cap),
    }
