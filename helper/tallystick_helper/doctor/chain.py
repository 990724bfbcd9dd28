"""The chain's checks: do its nodes answer and agree, is the clock right, are the contracts there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tallystick_shared.chains import has_code
from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.rpc import Rpc, RpcError, to_int

from ..deployments import locate
from .finding import Finding, bad, doubt, fine

if TYPE_CHECKING:
    from .patient import Patient

APART = 8
"""Blocks by which two nodes of one chain may differ, and still agree."""
BEHIND = 15
"""Seconds: no block is from the future, so a clock that is further behind one is wrong."""
QUIET = 600
"""Seconds without a block: either the clock is ahead, or the chain stands still."""


@dataclass(frozen=True)
class _Source:
    """What one RPC address said: its chain, its newest block and that block's time; or why it said nothing."""

    host: str
    chain_id: int = 0
    block: int = 0
    time: int = 0
    fault: str = ""


async def rpc(patient: Patient) -> Finding:
    """Every address answers, for one chain and about one block; there should be two of them."""
    if patient.rpc is None:
        return bad("No chain is set.", "Name one by --rpc URL, or in [chain] rpc.")
    hosts = [urlsplit(url).netloc for url in patient.rpc.urls]
    sources = await asyncio.gather(*(_ask(host, one) for host, one in zip(hosts, patient.rpc.each(), strict=True)))
    values: dict[str, object] = {"sources": [vars(source) for source in sources]}
    answered = [source for source in sources if not source.fault]
    if not answered:
        mend = "Check this machine's connection, or set other addresses in [chain] rpc."
        return bad(f"No RPC address answers: {sources[0].fault}", mend, **values)
    chains = {source.chain_id for source in answered}
    if len(chains) > 1:
        named = ", ".join(f"{source.host} is on {source.chain_id}" for source in answered)
        return bad(f"The RPC addresses lead to several chains: {named}.", "Leave those of one chain.", **values)
    patient.chain_id = answered[0].chain_id
    values["chain_id"] = patient.chain_id
    return _agreement(patient, list(sources), answered, values)


def _agreement(patient: Patient, sources: list[_Source], answered: list[_Source], values: dict[str, object]) -> Finding:
    silent = [source for source in sources if source.fault]
    newest = max(source.block for source in answered)
    late = [source for source in answered if source.block + APART < newest]
    if silent or late:
        who = (silent or late)[0]
        reason = who.fault or f"it is {newest - who.block} blocks behind"
        return doubt(f"{who.host} is of no use now: {reason}", "Wait, or set another address in its place.", **values)
    says = f"Chain {patient.chain_id}, block {newest}, as {len(answered)} of {len(sources)} say."
    if len(sources) < 2 and not patient.chain.own:
        mend = "Give a second --rpc of somebody else: one alone could lie about deposits."
        return doubt(f"Chain {patient.chain_id}, block {newest}, by the word of one.", mend, **values)
    return fine(says, **values)


async def _ask(host: str, source: Rpc) -> _Source:
    try:
        chain = to_int(await source.request("eth_chainId", []))
        block = await source.request("eth_getBlockByNumber", ["latest", False])
        return _Source(host, chain, to_int(block["number"]), to_int(block["timestamp"]))
    except (TallystickError, RpcError) as error:
        reason = error.values.get("reason") if isinstance(error, TallystickError) else error.message
        return _Source(host, fault=str(reason or error)[:200])
    except (KeyError, TypeError, ValueError):
        return _Source(host, fault="what it answers is no block")


async def clock(patient: Patient) -> Finding:
    """This machine's clock against the newest block's: sign-ins and expiries are told by it."""
    block = await patient.chain.request("eth_getBlockByNumber", ["latest", False])
    ahead = round(patient.clock() - to_int(block["timestamp"]))
    if ahead < -BEHIND:
        says = f"This machine's clock is at least {-ahead} seconds behind the chain's."
        return bad(says, "Let the system set its clock by NTP.", seconds=ahead)
    if ahead > QUIET:
        says = f"The newest block is {ahead // 60} minutes old by this machine's clock."
        mend = "Let the system set its clock by NTP; if it is right, the chain stands still, or its node is behind."
        return doubt(says, mend, seconds=ahead)
    return fine(f"It agrees with the chain's, whose newest block is {max(0, ahead)} seconds old.", seconds=ahead)


async def contracts(patient: Patient) -> Finding:
    """Both stand where the settings or the known deployments say."""
    where = await locate(patient.settings, patient.chain_id, patient.chain, patient.crypto, with_block=False)
    found = await asyncio.gather(*(has_code(patient.chain, address) for address in (where.registry, where.channels)))
    values = {"registry": "0x" + where.registry.hex(), "channels": "0x" + where.channels.hex()}
    if not all(found):
        name, address = ("registry", where.registry) if not found[0] else ("channels", where.channels)
        says = f"There is no contract at the {name}'s address 0x{address.hex()}."
        return bad(says, "Correct [chain] registry and channels, or run `tallystick deploy`.", **values)
    patient.where = where
    return fine(f"The registry stands at 0x{where.registry.hex()}.", **values)
