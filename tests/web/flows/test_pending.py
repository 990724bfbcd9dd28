"""A person's transactions that do not simply go through: sped up, cancelled, lost, slow, or never answered for. On a
real chain that mines when it is told to. The session key is never lost while the deposit may still be opened.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from eth_utils import to_checksum_address

from tallystick_shared.evm.rpc import RpcError
from tallystick_web.actions import Ticked
from tallystick_web.flows.records import Records
from tallystick_web.state import DepositPhase, State, Transit
from tests.e2e.wallet import ETHER
from tests.helper.world import Serving
from tests.web.seats import until

from .real import QuickWorld, Town

AMOUNT = ETHER // 2


class Waiting(Town):
    """A page over one provider, whose wallet's transactions wait until `mine`."""

    async def begin(self) -> None:
        """Connected, and the deposit's transaction on its way."""
        await self.read()
        await self.call("evm_setAutomine", False)
        self.app.heard("open-deposit")
        self.app.heard("input:amount", "0.5")
        self.app.heard("deposit")
        await self.until(lambda state: state.deposit.phase is DepositPhase.SENT)

    async def until(self, true: Any) -> State:
        return await until(self.app, true)

    async def opened(self) -> State:
        return await self.until(lambda state: state.deposit.usable)

    async def mine(self) -> None:
        await self.call("evm_mine")

    async def replace(self, nonce: int, **changes: Any) -> str:
        """Another transaction under the same nonce at a higher price; as it was but for the changes."""
        call = {**self.wallet.transactions[-1], **changes}
        signed = self.wallet.account.sign_transaction(
            {
                "type": 2,
                "chainId": self.demo.chain_id,
                "nonce": nonce,
                "to": to_checksum_address(call["to"]),
                "value": int(call["value"], 16),
                "data": call["data"],
                "gas": 300_000,
                "maxFeePerGas": 50 * 10**9,
                "maxPriorityFeePerGas": 20 * 10**9,
            }
        )
        return str(await self.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))

    async def cancel(self, nonce: int) -> None:
        await self.replace(nonce, to=self.wallet.address, data="0x", value="0x0")

    async def drop(self) -> str:
        """The newest transaction is lost; returns its bytes."""
        sent = self.state.deposit.open_transaction
        raw = str(await self.call("eth_getRawTransactionByHash", sent))
        await self.call("anvil_dropTransaction", sent)
        return raw

    async def in_contract(self) -> int:
        return int(await self.call("eth_getBalance", self.demo.channels, "latest"), 16)

    async def later(self) -> None:
        """Enough time passes that the page looks after what is aside."""
        await self.app.idle()
        self.app.dispatch(Ticked(self.state.now + 1000))

    async def key_is_kept(self) -> bool:
        records = Records(self.vault, 31337)
        return bool(await records.deposit() or await records.aside())


@pytest.fixture
async def waiting(provider: Serving) -> Waiting:
    return await asyncio.to_thread(Waiting, provider.world, QuickWorld())


async def test_sped_up_in_the_wallet_it_is_the_same_deposit(waiting: Waiting) -> None:
    await waiting.begin()
    first = waiting.state.deposit
    dearer = await waiting.replace(0)
    await waiting.mine()
    state = await waiting.opened()
    assert state.deposit.channel_id == first.channel_id
    assert state.deposit.open_transaction == dearer != first.open_transaction
    assert await waiting.in_contract() == AMOUNT and state.notice is None
    record = await Records(waiting.vault, 31337).deposit()
    assert record is not None and record.transaction == dearer and "sending:31337" not in waiting.vault.values


