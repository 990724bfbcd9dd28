"""Model files: found without importing, summed once, refused when they are not what they should be."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import pytest

from tallystick_helper.engines import weights
from tallystick_shared.errors import Code, TallystickError


def test_the_demo_model_is_found_and_not_imported() -> None:
    assert weights.find_demo().name == weights.DEMO.file
    assert weights.DEMO.package not in sys.modules


def test_a_package_that_is_not_there() -> None:
    gone = dataclasses.replace(weights.DEMO, package="no_such_package_here")
    with pytest.raises(TallystickError) as caught:
        weights.find_demo(gone)
    assert caught.value.code is Code.MODEL_MISSING


@pytest.mark.model
def test_the_demo_model_is_the_one_we_name(tmp_path: Path) -> None:
    weights.check(weights.find_demo(), weights.DEMO.sha256, tmp_path)


def test_a_sum_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    file, kept = tmp_path / "m.gguf", tmp_path / "data" / "model-sums.json"
    file.write_bytes(b"one")
    assert weights.file_sum(file, tmp_path / "data") == hashlib.sha256(b"one").hexdigest()
    entries = json.loads(kept.read_text())
    (entry,) = entries.values()
    entry["sha256"] = "kept"
    kept.write_text(json.dumps(entries))
    assert weights.file_sum(file, tmp_path / "data") == "kept"
    file.write_bytes(b"three")
    assert weights.file_sum(file, tmp_path / "data") == hashlib.sha256(b"three").hexdigest()


@pytest.mark.parametrize("junk", ["", "[]", '{"x": 1}', "{"])
def test_a_broken_record_only_costs_time(tmp_path: Path, junk: str) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    (tmp_path / "model-sums.json").write_text(junk)
    assert weights.file_sum(file, tmp_path) == hashlib.sha256(b"one").hexdigest()


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    with pytest.raises(TallystickError) as caught:
        weights.check(file, "00" * 32)
    assert caught.value.code is Code.MODEL_MISSING


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(TallystickError) as caught:
        weights.file_sum(tmp_path / "none.gguf")
    assert caught.value.code is Code.MODEL_MISSING


def test_the_manifest_is_canonical() -> None:
    assert (
        weights.manifest_json("e", "m", {"b": "2", "a": "1"}) == '{"engine":"e","files":{"a":"1","b":"2"},"model":"m"}'
    )
