"""GGUF files: headers read without their weights, parts found, whatever is no model refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tallystick_helper.engines.gguf_file import models_in, read_header, read_model
from tallystick_helper.engines.weights import find_demo
from tallystick_shared.errors import Code

from ..shared.tools import refused


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(**values: bytes) -> bytes:
    """A header with these values, each with its kind in front, and no weights."""
    body = b"".join(text(key) + value for key, value in values.items())
    return struct.pack("<4sIQQ", b"GGUF", 3, 0, len(values)) + body


NUMBER = struct.pack("<II", 4, 7)
NAME = struct.pack("<I", 8) + text("llama")
TOKENS = struct.pack("<IIQ", 9, 8, 2000) + text("ab") * 2000
SCORES = struct.pack("<IIQ", 9, 6, 3000) + struct.pack("<3000f", *range(3000))
HEADS = struct.pack("<IIQ", 9, 4, 3) + struct.pack("<3I", 4, 2, 4)


def test_values_are_read_and_long_lists_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(a=NUMBER, tokens=TOKENS, scores=SCORES, heads=HEADS, z=NAME))
    assert read_header(path) == {"a": 7, "heads": [4, 2, 4], "z": "llama"}


def test_the_demo_models_header() -> None:
    model = read_model(find_demo())
    assert (model.architecture, model.quantisation, model.licence) == ("llama", "Q4_1", "apache-2.0")
    assert model.trained_context == 8192 and "im_start" in model.template
    assert model.of("block_count", 0) == 30 and model.of("nothing", "x") == "x"


def test_a_folder_with_one_model_is_that_model(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.gguf").write_bytes(gguf(a=NUMBER))
    (tmp_path / "mmproj-m.gguf").write_bytes(gguf(a=NUMBER))
    (tmp_path / "readme.txt").write_text("x")
    assert read_model(tmp_path).name == "m"
    (tmp_path / "n.gguf").write_bytes(gguf(a=NUMBER))
    assert [path.name for path in models_in(tmp_path)] == ["n.gguf", "m.gguf"]
    with refused(Code.MODEL_MISSING) as caught:
        read_model(tmp_path)
    assert "n.gguf, m.gguf" in caught.value.values["reason"]


def test_a_model_in_parts(tmp_path: Path) -> None:
    for at in (1, 2, 3):
        (tmp_path / f"big-{at:05}-of-00003.gguf").write_bytes(gguf(a=NUMBER))
    model = read_model(tmp_path)
    assert (model.name, len(model.files)) == ("big", 3) and model.size == 3 * model.path.stat().st_size
    model.files[1].unlink()
    with refused(Code.MODEL_MISSING):
        read_model(tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"GGUF", b"GGUF" + bytes(200), b"x" * 400, gguf(a=NUMBER)[:-1], gguf(a=struct.pack("<I", 99)),
     struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60), gguf(a=struct.pack("<IQ", 8, 1 << 60)),
     gguf(a=struct.pack("<IIQ", 9, 8, 1 << 60)), gguf(a=struct.pack("<IIQ", 9, 8, 1 << 20))],
)  # fmt: skip
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with refused(Code.MODEL_MISSING):
        read_header(path)
    with refused(Code.MODEL_MISSING):
        read_model(tmp_path / "nothing.gguf")