async def test_cancelled_in_the_wallet_it_is_told_and_the_key_stays_for_a_while(waiting: Waiting) -> None:
    await waiting.begin()
    await waiting.cancel(0)
    await waiting.mine()
    state = await waiting.until(lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "transaction_replaced"
    assert state.deposit.phase is DepositPhase.NONE and await waiting.in_contract() == 0
    assert await Records(waiting.vault, 31337).deposit() is None and await waiting.key_is_kept()

    await waiting.app.idle()
    await waiting.world.pass_time(8 * 24 * 3600)  # the chain would not open it any more
    assert not await waiting.page.deposit.look_aside()
    assert not await waiting.key_is_kept()


async def test_lost_by_the_network_it_may_come_back(waiting: Waiting) -> None:
    await waiting.begin()
    raw = await waiting.drop()
    state = await waiting.until(lambda state: state.deposit.transit is Transit.DROPPED)
    assert state.deposit.phase is DepositPhase.SENT and await waiting.key_is_kept()
    assert state.notice is not None and state.notice.name == "transaction_dropped"
    await waiting.call("eth_sendRawTransaction", raw)
    await waiting.mine()
    await waiting.opened()
    assert await waiting.in_contract() == AMOUNT


async def test_lost_and_sent_again_it_opens_once(waiting: Waiting) -> None:
    await waiting.begin()
    raw = await waiting.drop()
    await waiting.until(lambda state: state.deposit.transit is Transit.DROPPED)
    waiting.app.heard("resend-deposit")
    await waiting.until(lambda state: state.deposit.transit is not Transit.DROPPED and state.notice is None)
    await waiting.mine()
    await waiting.opened()
    with pytest.raises(RpcError):
        await waiting.call("eth_sendRawTransaction", raw)
    assert await waiting.in_contract() == AMOUNT
    assert waiting.wallet.prompts.count("eth_sendTransaction") == 2


async def test_saying_no_to_sending_again_changes_nothing(waiting: Waiting) -> None:
    await waiting.begin()
    raw = await waiting.drop()
    await waiting.until(lambda state: state.deposit.transit is Transit.DROPPED)
    waiting.wallet.refuse = {"eth_sendTransaction"}
    waiting.app.heard("resend-deposit")
    await waiting.until(lambda state: state.notice is not None and state.notice.name == "refused")
    assert waiting.state.deposit.phase is DepositPhase.SENT and await waiting.key_is_kept()
    await waiting.call("eth_sendRawTransaction", raw)
    await waiting.mine()
    await waiting.opened()


async def test_stuck_for_long_it_is_followed_on(waiting: Waiting) -> None:
    await waiting.begin()
    await waiting.until(lambda state: state.deposit.transit is Transit.SLOW)
    assert isinstance(waiting.host, QuickWorld)
    start = waiting.host.skipped
    while waiting.host.skipped < start + 1800:
        await waiting.host.sleep(60)
    assert waiting.state.deposit.phase is DepositPhase.SENT and await waiting.key_is_kept()
    await waiting.mine()
    await waiting.opened()


async def test_left_alone_it_is_found_when_it_comes_after_all(waiting: Waiting) -> None:
    await waiting.begin()
    channel_id = waiting.state.deposit.channel_id
    await waiting.until(lambda state: state.deposit.transit is Transit.SLOW)
    waiting.app.heard("give-up-deposit")
    await waiting.until(lambda state: state.deposit.phase is DepositPhase.NONE)
    await waiting.mine()
    await waiting.later()
    state = await waiting.opened()
    assert state.deposit.channel_id == channel_id
    assert state.notice is not None and state.notice.name == "deposit_came"
    assert await Records(waiting.vault, 31337).aside() == []


async def test_a_reload_goes_on_waiting_and_sees_a_cancellation(waiting: Waiting) -> None:
    await waiting.begin()
    await waiting.until(lambda state: state.deposit.transit is Transit.SLOW)
    old = waiting.page
    await waiting.reload()
    await waiting.until(lambda state: state.deposit.phase is DepositPhase.SENT and state.connected)
    await waiting.cancel(0)
    await waiting.mine()
    state = await waiting.until(lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "transaction_replaced"
    await old.app.idle()


async def test_a_wallet_that_sent_it_and_said_it_failed(waiting: Waiting) -> None:
    await waiting.read()
    real = waiting.wallet.request

    def sends_and_fails(method: str, params: list[Any]) -> Any:
        answer = real(method, params)
        if method == "eth_sendTransaction":
            raise RuntimeError("timeout")
        return answer

    waiting.wallet.request = sends_and_fails  # type: ignore[method-assign]
    waiting.app.heard("open-deposit")
    waiting.app.heard("deposit")
    await waiting.until(lambda state: state.notice is not None)
    await waiting.later()
    state = await waiting.opened()
    assert state.notice is not None and state.notice.name == "deposit_came"
    assert await waiting.in_contract() == state.deposit.amount


async def test_asking_back_survives_being_sped_up_and_being_cancelled(waiting: Waiting) -> None:
    await waiting.begin()
    await waiting.mine()
    await waiting.opened()
    waiting.app.heard("request-close")
    await waiting.until(lambda state: state.deposit.transit is Transit.SENT and state.deposit.alone)
    await waiting.cancel(1)
    await waiting.mine()
    state = await waiting.until(lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "transaction_replaced" and state.deposit.usable

    waiting.app.heard("dismiss")
    waiting.app.heard("request-close")
    await waiting.until(lambda state: len(waiting.wallet.transactions) == 3 and state.deposit.transit is Transit.SLOW)
    await waiting.replace(2)
    await waiting.mine()
    state = await waiting.until(lambda state: state.deposit.phase is DepositPhase.REQUESTED)

    await waiting.call("evm_setNextBlockTimestamp", hex(state.deposit.expiry))
    await waiting.mine()
    waiting.app.heard("withdraw")
    await waiting.until(lambda state: len(waiting.wallet.transactions) == 4 and state.deposit.transit is Transit.SLOW)
    await waiting.replace(3)
    await waiting.mine()
    state = await waiting.until(lambda state: state.deposit.phase is DepositPhase.ENDED)
    assert (state.deposit.refunded, state.deposit.paid) == (AMOUNT, 0)
    assert await waiting.in_contract() == 0
