"""The life of a channel and of a provider through JSON-RPC alone, read back by the project's own readers.

Nothing is known here but an artefact and a URL: money from receipts and balances, state from words and logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from contracts.anvil import Anvil, RpcError
from contracts.machine import ETHER, Receipt
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.channel import NATIVE, NO_SALT, ChannelState, Config, channels_domain, leaf
from tallystick_shared.evm import rpc
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.registry import Registry
from tallystick_shared.voucher import NOTHING, Payment, Signed

CRYPTO = NativeCrypto()
KEY = bytes(keccak(text="tests: the page's session key"))
DAY = 86_400
DEPOSIT = ETHER // 100


@dataclass
class Node:
    """The shared code's seat for a chain, filled by anvil."""

    chain: Anvil

    async def request(self, method: str, params: list[Any]) -> Any:
        try:
            return self.chain.rpc(method, *params)
        except RpcError as error:
            raise rpc.RpcError(3, str(error), error.data) from None


class Story:
    """A payer, a provider (payee and operator), and the two contracts, by address."""

    def __init__(self, chain: Anvil) -> None:
        self.chain, self.node = chain, Node(chain)
        self.payer, self.payee, self.operator, self.stranger = chain.accounts[-4:]
        self.channels = Channels(CRYPTO, to_canonical_address(chain.deploy("Channels").address))
        self.registry = Registry(CRYPTO, to_canonical_address(chain.deploy("Registry").address))
        self.root = leaf(CRYPTO, self.raw(self.payee), self.raw(self.operator), NO_SALT)
        self.config = Config(self.raw(self.payer), CRYPTO.secp256k1_address(KEY), self.root, NATIVE, DAY, bytes(32))
        domain = channels_domain(chain.chain_id, self.channels.address)
        self.id = self.config.channel_id(CRYPTO, domain)
        self.payment = Payment(domain, self.id, self.raw(self.payee), self.config.signer)

    raw = staticmethod(to_canonical_address)

    def send(self, sender: str, contract: Channels | Registry, data: bytes, value: int = 0) -> Receipt:
        receipt = self.chain.transact(sender, "0x" + contract.address.hex(), data, value)
        assert receipt.ok
        return receipt

    def open(self) -> Receipt:
        data = self.channels.open(self.config, self.chain.now() + 30 * DAY, DEPOSIT)
        return self.send(self.payer, self.channels, data, DEPOSIT)

    def record(self, voucher: Signed) -> tuple[Any, ...]:
        return self.channels.claim_tuple(self.config, voucher, NO_SALT, ())

    def claim(self, voucher: Signed) -> bytes:
        return self.channels.claim(self.raw(self.payee), self.raw(self.operator), NATIVE, [self.record(voucher)])

    async def logs(self) -> list[str]:
        return [log.name for log in await self.channels.logs(self.node, 0, "latest", channel_id=self.id)]


@pytest.fixture
def story(chain: Anvil) -> Iterator[Story]:
    with chain.anchored():
        yield Story(chain)


async def test_open_claim_close(story: Story) -> None:
    paid = {who: story.chain.balance(who) for who in (story.payer, story.payee)}
    receipt = story.open()
    [opened] = await story.channels.logs(story.node, receipt.block, receipt.block)
    assert (opened.name, opened.config, opened.channel_id) == ("Opened", story.config, story.id)

    first, last = (story.payment.sign(CRYPTO, KEY, total) for total in (10**12, 3 * 10**12))
    arguments = (story.raw(story.payee), story.raw(story.operator), NATIVE, [story.record(first)])
    assert await story.channels.would_pay(story.node, *arguments) == 10**12
    story.send(story.operator, story.channels, story.claim(first))
    assert await story.channels.would_pay(story.node, *arguments) == 0
    story.send(story.operator, story.channels, story.channels.close(story.raw(story.payee), story.record(last)))

    assert story.chain.balance(story.payee) == paid[story.payee] + 3 * 10**12
    assert story.chain.balance(story.payer) == paid[story.payer] - 3 * 10**12
    [state] = await story.channels.states(story.node, [story.id])
    assert state == ChannelState(DEPOSIT, 3 * 10**12, 1)
    assert await story.logs() == ["Opened", "Claimed", "Closed"]


async def test_open_request_close_wait_withdraw(story: Story) -> None:
    paid = {who: story.chain.balance(who) for who in (story.payer, story.payee)}
    story.open()
    story.send(story.payer, story.channels, story.channels.request_close(story.config))
    state = await story.channels.state(story.node, story.id)
    assert state.expiry == story.chain.now() + DAY

    late = story.payment.sign(CRYPTO, KEY, 5 * 10**12)
    story.send(story.operator, story.channels, story.claim(late))
    withdraw = story.channels.withdraw(story.config)
    assert not story.chain.transact(story.payer, "0x" + story.channels.address.hex(), withdraw).ok
    story.chain.travel(state.expiry)
    story.send(story.stranger, story.channels, withdraw)

    assert story.chain.balance(story.payee) == paid[story.payee] + 5 * 10**12
    assert story.chain.balance(story.payer) == paid[story.payer] - 5 * 10**12
    assert (await story.channels.state(story.node, story.id)).ended
    assert await story.logs() == ["Opened", "CloseRequested", "Claimed", "Closed"]


async def test_a_session_without_use_closes_without_a_signature(story: Story) -> None:
    before = story.chain.balance(story.payer)
    story.open()
    story.send(story.operator, story.channels, story.channels.close(story.raw(story.payee), story.record(NOTHING)))
    assert story.chain.balance(story.payer) == before


async def test_a_deposit_is_found_again_from_the_chain_alone(story: Story) -> None:
    story.open()
    story.send(story.payer, story.channels, story.channels.top_up(story.config, 0, 7), 7)
    found = await story.channels.logs(story.node, 0, "latest", payer=story.raw(story.payer))
    assert [(log.channel_id, log.config) for log in found] == [(story.id, story.config)]
    assert (await story.channels.state(story.node, story.id)).deposit == DEPOSIT + 7


async def test_register_announce_page(story: Story) -> None:
    for who, profile in ((story.payee, b"first"), (story.operator, b"other")):
        story.send(who, story.registry, story.registry.register(profile), ETHER)
    story.send(story.payee, story.registry, story.registry.announce(b"second"))

    assert await story.registry.count(story.node) == 2
    entries = await story.registry.page(story.node)
    assert [entry.provider for entry in entries] == [story.raw(story.payee), story.raw(story.operator)]
    assert [await story.registry.profile(story.node, entry) for entry in entries] == [b"second", b"other"]
    for entry, profile in zip(entries, (b"second", b"other"), strict=True):
        assert entry.stake_gwei == 10**9
        assert entry.profile_hash == int.from_bytes(keccak(profile)[12:], "big")
    asked = [story.raw(story.operator), story.raw(story.stranger)]
    found = await story.registry.entries(story.node, asked)
    assert found[0] == entries[1]
    assert not found[1].registered


async def test_leaving_through_json_rpc(story: Story) -> None:
    before = story.chain.balance(story.payee)
    story.send(story.payee, story.registry, story.registry.register(b"profile"), ETHER)
    story.send(story.payee, story.registry, story.registry.request_exit())
    story.chain.travel(story.chain.now() + 7 * DAY)
    story.send(story.payee, story.registry, story.registry.exit())
    assert story.chain.balance(story.payee) == before
    assert await story.registry.page(story.node) == []
