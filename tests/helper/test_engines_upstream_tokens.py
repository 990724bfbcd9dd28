"""A tokenizer of the node's own, from a folder; that of the demo model's GGUF file is checked against llama.cpp."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tallystick_helper.engines import open_engine
from tallystick_helper.engines.conformance import ask, collect
from tallystick_helper.engines.upstream.tokens import read_tokens
from tallystick_shared.errors import Code, TallystickError

from .hostile_upstream import END, HostileUpstream, delta, events, hostile_upstream

TEMPLATE = "{% for message in messages %}<{{ message.role }}> {{ message.content }} {% endfor %}<assistant>"
WORDS = ["hello", "there", "and", "more", "of", "it", "<", ">", "user", "assistant"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder without a model."""
    vocabulary = {word: at for at, word in enumerate(["?", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    return tmp_path


@pytest.fixture
async def server() -> AsyncIterator[HostileUpstream]:
    async with hostile_upstream() as started:
        yield started


def plain(server: HostileUpstream, path: Path) -> dict[str, object]:
    return {"url": server.url, "json_schema": False, "logprobs": False, "tokenizer": str(path)}


def test_it_counts_texts_and_conversations(folder: Path) -> None:
    for path in (folder, folder / "tokenizer.json"):
        tokens = read_tokens(path)
        assert tokens.count("hello there, you") == 4
        assert tokens.prompt([{"role": "user", "content": "hello there"}]) == 3 + 2 + 3
        assert list(tokens.files) == ["tokenizer.json"]


async def test_units_are_its_tokens_however_the_server_cuts_them(server: HostileUpstream, folder: Path) -> None:
    engine = await open_engine("upstream", plain(server, folder))
    assert await engine.count(ask("hello there and more")) == 3 + 4 + 3
    server.usual = events(delta("hello there and"), delta(" mo"), delta("re of it"), END)
    pieces, finish = await collect(engine.run(ask("hello")))
    assert (finish.units, [piece.units for piece in pieces]) == (6, [3, 1, 2])
    _, finish = await collect(engine.run(ask("hello", max_units=5)))
    assert finish.units == 5
    assert "tokenizer.json" in engine.capabilities().manifest_json
    await engine.close()


async def test_without_a_template_only_answers_are_counted(server: HostileUpstream, folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    engine = await open_engine("upstream", plain(server, folder))
    assert await engine.count(ask("hello there and more")) == 20 // 4 + 4
    server.usual = events(delta("hello there and"), END)
    assert (await collect(engine.run(ask("hello"))))[1].units == 3
    await engine.close()


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_what_is_no_tokenizer(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(TallystickError) as caught:
        read_tokens(tmp_path)
    assert caught.value.code is Code.MODEL_MISSING


def test_the_packages_may_be_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(TallystickError) as caught:
        read_tokens(folder)
    assert "pip install" in caught.value.values["reason"]
