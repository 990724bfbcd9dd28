"""The work behind `tallystick channel recover`: deposits found again after what kept them was wiped."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import structlog

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError, to_hex
from tallystick_shared.market import Market
from tallystick_shared.recovery import OpenedRecord, Recovered, Recovery, recover

from .channel_commands import Desk, desk
from .deployments import locate
from .deposits import Status, View
from .guest import NativeGuest
from .settings import Settings
from .store import Found

NODES = 3  # so many answers are put together: one alone may leave something out
CANDIDATES = 12
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What was found, live ones only; `over` counts the others. `asked`: how many nodes answered, 0 where the chain's
    own logs were enough.
    """

    payer: bytes
    views: list[View]
    over: int
    asked: int

    def values(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "payer": to_hex(self.payer),
            "source": "nodes" if self.asked else "logs",
            "nodes": self.asked,
            "over": self.over,
            "channels": [view.values() for view in self.views],
        }


async def recover_now(settings: Settings, payer: bytes, *, from_nodes: bool) -> Outcome:
    """Reads the chain's logs; where those are refused, or with `from_nodes`, what other nodes keep of them. What is
    live and not kept yet is kept, without its session key. Raises LocalError RPC_UNREACHABLE where neither tells.
    """
    async with desk(settings) as at:
        crypto, rpc = at.deposits.crypto, at.deposits.rpc
        where = await locate(settings, at.deposits.where.chain_id, rpc, crypto)
        found, asked = Recovery(), 0
        if not from_nodes:
            found = await recover(crypto, rpc, where, payer)
        if from_nodes or found.fault is not None:
            asked, records = await _ask(at, payer)
            if not asked and found.fault is not None:
                raise LocalError(Code.RPC_UNREACHABLE, method="eth_getLogs", reason=str(found.fault)[:200], nodes=0)
            found = await recover(crypto, rpc, where, payer, records, logs=False)
        for one in found.live:
            _keep(at, one)
        views = await at.deposits.views(await at.deposits.held(payer))
        live = [view for view in views if view.status not in (Status.OVER, Status.ABSENT, Status.SENT)]
        return Outcome(payer, live, len(found.found) - len(found.live), asked)


def _keep(at: Desk, one: Recovered) -> None:
    known = {kept.channel_id(at.deposits.crypto) for kept in at.deposits.store.kept()}
    if one.channel_id not in known:
        where, record = at.deposits.where, one.record
        transaction = to_hex(record.transaction)
        at.deposits.store.save_found(Found(where.chain_id, where.channels, record.config, record.expiry, transaction))


async def _ask(at: Desk, payer: bytes) -> tuple[int, list[OpenedRecord]]:
    """How many nodes answered, of some taken by chance, and all that they told. None of it is believed yet."""
    crypto, rpc, where = at.deposits.crypto, at.deposits.rpc, at.deposits.where
    market, guest = Market(crypto, where.chain_id, where.registry), NativeGuest(crypto, where)
    _, entries = await market.slots(rpc, 0, 1000)
    answers: list[list[OpenedRecord]] = []
    for entry in random.SystemRandom().sample(entries, min(CANDIDATES, len(entries))):
        try:
            answers.append(await guest.opened(await market.listing(rpc, entry.provider), payer))
        except (TallystickError, RpcError) as error:
            log.info("node_does_not_tell", provider=to_hex(entry.provider), error=str(error))
            continue
        if len(answers) == NODES:
            break
    return len(answers), in_turn(answers)


def in_turn(answers: list[list[OpenedRecord]]) -> list[OpenedRecord]:
    """One of each in turn: only so many are looked up, and a node that invents a thousand must not crowd out the
    others.
    """
    return [record for row in zip_longest(*answers) for record in row if record is not None]
