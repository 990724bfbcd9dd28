"""Deployment on real chains: the same addresses everywhere, nothing sent twice, and chains without the deployer or
without cancun's instructions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tallystick_helper.chain import deploy
from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.chain.sender import Sender
from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.demo import anvil, fund
from tallystick_shared.chains import DEPLOYER, creation, deterministic, standing
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.registry import Registry
from tallystick_shared.evm.rpc import to_hex, to_int

from .world import ETHER

KEY = b"\x33" * 32


@asynccontextmanager
async def chain(chain_id: int = 31337, hardfork: str = "osaka", *, deployer: bool = True) -> AsyncIterator[Sender]:
    """A sender with money on a fresh chain, on which the contracts are not."""
    async with anvil(chain_id=chain_id, hardfork=hardfork) as url:
        rpc = HttpRpc([url])
        try:
            if not deployer:
                await rpc.request("anvil_setCode", [to_hex(DEPLOYER), "0x"])
            await fund(rpc, NativeCrypto().secp256k1_address(KEY), 10 * ETHER)
            yield Sender(rpc, KEY, chain_id, poll=0.01)
        finally:
            await rpc.aclose()


async def sent(sender: Sender) -> int:
    return to_int(await sender.rpc.request("eth_getTransactionCount", [to_hex(sender.address), "latest"]))


async def test_the_addresses_are_the_same_on_every_chain() -> None:
    crypto = NativeCrypto()
    for chain_id, hardfork in ((10, "cancun"), (8453, "osaka")):
        async with chain(chain_id, hardfork) as sender:
            where = await deploy.deploy(sender, chain_id)
            expected = deterministic(crypto, chain_id)
            assert where == replace(expected, block=1)
            assert await sent(sender) == 2
            assert await standing(sender.rpc, crypto, chain_id) == expected
            assert await Registry(crypto, where.registry).count(sender.rpc) == 0


async def test_what_stands_is_not_sent_again() -> None:
    async with chain() as sender:
        wanted = await deploy.plan(sender.rpc, sender=sender.address)
        assert (wanted.transactions, wanted.how, wanted.evm) == (2, "create2", "cancun")
        assert await sent(sender) == 0
        record = await deploy.carry_out(sender, wanted)
        await sender.rpc.request("anvil_mine", ["0x40"])
        again = await deploy.plan(sender.rpc)
        assert (again.transactions, again.gas) == (0, 0)
        assert [piece.address for piece in again.pieces] == [record.where.registry, record.where.channels]
        assert await deploy.carry_out(sender, again) == record
        assert await sent(sender) == 2


async def test_the_estimate_is_what_it_costs() -> None:
    async with chain() as sender:
        wanted = await deploy.plan(sender.rpc, sender=sender.address)
        for piece in wanted.pieces:
            receipt = await sender.transact(*wanted.call(piece))
            assert receipt.gas_used <= piece.gas <= receipt.gas_used * 1.05


async def test_who_comes_second_goes_on_with_what_stands() -> None:
    async with chain() as sender:
        early = await deploy.plan(sender.rpc)
        await deploy.deploy(sender, 31337)
        record = await deploy.carry_out(sender, early)
        assert record.where.channels == early.pieces[1].address


async def test_another_salt_is_another_place() -> None:
    async with chain() as sender:
        first = await deploy.deploy(sender, 31337)
        second = await deploy.deploy(sender, 31337, salt=b"\x01" * 32)
        assert {first.registry, first.channels}.isdisjoint({second.registry, second.channels})
        with pytest.raises(LocalError) as caught:
            await deploy.plan(sender.rpc, salt=b"short")
        assert caught.value.code is Code.BAD_SETTINGS


@pytest.mark.parametrize("hardfork", ["osaka", "paris"])
async def test_without_the_deployer_it_is_a_plain_creation(hardfork: str) -> None:
    async with chain(hardfork=hardfork, deployer=False) as sender:
        wanted = await deploy.plan(sender.rpc)
        assert (wanted.how, [piece.address for piece in wanted.pieces]) == ("create", [None, None])
        record = await deploy.carry_out(sender, wanted)
        assert record.how == "create"
        assert await Registry(NativeCrypto(), record.where.registry).count(sender.rpc) == 0
        with pytest.raises(LocalError) as caught:
            await standing(sender.rpc, NativeCrypto(), 31337)
        assert caught.value.code is Code.NO_CONTRACTS


@pytest.mark.parametrize("code", ["0x00", "0x60006000fd"])
async def test_other_code_in_the_deployers_place_is_not_the_deployer(code: str) -> None:
    async with chain() as sender:
        await sender.rpc.request("anvil_setCode", [to_hex(DEPLOYER), code])
        assert (await deploy.plan(sender.rpc)).how == "create"


@pytest.mark.parametrize(
    ("hardfork", "evm"),
    [("paris", "paris"), ("shanghai", "paris"), ("cancun", "cancun"), ("prague", "cancun"), ("osaka", "cancun")],
)
async def test_one_call_tells_which_artefact_runs(hardfork: str, evm: str) -> None:
    async with chain(hardfork=hardfork) as sender:
        assert await deploy.evm_of(sender.rpc) == evm


async def test_an_old_chain_gets_the_old_artefact_at_its_own_addresses() -> None:
    crypto = NativeCrypto()
    async with chain(hardfork="paris") as sender:
        wanted = await deploy.plan(sender.rpc, sender=sender.address)
        record = await deploy.carry_out(sender, wanted)
        assert record.evm == "paris"
        assert record.where == replace(deterministic(crypto, 31337, "paris"), block=1)
        assert record.sha256 == {name: creation(name, "paris").sha256 for name in ("Registry", "Channels")}
        assert await standing(sender.rpc, crypto, 31337) == replace(record.where, block=0)
        assert await Registry(crypto, record.where.registry).count(sender.rpc) == 0


async def test_a_chain_that_runs_no_code_in_calls_asks_for_a_word() -> None:
    class Mute:
        """Answers no call, as some nodes do without a `to`."""

        def __init__(self, inner: HttpRpc) -> None:
            self.inner = inner

        async def request(self, method: str, params: list[object]) -> object:
            return "0x" if method == "eth_call" else await self.inner.request(method, params)

    async with chain() as sender:
        assert isinstance(sender.rpc, HttpRpc)
        mute = Mute(sender.rpc)
        with pytest.raises(LocalError) as caught:
            await deploy.plan(mute)
        assert caught.value.values["setting"] == "evm"
        assert (await deploy.plan(mute, evm="cancun")).evm == "cancun"


async def test_the_first_block_is_found_by_halving() -> None:
    async with chain() as sender:
        await sender.rpc.request("anvil_mine", ["0x2f"])
        where = await deploy.deploy(sender, 31337)
        await sender.rpc.request("anvil_mine", ["0x100"])
        assert await deploy.first_block(sender.rpc, where.registry) == where.block == 0x30
        assert await deploy.first_block(sender.rpc, where.channels) == 0x31


async def test_too_poor_to_deploy() -> None:
    async with chain() as sender:
        await fund(sender.rpc, sender.address, 1)  # type: ignore[arg-type]
        with pytest.raises(LocalError) as caught:
            await deploy.deploy(sender, 31337)
        assert caught.value.code is Code.NOT_ENOUGH_MONEY


async def test_the_senders_chain_must_be_the_one_that_is_meant() -> None:
    async with chain(5) as sender:
        with pytest.raises(LocalError) as caught:
            await deploy.deploy(sender, 6)
        assert caught.value.code is Code.WRONG_CHAIN
