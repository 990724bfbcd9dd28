"""The demo as a person in a terminal meets it: what it says is enough to get an answer."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tallystick_helper import demo

OPTIONS = argparse.Namespace(listen=0, page=0, admin=0, endpoint=None, engine="echo", json=False, no_open=True)


def mode(path: Path) -> int:
    return path.stat().st_mode


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


async def test_its_key_file_pays_for_an_answer_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The page is not what is tried here, so it need not be built.
    (tmp_path / "index.html").write_text("<p>a page</p>")
    monkeypatch.setenv("TALLYSTICK_PAGE__FILES", str(tmp_path))
    async with demo.stack(OPTIONS) as up:
        demo.tell(up, OPTIONS)
        (line,) = (line for line in capsys.readouterr().out.splitlines() if " chat " in line)
        folder = Path(up["key_file"]).parent
        assert mode(folder / "user.key") & 0o077 == 0
        flags = line.split(" chat ")[1].removesuffix(" 'What is a tally stick?'").split(" ")
        chat = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tallystick_helper", "chat", *flags, "--max-units", "4", "--json", "one two"),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await chat.communicate()
        assert chat.returncode == 0
        assert json.loads(said.splitlines()[-1])["answer"]["output_units"] == 4
        assert len(names(folder)) > 1, "its deposit is kept beside the key"
    assert names(folder) == []


async def test_its_local_api_answers_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("<p>a page</p>")
    monkeypatch.setenv("TALLYSTICK_PAGE__FILES", str(tmp_path))
    async with (
        demo.stack(OPTIONS) as up,
        AsyncOpenAI(base_url=up["gateway"], api_key=up["api_key"]) as client,
    ):
        (model,) = [model.id async for model in client.models.list()]
        said = [{"role": "user", "content": "one two"}]
        stream = await client.chat.completions.create(model=model, messages=said, max_tokens=3, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "one two one"
