"""Finding a payer's deposits again, after everything that kept them was wiped.

A channel's config stands in the event `Opened` and nowhere else on chain. A chain's node gives those events, where it
has not pruned them; other providers' nodes keep an index of them and serve it as the guest service `channels.opened`.
Whoever gives a record need not be trusted: the id is the hash of the config, and the contract tells that id's state.
Only the payer's address is needed, and asking a node for it tells that node who asks.

What is found can be asked back (`requestClose`) and withdrawn by the payer's own key. The session key is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta

from .chains import Deployment
from .channel import NATIVE, ChannelState, Config, channels_domain
from .crypto import Crypto
from .errors import Code, PeerError, TallystickError
from .evm.channels import ChannelLog, Channels
from .evm.rpc import Rpc, RpcError, to_bytes
from .messages import U8, U32, U63, Amount, Bytes20, Bytes32, ConfigBody, amount_bytes, decode, encode

SERVICE = "channels.opened"
VERSION = 1
MAX_RECORDS = 500
MAX_BYTES = MAX_RECORDS * 256 + 128
MAX_CANDIDATES = 2000
STATES = 100


class OpenedAsk(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The parameters of the service: whose channels, newest first, from which place of that list on."""

    payer: Bytes20
    start: U32 = 0


class OpenedRecord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One `Opened` event: the channel's config, deposit (smallest units) and expiry (Unix seconds) as it was opened,
    and where: block and hash of the transaction.
    """

    config: ConfigBody
    deposit: Amount
    expiry: U32
    block: U63
    transaction: Bytes32

    @classmethod
    def of(cls, log: ChannelLog) -> OpenedRecord:
        """The record of an event. Raises ValueError where it is another event."""
        if log.config is None:
            raise ValueError(log.name)
        deposit, expiry = amount_bytes(log.values["deposit"]), log.values["expiry"]
        return cls(log.config.body(), deposit, expiry, log.block, to_bytes(log.transaction))


class OpenedRecords(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a node knows of a payer at a block: `count` records in all, of which these start at place `start`."""

    version: U8
    chain_id: U63
    channels: Bytes20
    block: U63
    count: U32
    start: U32
    records: Annotated[tuple[OpenedRecord, ...], Meta(max_length=MAX_RECORDS)]


def make_opened(where: Deployment, block: int, count: int, start: int, records: Sequence[OpenedRecord]) -> bytes:
    """The bytes of the service's answer; at most 500 records go into one."""
    some = tuple(records[:MAX_RECORDS])
    return encode(OpenedRecords(VERSION, where.chain_id, where.channels, block, count, start, some))


def read_opened(data: bytes, where: Deployment, payer: bytes) -> OpenedRecords:
    """An answer about this payer and contract. Nothing in it is true yet. Raises PeerError TOO_LARGE, BAD_MESSAGE."""
    if len(data) > MAX_BYTES:
        raise PeerError(Code.TOO_LARGE, size=len(data), limit=MAX_BYTES)
    answer = decode(OpenedRecords, data)
    if (answer.version, answer.chain_id, answer.channels) != (VERSION, where.chain_id, where.channels):
        raise PeerError(Code.BAD_MESSAGE, reason="another contract")
    if any(record.config.payer != payer for record in answer.records):
        raise PeerError(Code.BAD_MESSAGE, reason="another payer")
    return answer


@dataclass(frozen=True)
class Recovered:
    """A deposit that is on chain: its config, its state now, and where a record says that it was opened."""

    channel_id: bytes
    config: Config
    state: ChannelState
    record: OpenedRecord

    @property
    def live(self) -> bool:
        """Its money is not paid out yet."""
        return not self.state.ended


@dataclass
class Recovery:
    """What was found, newest first; `unknown` counts records for which the contract knows no channel. `fault` where
    the chain's node gave no logs.
    """

    found: list[Recovered] = field(default_factory=list)
    unknown: int = 0
    fault: TallystickError | RpcError | None = None

    @property
    def live(self) -> list[Recovered]:
        return [one for one in self.found if one.live]


async def recover(
    crypto: Crypto,
    rpc: Rpc,
    where: Deployment,
    payer: bytes,
    records: Iterable[OpenedRecord] = (),
    *,
    logs: bool = True,
) -> Recovery:
    """Every deposit of a payer (20 bytes) that the records or, with `logs`, the chain's own logs tell of, with its
    state from the contract: one call for each 100, at most 2,000 in all. Raises RpcError or LocalError
    RPC_UNREACHABLE where the contract cannot be read; a refusal of the logs alone is `fault`.
    """
    channels = Channels(crypto, where.channels)
    recovery = Recovery()
    told = list(records)
    if logs:
        try:
            entries = await channels.logs(rpc, where.block, "latest", payer=payer)
            logged = [OpenedRecord.of(entry) for entry in entries if entry.name == "Opened"]
            # Anybody can open channels of a token of his own in another's name (openAuthorized), but none of the coin.
            told = sorted(logged, key=lambda record: record.config.token != NATIVE) + told
        except (RpcError, PeerError) as fault:
            recovery.fault = fault
    domain = channels_domain(where.chain_id, where.channels)
    wanted: dict[bytes, OpenedRecord] = {}
    for record in told:
        if record.config.payer == payer and len(wanted) < MAX_CANDIDATES:
            wanted.setdefault(Config.from_body(record.config).channel_id(crypto, domain), record)
    await _read_states(channels, rpc, wanted, recovery)
    recovery.found.sort(key=lambda one: one.record.block, reverse=True)
    return recovery


async def _read_states(channels: Channels, rpc: Rpc, wanted: dict[bytes, OpenedRecord], recovery: Recovery) -> None:
    ids = list(wanted)
    for at in range(0, len(ids), STATES):
        some = ids[at : at + STATES]
        for channel_id, state in zip(some, await channels.states(rpc, some), strict=True):
            record = wanted[channel_id]
            if state.known:
                recovery.found.append(Recovered(channel_id, Config.from_body(record.config), state, record))
            else:
                recovery.unknown += 1
