"""Several models behind one node: each asked for by its name, at its own price, loaded when somebody pays for it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.engines import CAPS, names
from tallystick_helper.engines.fleet import Fleet
from tallystick_helper.engines.upstream.options import UpstreamOptions
from tallystick_helper.models import _needs, member_of, open_models
from tallystick_helper.settings import EngineSettings, load
from tallystick_shared.chat import SERVICE, ChatParams, chat_input
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.session.events import Accepted

from ..shared.tools import refused
from .world import World, serving, until

PROMPT = [("user", "one two three four")]
ECHO = {"rate": 0, "slots": 2, "queue": 4}
NONE = {"kind": "echo"}
TWO = {
    "models": {"first": {"kind": "echo", "options": ECHO}, "second/q8": {"kind": "echo", "options": ECHO}},
    "memory": {"loaded": 1},
    "offer": {"models": {"second/q8": {"price_out": 9_000_000 * 10**6}}},
}


async def answer_of(
    conversation: Conversation, model: str, units: int = 10, params: ChatParams | None = None
) -> Answer:
    async for piece in conversation.ask(PROMPT, model, units, params):
        if isinstance(piece, Answer):
            return piece
    raise AssertionError("no answer")


async def test_two_models_are_announced_sold_and_swapped(world: World) -> None:
    async with serving(world, **TWO) as provider:
        profile = (await provider.listing()).usable()
        assert [offer.model for offer in profile.offers] == ["first", "second/q8"]
        assert len({offer.manifest for offer in profile.offers}) == 2
        deposit = await provider.deposit()
        conversation = await provider.conversation(deposit)
        await conversation.connect()
        models = ["first", "second/q8"] * 3
        answers = [await answer_of(conversation, model) for model in models]
        assert [answer.output_units for answer in answers] == [10] * 6
        prices = {offer.model: offer.price for offer in profile.offers}
        assert [answer.amount for answer in answers] == [
            prices[model].amount(answer.input_units, 10) for model, answer in zip(models, answers, strict=True)
        ]
        engine: Any = provider.node.engine
        assert engine.swaps >= 5
        with refused(Code.UNKNOWN_MODEL):
            await answer_of(conversation, "third")
        await conversation.leave()


async def test_what_a_model_cannot_do_is_refused_and_costs_nothing(world: World) -> None:
    async with serving(world) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        for params in (ChatParams(json_schema="{}"), ChatParams(logprobs=1), ChatParams(top_k=5)):
            with pytest.raises(PeerError) as caught:
                await answer_of(conversation, "loopback", 10, params)
            assert caught.value.code is Code.UNSUPPORTED
        assert conversation.user.session.account.owed == 0
        assert (await answer_of(conversation, "loopback", 10, ChatParams(temperature=0.5))).output_units == 10
        await conversation.leave()


async def test_who_waits_is_told_the_place_and_the_likely_wait(world: World) -> None:
    async with serving(world, engine={"options": {"rate": 20.0, "slots": 1, "queue": 4}}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        accepted: list[Accepted] = []
        for stream in (1, 2):
            await conversation.user.ask(SERVICE, b"", chat_input(PROMPT), "loopback", 1000)
            while not accepted or accepted[-1].stream != stream:
                if isinstance(event := await conversation._events.get(), Accepted):
                    accepted.append(event)
        assert [one.queue_place for one in accepted] == [0, 1]
        assert accepted[0].estimated_ms == 0 < accepted[1].estimated_ms
        await conversation.leave()


async def test_caps_bound_what_one_request_may_take(world: World) -> None:
    options = {"rate": 100.0, "max_output": 5, "max_input": 20}
    async with serving(world, engine={"options": options}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        answer = await answer_of(conversation, "loopback", 1000)
        assert (answer.output_units, answer.finish) == (5, "length")
        with pytest.raises(PeerError) as caught:
            async for _ in conversation.ask([("user", "word " * 30)], "loopback", 5):
                pass
        assert caught.value.code is Code.PROMPT_TOO_LONG
        await conversation.leave()


async def test_seconds_end_an_answer_and_what_came_is_paid(world: World) -> None:
    async with serving(world, engine={"options": {"rate": 20.0, "max_seconds": 0.5}}) as provider:
        conversation = await provider.conversation(await provider.deposit())
        await conversation.connect()
        answer = await answer_of(conversation, "loopback", 1000)
        assert answer.finish == "time" and 1 <= answer.output_units < 1000
        assert provider.node.engine.load().running == 0
        await conversation.leave()


async def test_one_model_without_more_is_no_fleet(tmp_path: Path) -> None:
    settings = load(None, {"data_dir": tmp_path, "engine": {"kind": "echo"}})
    engine = await open_models(settings)
    assert not isinstance(engine, Fleet) and settings.serves
    await engine.close()
    idle = await open_models(load(None, {"data_dir": tmp_path, "engine": {"kind": "echo"}, "memory": {"idle": 60}}))
    assert isinstance(idle, Fleet) and idle.capabilities().model == "loopback"
    await idle.close()
    assert not load(None, {"data_dir": tmp_path, "engine": {"kind": "none"}}).serves


async def test_a_model_that_is_wrong_is_named(tmp_path: Path) -> None:
    models = {"good": {"kind": "echo"}, "bad": {"kind": "gguf", "options": {"path": str(tmp_path / "no.gguf")}}}
    with pytest.raises(LocalError) as caught:
        await open_models(load(None, {"data_dir": tmp_path, "models": models}))
    assert (caught.value.code, caught.value.values["model"]) == (Code.MODEL_MISSING, "bad")


@pytest.mark.parametrize(
    "models", [{"": NONE}, {"x" * 65: NONE}, {" x": NONE}, {"a\nb": NONE}, {"a": {"kin": "echo"}}, {"a": 1}]
)
def test_names_and_sections_that_are_none(tmp_path: Path, models: dict[str, object]) -> None:
    with refused(Code.BAD_SETTINGS):
        load(None, {"data_dir": tmp_path, "models": models})


def test_what_a_model_needs_is_known_before_it_is_loaded(tmp_path: Path) -> None:
    few = _needs("gguf", {"slots": 1, "context": 1024}, tmp_path)
    assert 98_000_000 < few < _needs("gguf", {"slots": 8, "context": 4096, "max_output": 5}, tmp_path) < 2 << 30
    assert _needs("gguf-embeddings", {"context": 1024}, tmp_path) > 98_000_000
    for options in ({"path": "/nowhere/x.gguf"}, {"no": 1}, {"slots": 0}):
        assert _needs("gguf", options, tmp_path) == 0
    assert _needs("upstream", {}, tmp_path) == 0
    assert member_of("x", EngineSettings(kind="echo"), tmp_path).resident.name == "x"


async def test_all_of_them_go_at_the_end(tmp_path: Path) -> None:
    settings = load(None, {"data_dir": tmp_path, **{name: TWO[name] for name in ("models", "memory")}})
    engine = await open_models(settings)
    assert isinstance(engine, Fleet)
    assert {engine.state(able.model) for able in engine.models()} == {"loaded", "unloaded"}
    await asyncio.gather(engine.close(), until(lambda: engine.state("first") == "unloaded"))


def test_the_example_of_the_page_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "several-models.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "config.toml").write_text(example)
    settings = load(None, {"data_dir": tmp_path})
    assert len(settings.models) == 3 and settings.memory.loaded == 2 and settings.offer.models
    for name, section in settings.models.items():
        assert member_of(name, section, tmp_path).resident.name == name
        assert section.kind in names()
    upstream = {name: value for name, value in settings.models["big"].options.items() if name not in CAPS}
    UpstreamOptions(**upstream)
