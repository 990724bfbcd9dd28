"""A deposit found again after the browser was wiped, and taken back by the payer's wallet: chain and node are real."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_web.state import FoundPhase, State
from tests.e2e.wallet import ETHER
from tests.helper.test_guest import informed
from tests.helper.world import Serving
from tests.helper.world import until as node_until
from tests.web.seats import MemoryVault, until

from .real import Town, page_of

AMOUNT = ETHER // 2


class Wiped(Town):
    """A page over one provider, with a deposit that its browser then forgets."""

    async def begin(self, node: Serving) -> bytes:
        """A deposit of the wallet's, known to the node; returns its channel's id."""
        await self.read()
        self.app.heard("open-deposit")
        self.app.heard("input:amount", "0.5")
        self.app.heard("deposit")
        state = await until(self.app, lambda state: state.deposit.usable)
        await self.app.idle()
        await node_until(lambda: node.node.follower.table.get(state.deposit.channel_id))
        self.known = await informed((node,), 1)
        return state.deposit.channel_id

    async def wipe(self) -> State:
        """Everything that the browser kept is gone; the page is opened and connected again."""
        self.vault = MemoryVault()
        self.page = page_of(self.wallets, self.vault, self.host)
        return await self.read()

    async def found(self, phase: FoundPhase) -> State:
        return await until(self.app, lambda state: any(one.phase is phase for one in state.found))

    async def pass_to(self, moment: int) -> None:
        await self.call("evm_setNextBlockTimestamp", hex(moment))
        await self.call("evm_mine")

    async def balance(self, address: str) -> int:
        return int(await self.call("eth_getBalance", address, "latest"), 16)


@pytest.fixture
async def wiped(provider: Serving) -> Wiped:
    return await asyncio.to_thread(Wiped, provider.world)


@pytest.mark.parametrize("pruned", [False, True], ids=["by logs", "by a node's records"])
async def test_found_asked_back_and_withdrawn_to_the_last_wei(wiped: Wiped, provider: Serving, pruned: bool) -> None:
    channel_id = await wiped.begin(provider)
    wiped.wallets.pruned = pruned
    state = await wiped.wipe()
    (found,) = state.found
    assert (found.channel_id, found.left, found.phase) == (channel_id, AMOUNT, FoundPhase.FOUND)
    assert found.opened > 0
    assert state.notice is not None and (state.notice.name, state.notice.quiet) == ("deposit_found", True)
    assert wiped.wallet.prompts.count("eth_sendTransaction") == 1, "looking asks the wallet for nothing"

    wiped.app.heard("take-back", channel_id.hex())
    state = await wiped.found(FoundPhase.REQUESTED)
    await wiped.app.idle()

    await wiped.reload()  # read from the chain again, and no second notice
    state = await wiped.found(FoundPhase.REQUESTED)
    await wiped.app.idle()
    assert wiped.state.notice is None
    await wiped.pass_to(state.found[0].expiry)
    wiped.app.heard("open-money")
    await wiped.found(FoundPhase.READY)

    before = await wiped.balance(wiped.wallet.address)
    wiped.app.heard("take-rest", channel_id.hex())
    state = await wiped.found(FoundPhase.BACK)
    await wiped.app.idle()
    receipt = await wiped.call("eth_getTransactionReceipt", state.found[0].transaction)
    fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert await wiped.balance(wiped.wallet.address) == before + AMOUNT - fee
    assert await wiped.balance(wiped.demo.channels) == 0
    assert state.found[0].left == AMOUNT and "found:31337" not in wiped.vault.values


async def test_a_wallet_without_a_past_is_asked_nothing_and_nobody_is_told(wiped: Wiped) -> None:
    state = await wiped.read()
    assert state.found == () and state.notice is None
    assert "eth_getTransactionCount" in wiped.wallets.asked
    assert wiped.wallets.asked.count("eth_getLogs") == 1, "the market's one provider"


async def test_saying_no_leaves_it_where_it_was(wiped: Wiped, provider: Serving) -> None:
    channel_id = await wiped.begin(provider)
    await wiped.wipe()
    wiped.wallet.refuse = {"eth_sendTransaction"}
    wiped.app.heard("take-back", channel_id.hex())
    state = await until(wiped.app, lambda state: state.notice is not None and state.notice.name == "refused")
    await wiped.app.idle()
    assert [one.phase for one in state.found] == [FoundPhase.FOUND]


async def test_a_deposit_that_this_browser_knows_is_not_looked_for(wiped: Wiped, provider: Serving) -> None:
    await wiped.begin(provider)
    wiped.wallets.asked.clear()
    await wiped.reload()
    await until(wiped.app, lambda state: state.deposit.usable and state.chosen is not None)
    await wiped.app.idle()
    assert wiped.state.found == () and "eth_getLogs" not in wiped.wallets.asked
