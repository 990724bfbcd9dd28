"""Makes a node out of settings, keys, an announcement, a chain and an engine."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import to_bytes
from tallystick_shared.market import Market
from tallystick_shared.session import ProviderIdentity

from ..announcement import Announcement
from ..chain.follower import Follower
from ..chain.market_index import MarketIndex
from ..chain.opened import OpenedIndex
from ..chain.rpc import HttpRpc
from ..chain.sender import Sender
from ..chain.table import ChannelTable
from ..engines import Engine
from ..guest import NativeGuest
from ..keys import KeyStore
from ..ledger import Ledger
from ..renting import Renting
from ..settings import ListenSettings, MoneySettings, Settings
from .dialback import Dialback
from .gate import Gate, GateRules
from .guests import Guests
from .rates import Rate
from .service import Node, NodeParts
from .till import TillRules
from .trial import Trial, TrialRules

log = structlog.get_logger(__name__)


def identity_of(announced: Announcement, keys: KeyStore, crypto: Crypto) -> ProviderIdentity:
    """Who the node is. Raises LocalError BAD_KEY_FILE where the announced keys are not the ones kept here."""
    profile = announced.profile(crypto)
    node_key, operator_key = keys.node().reveal(), keys.operator().reveal()
    operator = crypto.secp256k1_address(operator_key)
    if (crypto.x25519_public(node_key), operator) != (profile.node_key, profile.operator):
        raise LocalError(Code.BAD_KEY_FILE, reason="the announced keys are not this node's: announce again")
    where = announced.where
    return ProviderIdentity(
        where.chain_id,
        where.registry,
        where.channels,
        announced.provider,
        profile.payee,
        operator,
        node_key,
        operator_key,
        profile.epoch,
        profile.least_suite,
    )


def till_rules(money: MoneySettings) -> TillRules:
    thresholds = {to_bytes(token): amount for token, amount in money.thresholds.items()}
    return TillRules(money.threshold, money.expiry_margin, money.interval, thresholds, money.dust)


def gate_rules(listen: ListenSettings) -> GateRules:
    """How many strangers, and how many handshakes."""
    return GateRules(
        listen.unauthenticated_per_address,
        listen.unauthenticated_per_neighbourhood,
        listen.unauthenticated,
        listen.ticket_holders,
        Rate(listen.handshake_burst, listen.handshakes_per_address),
        Rate(max(1.0, listen.handshakes), listen.handshakes),
    )


def trial_of(settings: Settings) -> Trial | None:
    """What is given away on all chains together, if anything. Raises LocalError STORE_UNREADABLE."""
    wanted = settings.trial
    if not wanted.per_day:
        return None
    rules = TrialRules(wanted.per_day, wanted.per_guest, wanted.most, wanted.at_once)
    return Trial(rules, settings.data_dir)


@dataclass
class Running:
    """A node at work, with what it was made of."""

    announced: Announcement
    node: Node
    ledger: Ledger
    follower: Follower
    market: MarketIndex
    tasks: list[asyncio.Task[None]]
    finish: float = 5.0
    """Seconds that answers under way are given when the node ends."""

    async def stop(self) -> None:
        """Drains, then closes the ledger."""
        await self.node.drain(self.finish)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.ledger.close()


async def start_node(
    settings: Settings,
    crypto: Crypto,
    announced: Announcement,
    rpc: HttpRpc,
    engine: Engine,
    gate: Gate,
    renting: Renting | None = None,
    trial: Trial | None = None,
) -> Running:
    """Opens the ledger, catches up with the chain and starts to serve. Raises LocalError."""
    identity, where = identity_of(announced, KeyStore(settings.data_dir), crypto), announced.where
    ledger = _ledger_of(settings, identity)
    try:
        channels, chain, money = Channels(crypto, where.channels), settings.chain, settings.money
        follower = Follower(rpc, channels, ledger, ChannelTable(), start=where.block, interval=chain.interval)
        market = MarketIndex(crypto, rpc, where, NativeGuest(crypto, where), announced.provider)
        opened = OpenedIndex(ledger, where)
        await _catch_up(follower, market, opened)
        parts = NodeParts(
            crypto,
            identity,
            announced.profile(crypto),
            engine,
            ledger,
            rpc,
            channels,
            follower,
            Sender(rpc, identity.operator_key, where.chain_id, poll=min(1.0, chain.interval), patience=chain.patience),
            till_rules(money),
            rpc.each(),
            money.unconfirmed,
            money.confirmations,
            settings.listen.connections_per_channel,
            gate,
            Guests(market, opened, time.monotonic, dialback=_dialback(crypto, rpc, where, settings.listen)),
            renting,
            trial,
        )
        node = Node(parts)
        await node.confirmations.restore(await ledger.live_channels())
        await node.till.recover()
    except BaseException:
        ledger.close()
        raise
    _warn_of_one_rpc(node, rpc, money)
    node.start()
    tasks = [asyncio.create_task(follower.run()), asyncio.create_task(market.run())]
    return Running(announced, node, ledger, follower, market, tasks, settings.renting.finish)


def _ledger_of(settings: Settings, identity: ProviderIdentity) -> Ledger:
    """One for each deployment. Raises LocalError STORE_UNREADABLE."""
    file = settings.data_dir / f"ledger-{identity.chain_id}-{identity.channels.hex()[:8]}.sqlite"
    return Ledger(file, identity.payee, identity.operator)


def _warn_of_one_rpc(node: Node, rpc: HttpRpc, money: MoneySettings) -> None:
    if node.witness.able or rpc.own:
        return
    log.warning(
        "one_rpc",
        says="One RPC address is set: what it says of deposits is believed. Should it lie, all that is unclaimed "
        "may be lost, for each channel up to the threshold of a claim or its cap. Set two.",
        threshold=money.threshold,
    )


async def _catch_up(follower: Follower, market: MarketIndex, opened: OpenedIndex) -> None:
    """The chain's logs up to now are read, and later ones go to all three."""
    _connect_indices(follower, market, opened)
    await opened.prepare()
    await follower.prepare()
    await follower.look()


def _dialback(crypto: Crypto, rpc: HttpRpc, where: Deployment, listen: ListenSettings) -> Dialback:
    market = Market(crypto, where.chain_id, where.registry)
    registered, private = (lambda provider: market.listing(rpc, provider)), listen.dial_private
    return Dialback(crypto, (where.chain_id, where.registry), registered, private=private)


def _connect_indices(follower: Follower, market: MarketIndex, opened: OpenedIndex) -> None:
    """What the node keeps for guests follows the same heads and logs as its channels."""

    async def new_block() -> None:
        market.wake(follower.head)

    follower.on_logs.append(opened.take)
    follower.on_block.append(new_block)


def renew(running: Running, announced: Announcement, crypto: Crypto, keys: KeyStore) -> None:
    """Takes over a newer announcement of the same provider: new connections and requests go by it."""
    running.node.renew(identity_of(announced, keys, crypto), announced.profile(crypto))
    running.announced = announced
