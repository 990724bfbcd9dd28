"""`tallystick chat --free`, as a process would run it: no key, no deposit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick_helper.commands import lines_of
from tallystick_helper.free_command import FreeWishes, free_chat
from tallystick_shared.errors import Code
from tests.shared.tools import refused

from .world import Serving, World, serving

WISHES = FreeWishes(None, 40, low_latency=True)


@pytest.fixture
async def giving(world: World) -> AsyncIterator[Serving]:
    async with serving(world, trial={"per_day": 5000, "per_guest": 600, "most": 33}) as up:
        yield up


async def test_two_questions_for_nothing(giving: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[dict[str, Any]] = []

    async def lines() -> AsyncIterator[str]:
        yield "the first line"
        yield "the second line"

    settings = giving.world.settings("stranger")
    answers = await free_chat(settings, WISHES, lines(), lambda values, text: said.append(values), stream=True)
    assert [answer.amount for answer in answers] == [0, 0]
    assert "the first line" in answers[0].text and "the second line" in answers[1].text
    assert said[0]["free"] == {"left": 5000, "most": 33} and said[0]["provider"] == "0x" + giving.provider.hex()
    assert all(answer.output_units <= 33 for answer in answers) and "the first line" in capsys.readouterr().out
    assert not (settings.data_dir / "user.sqlite").exists()


async def test_used_up_and_not_given(giving: Serving, world: World) -> None:
    trial = giving.node.trial
    assert trial is not None
    trial.used = 5000
    giving.node.adverts._made = None
    with refused(Code.TRIAL_OVER):
        await free_chat(world.settings("stranger"), WISHES, lines_of("x"), lambda values, text: None, stream=False)
    giving.node.trial = None
    giving.node.adverts._made = None
    with refused(Code.NOTHING_FREE):
        await free_chat(world.settings("stranger"), WISHES, lines_of("x"), lambda values, text: None, stream=False)
    with refused(Code.NOT_REGISTERED):
        other = FreeWishes(b"\1" * 20, 40, low_latency=True)
        await free_chat(world.settings("stranger"), other, lines_of("x"), lambda values, text: None, stream=False)


async def test_who_answers_nothing_in_text_is_not_nobody(world: World) -> None:
    with refused(Code.NO_PROVIDERS):
        await free_chat(world.settings("stranger"), WISHES, lines_of("x"), lambda values, text: None, stream=False)
    async with serving(world, engine={"kind": "toy", "options": {"what": "vectors"}}):
        with refused(Code.NO_OFFER) as caught:
            await free_chat(world.settings("stranger"), WISHES, lines_of("x"), lambda values, text: None, stream=False)
        assert caught.value.values == {"asked": "text", "offered": "vectors by toy-vectors"}
