"""Asking without a wallet, over a real chain and real providers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick_web.purse.trial import TrialPhase
from tallystick_web.state import DepositPhase, State, TurnState
from tests.helper.world import Serving, World, serving
from tests.web.flows.real import QuickWorld, Town
from tests.web.seats import until

GIVES = {"per_day": 5000, "per_guest": 1000, "most": 60}


@pytest.fixture
async def giving(world: World) -> AsyncIterator[Serving]:
    async with serving(world, trial=GIVES) as made:
        yield made


class Stranger(Town):
    """Somebody without a wallet: the site's own RPC is all there is."""

    @property
    def site(self) -> dict[str, Any]:
        return super().site | {"rpc": [self.world.url]}

    async def come(self) -> State:
        await self.open()
        await self.app.idle()
        return self.state

    async def tries(self) -> State:
        await self.come()
        self.app.heard("try-free")
        await self.app.idle()
        return self.state

    async def asks(self, text: str) -> State:
        before = len(self.state.turns)
        self.app.heard("ask", text)
        return await until(self.app, lambda state: len(state.turns) == before + 2 and not state.running)


async def test_from_nothing_to_an_answer(giving: Serving, world: World) -> None:
    town = Stranger(world)
    state = await town.tries()
    assert town.wallets.asked == [], "no wallet was asked anything"
    assert (state.trial.phase, state.trial.left, state.trial.most) == (TrialPhase.ON, 1000, 60)
    assert state.free and not state.connected and state.chosen is not None
    state = await town.asks("A first question of a stranger")
    answer = state.turns[-1]
    assert answer.state is TurnState.DONE and "first question" in answer.text
    assert answer.usage is not None and answer.usage.free and answer.usage.amount == 0
    spent = answer.usage.input_units + answer.usage.output_units
    assert state.trial.left == 1000 - spent and state.deposit.phase is DepositPhase.NONE
    state = await town.asks("And a second one")
    assert state.turns[-1].state is TurnState.DONE and "second" in state.turns[-1].text
    assert not town.wallet.transactions

    await town.reload()
    state = await town.tries()
    assert state.trial.left < 1000 - spent, "a reload does not tell more"
    assert [turn.usage.free for turn in state.turns if turn.usage] == [True, True]


async def test_used_up_and_on_by_paying(giving: Serving, world: World) -> None:
    town = Stranger(world, QuickWorld())
    await town.tries()
    trial = giving.node.trial
    assert trial is not None
    await trial.take("127.0.0.1", 990, 8)
    town.app.heard("ask", "Too late")
    state = await until(town.app, lambda state: state.notice is not None)
    assert state.notice is not None and state.notice.name == "trial_over" and "time" in dict(state.notice.values)
    assert state.trial.phase is TrialPhase.OVER and state.turns[-1].state is TurnState.FAILED
    town.app.heard("connect")
    await town.app.idle()
    assert town.state.connected and town.state.chosen is not None
    town.app.heard("open-deposit")
    await town.app.idle()
    town.app.heard("deposit")
    await until(town.app, lambda state: state.deposit.usable)
    assert town.wallet.prompts == ["eth_requestAccounts", "eth_sendTransaction"]
    town.app.heard("retry")
    state = await until(town.app, lambda state: bool(state.turns[-1].usage) and not state.running)
    usage = state.turns[-1].usage
    assert usage is not None and usage.amount > 0 and not usage.free
    await town.page.chat.hang_up()


async def test_nobody_gives_anything(provider: Serving, world: World) -> None:
    state = await Stranger(world).tries()
    assert state.trial.phase is TrialPhase.NONE and state.notice is not None and state.notice.name == "no_trial"
    assert not state.free


async def test_a_question_that_waits_goes_out_free(giving: Serving, world: World) -> None:
    town = Stranger(world)
    await town.come()
    town.app.heard("ask", "Asked before anything else")
    assert town.state.queue
    town.app.heard("try-free")
    state = await until(town.app, lambda state: len(state.turns) == 2 and not state.running)
    assert state.turns[1].usage is not None and state.turns[1].usage.free


async def test_a_wallet_that_says_no_leaves_the_trial_as_it_is(giving: Serving, world: World) -> None:
    town = Stranger(world)
    await town.tries()
    town.wallet.refuse = True  # type: ignore[attr-defined]
    before = town.state.chosen
    town.wallets.request = _no  # type: ignore[method-assign]
    town.app.heard("connect")
    await town.app.idle()
    assert town.state.free and town.state.chosen == before


async def _no(wallet: str, method: str, params: list[Any]) -> Any:
    from tallystick_shared.evm.rpc import RpcError

    raise RpcError(4001, "no")


async def test_without_an_address_of_the_chain_it_says_so(world: World) -> None:
    town = Town(world)
    await town.open()
    await town.app.idle()
    town.app.heard("try-free")
    await town.app.idle()
    assert town.state.trial.phase is TrialPhase.NONE and json.dumps(town.site)
