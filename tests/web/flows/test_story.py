"""The flows against everything real but the browser: chain, contracts, node and signatures; only the model is the
loopback one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_utils.address import to_checksum_address

from tallystick_helper import demo
from tallystick_helper.node.till import CLAIM_PATIENCE
from tallystick_shared.errors import LocalError
from tallystick_shared.user import CLOSE_TIMEOUT
from tallystick_web.actions import Ticked
from tallystick_web.app import App
from tallystick_web.flows import close
from tallystick_web.flows.records import Records
from tallystick_web.main import Page, start
from tallystick_web.state import DepositPhase, Link, State, TurnState
from tests.e2e.stack import Demo
from tests.e2e.wallet import ETHER, TestWallet
from tests.web.seats import MemoryLocks, MemoryVault, until

from .real import RealWallets, RealWorld, page_of


@dataclass
class Story:
    """A page over a running demo."""

    up: Demo
    wallet: TestWallet
    vault: MemoryVault
    world: RealWorld
    page: Page

    @property
    def app(self) -> App:
        return self.page.app

    @property
    def state(self) -> State:
        return self.app.state

    async def open(self) -> Story:
        site = {"chain_id": self.up.chain_id, "registry": self.up.registry, "channels": self.up.channels}
        await start(self.page, json.dumps(site))
        await self.app.idle()
        return self

    async def deposit(self, amount: str = "0.5") -> Story:
        """Connected, chosen and deposited."""
        self.app.heard("connect")
        await until(self.app, lambda state: state.chosen is not None)
        self.app.heard("open-deposit")
        self.app.heard("input:amount", amount)
        self.app.heard("deposit")
        await until(self.app, lambda state: state.deposit.usable)
        return self

    async def ask(self, text: str) -> None:
        """Asks, and waits for a hundred characters of the answer."""
        count = len(self.state.turns)
        self.app.heard("ask", text)
        await until(self.app, lambda state: len(state.turns) > count + 1 and len(state.turns[-1].text) > 100)

    async def stop(self) -> None:
        self.app.heard("stop")
        await self.app_settled()

    async def app_settled(self) -> None:
        """Waits until nothing streams and everything owed is paid."""
        await until(self.app, lambda state: not state.running and state.deposit.durable >= state.deposit.owed)

    def reopened(self) -> Story:
        """The same person, browser and wallet after a reload."""
        page = page_of(RealWallets(self.wallet), self.vault, self.world)
        return Story(self.up, self.wallet, self.vault, self.world, page)

    async def leave(self) -> None:
        await self.page.chat.hang_up()
        await self.app.idle()


@pytest.fixture
async def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    """A demo in this process, and a page that was not opened yet."""
    monkeypatch.setenv("TALLYSTICK_ENGINE__OPTIONS", '{"rate": 200}')
    options = argparse.Namespace(listen=0, page=0, admin=0, endpoint=None, engine="echo", json=True)
    async with demo.stack(options) as up:
        running = Demo(**up)
        wallet = await asyncio.to_thread(TestWallet, running, running.chain_id)
        vault, world = MemoryVault(), RealWorld()
        told = Story(running, wallet, vault, world, page_of(RealWallets(wallet), vault, world))
        yield told
        await told.leave()


async def test_deposit_ask_stop_close(story: Story) -> None:
    others = story.up.balance(story.up.channels)
    await (await story.open()).deposit()
    await story.ask("Tell me about tallies")
    await story.stop()
    answer = story.state.turns[1]
    assert answer.state is TurnState.STOPPED and answer.usage is not None
    price_in, price_out = story.state.chosen.price_in, story.state.chosen.price_out  # type: ignore[union-attr]
    due = (answer.usage.input_units * price_in + answer.usage.output_units * price_out) // 1_000_000
    assert story.state.deposit.owed == answer.usage.amount == due
    assert story.state.deposit.notches > 0

    story.app.heard("close-deposit")
    state = await until(story.app, lambda state: state.deposit.phase is DepositPhase.ENDED)
    assert (state.deposit.paid, state.deposit.refunded) == (due, ETHER // 2 - due)
    assert story.wallet.prompts == ["eth_requestAccounts", "eth_sendTransaction"]
    assert story.up.balance(story.up.channels) == others
    assert not any(name.startswith(("deposit", "paid:")) for name in story.vault.values), "nothing secret is left"


async def test_a_reload_goes_on_with_the_same_deposit(story: Story) -> None:
    await (await story.open()).deposit()
    await story.ask("Before")
    await story.stop()
    owed, notches = story.state.deposit.owed, story.state.deposit.notches
    await story.leave()

    again = await story.reopened().open()
    await until(again.app, lambda state: state.chosen is not None and state.deposit.usable)
    assert (again.state.deposit.owed, again.state.deposit.notches) == (owed, notches)
    assert [turn.text for turn in again.state.turns] == [turn.text for turn in story.state.turns]
    await again.ask("After")
    await again.stop()
    assert again.state.deposit.owed > owed
    assert again.wallet.prompts == ["eth_requestAccounts", "eth_sendTransaction"]
    await again.leave()


async def test_an_answer_that_was_stopped_goes_on_by_a_question_that_is_seen_where_the_model_cannot(
    story: Story,
) -> None:
    await (await story.open()).deposit()
    await story.ask("Long")
    await story.stop()
    stopped = story.state.turns[-1]
    for _ in range(2):  # the second time it is known
        story.app.heard("continue", str(stopped.id))
        asked = len(story.state.chats.chat.turns)
        await until(
            story.app,
            lambda state, asked=asked: (  # type: ignore[misc]
                len(state.chats.chat.turns) > asked + 1 and state.turns[-1].text.startswith("Continue.")
            ),
        )
        await story.stop()
        said = [turn.text for turn in story.state.turns]
        assert said[:3] == ["Long", stopped.text, "Continue."] and said[3].startswith("Continue.")
        assert story.state.turns[1].usage == stopped.usage and story.state.turns[1].state is TurnState.STOPPED
        assert story.state.notice is None


async def test_without_the_provider_the_rest_comes_back_alone(story: Story) -> None:
    await (await story.open()).deposit()
    await story.ask("Once")
    await story.stop()
    await story.leave()
    story.world.gone = True
    story.app.heard("close-deposit")
    await until(story.app, lambda state: state.deposit.alone)
    assert story.state.sheet is not None and story.state.deposit.usable

    story.app.heard("request-close")
    state = await until(story.app, lambda state: state.deposit.phase is DepositPhase.REQUESTED)
    await asyncio.to_thread(story.up.call, "evm_setNextBlockTimestamp", hex(state.deposit.expiry + 1))
    await asyncio.to_thread(story.up.call, "evm_mine")
    story.app.heard("withdraw")
    state = await until(story.app, lambda state: state.deposit.phase is DepositPhase.ENDED)
    assert state.deposit.refunded > 0
    assert story.wallet.prompts == ["eth_requestAccounts", *["eth_sendTransaction"] * 3]


async def test_who_leaves_while_the_provider_is_gone_does_not_wait_for_it(story: Story) -> None:
    await (await story.open()).deposit()
    await story.ask("Once")
    story.world.gone = True
    user, running = story.page.chat._user, story.page.chat._running
    assert user is not None and running is not None and user._socket is not None
    await user._socket.close()
    await until(story.app, lambda state: state.link is Link.CONNECTING)
    await story.leave()
    assert running.done() and story.state.turns[-1].state is TurnState.FAILED


async def test_a_provider_that_answers_late_closes_all_the_same(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node may wait for a claim of its own: the page waits longer. Where it gave up, nothing is paid for alone."""
    assert close.PATIENCE > CLOSE_TIMEOUT > CLAIM_PATIENCE
    await (await story.open()).deposit()
    await story.ask("Once")
    await story.stop()
    monkeypatch.setattr(close, "PATIENCE", 0)
    seen: list[bool] = []
    story.app.watch(lambda before, after: seen.append(after.deposit.alone))
    story.app.heard("close-deposit")
    state = await until(story.app, lambda state: state.deposit.phase is DepositPhase.ENDED)
    assert True in seen and state.deposit.end_transaction and state.deposit.paid == state.deposit.owed
    assert story.wallet.prompts == ["eth_requestAccounts", "eth_sendTransaction"]


async def test_a_question_without_a_provider_can_be_asked_again(story: Story) -> None:
    await (await story.open()).deposit()
    story.world.gone = True
    story.app.heard("ask", "Anybody?")
    state = await until(story.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "provider_gone"
    assert [turn.state for turn in state.turns] == [TurnState.WAITING]
    story.world.gone = False
    story.app.heard("retry")
    await until(story.app, lambda state: state.running and bool(state.turns[-1].text))
    await story.stop()
    assert len(story.state.turns) == 2


async def test_a_fault_of_the_page_itself_ends_the_answer_and_is_told(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still for ever once: nobody was left to read the socket, and nothing said so."""
    await (await story.open()).deposit()
    await story.ask("Long")

    async def broken(*_: Any) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(story.vault, "put", broken)
    state = await until(story.app, lambda state: not state.running)
    assert state.turns[-1].state is TurnState.FAILED and len(state.turns[-1].text) > 100
    state = await until(story.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "page_failed"


async def sent(story: Story) -> dict[str, Any]:
    """A deposit on its way to a chain that mines when told to; what the wallet was asked to send."""
    await asyncio.to_thread(story.up.call, "evm_setAutomine", False)
    await story.open()
    story.app.heard("connect")
    await until(story.app, lambda state: state.chosen is not None)
    story.app.heard("open-deposit")
    story.app.heard("input:amount", "0.5")
    story.app.heard("deposit")
    await until(story.app, lambda state: state.deposit.phase is DepositPhase.SENT)
    wallets = story.app.seats.wallets
    assert isinstance(wallets, RealWallets)
    await asyncio.wait_for(wallets.looked.wait(), 20)
    return dict(story.wallet.transactions[-1])


async def in_its_place(story: Story, call: dict[str, Any]) -> str:
    """What a wallet sends to speed up or to cancel: the same nonce, dearer; mined. Its hash."""
    transaction = {
        "type": 2,
        "chainId": story.up.chain_id,
        "nonce": 0,
        "to": to_checksum_address(call["to"]),
        "value": int(call["value"], 16),
        "data": call["data"],
        "gas": 500_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**10,
    }
    signed = story.wallet.account.sign_transaction(transaction)
    found = await asyncio.to_thread(story.up.call, "eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    await asyncio.to_thread(story.up.call, "evm_mine")
    return str(found)


async def test_a_deposit_that_the_wallet_sped_up_is_open_under_its_new_hash(story: Story) -> None:
    call = await sent(story)
    faster = await in_its_place(story, call)
    state = await until(story.app, lambda state: state.deposit.usable)
    assert state.deposit.open_transaction == faster and state.notice is None
    again = await story.reopened().open()
    await until(again.app, lambda state: state.deposit.usable)
    assert again.state.deposit.open_transaction == faster


async def test_a_deposit_that_the_wallet_cancelled_is_told_as_replaced(story: Story) -> None:
    call = await sent(story)
    await in_its_place(story, {**call, "to": "0x" + "77" * 20, "value": "0x0", "data": "0x"})
    state = await until(story.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "transaction_replaced"
    assert state.deposit.phase is DepositPhase.NONE
    assert "deposit:31337" not in story.vault.values


async def test_a_deposit_that_the_network_forgot_keeps_its_key_until_it_is_given_up(
    story: Story,
) -> None:
    story.world.haste = 1000
    call = await sent(story)
    await asyncio.to_thread(story.up.call, "anvil_dropAllTransactions")
    state = await until(story.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "transaction_dropped"
    assert state.deposit.phase is DepositPhase.SENT and "deposit:31337" in story.vault.values
    # The wallet sends it again after all.
    await in_its_place(story, call)
    story.app.heard("check-deposit")
    state = await until(story.app, lambda state: state.deposit.usable)
    assert state.notice is None


async def test_a_forgotten_deposit_can_be_given_up(story: Story) -> None:
    story.world.haste = 1000
    await sent(story)
    await asyncio.to_thread(story.up.call, "anvil_dropAllTransactions")
    await until(story.app, lambda state: state.notice is not None)
    story.app.heard("give-up-deposit")
    state = await until(story.app, lambda state: state.deposit.phase is DepositPhase.NONE)
    assert state.notice is None and "deposit:31337" not in story.vault.values


async def test_a_page_that_went_away_while_the_wallet_asked_keeps_the_key(story: Story) -> None:
    await sent(story)
    records = Records(story.vault, 31337)
    record = await records.deposit()
    assert record is not None
    again = story.reopened()
    await records.keep_deposit(msgspec.structs.replace(record, transaction=""))
    await again.open()
    await again.app.idle()
    assert again.state.deposit.phase is DepositPhase.NONE
    assert [kept.key for kept in await records.aside()] == [record.key]
    await asyncio.to_thread(story.up.call, "evm_mine")
    again.app.dispatch(Ticked(again.state.now + 1000))  # it looks by itself, less and less often
    state = await until(again.app, lambda state: state.deposit.usable)
    assert state.notice is not None and state.notice.name == "deposit_came"
    kept = await records.deposit()
    assert kept is not None and kept.key == record.key
    await again.leave()


async def test_a_refused_deposit_leaves_no_key_behind(story: Story) -> None:
    story.wallet.refuse = {"eth_sendTransaction"}
    await story.open()
    story.app.heard("connect")
    await until(story.app, lambda state: state.chosen is not None)
    story.app.heard("open-deposit")
    story.app.heard("deposit")
    state = await until(story.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "refused"
    assert state.deposit.phase is DepositPhase.NONE
    assert "deposit:31337" not in story.vault.values


async def test_another_tab_keeps_the_deposit(story: Story) -> None:
    await (await story.open()).deposit()
    locks = story.app.seats.locks
    assert isinstance(locks, MemoryLocks)
    locks.taken = {"channel-" + story.state.deposit.channel_id.hex()}
    story.app.heard("ask", "Me too?")
    state = await until(story.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "in_use_elsewhere"
    assert state.link is Link.IDLE


async def test_the_page_and_the_chain_agree(story: Story) -> None:
    await (await story.open()).deposit()
    on_chain = await story.page.deposit.on_chain()
    assert (on_chain.deposit, on_chain.expiry) == (ETHER // 2, story.state.deposit.expiry)
    with pytest.raises(LocalError):
        story.page.deposit.record = None
        await story.page.close.request()
