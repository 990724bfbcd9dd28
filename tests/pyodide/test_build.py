"""The build of the page: what it packs, what it puts where, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from pathlib import Path

import pytest

from web.build import modules, wheels
from web.build import page as pages
from web.build.build import build, current, main
from web.build.inputs import BOOT, DIST, ROOT, BuildError, key

FILES = {"thing/__init__.py": b"X = 1\n", "thing/words.json": b"{}"}


def test_pack_gives_the_same_wheel_each_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(wheels.pack("a-thing", "1.0", ["msgspec>=0.21"], FILES, tmp_path / name))
    assert made[0].name == "a_thing-1.0-py3-none-any.whl"
    assert made[0].read_bytes() == made[1].read_bytes()
    with zipfile.ZipFile(made[0]) as archive:
        assert archive.read("thing/__init__.py") == FILES["thing/__init__.py"]
        assert b"Requires-Dist: msgspec>=0.21" in archive.read("a_thing-1.0.dist-info/METADATA")


@pytest.mark.parametrize("name", ["page.lock", "page-tests.lock"])
def test_locks_pin_every_wheel_by_hash_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    pins = wheels.read_lock(ROOT / "requirements" / name)
    wanted = (ROOT / "requirements" / name.replace(".lock", ".in")).read_text(encoding="utf-8")
    assert [f"{pin.name}=={pin.version}" for pin in pins] == re.findall(r"^\S+==\S+", wanted, re.M)
    assert "://" not in text


def test_a_lock_without_wheels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.lock").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(BuildError):
        wheels.read_lock(tmp_path / "empty.lock")


def test_modules_are_found_with_what_their_functions_import() -> None:
    assert {"tallystick_shared", "tallystick_shared.noise", "tallystick_web.crypto"} <= set(modules.ours())
    late = modules.late()
    assert "pyodide.ffi" in late
    assert not {"js", "tallystick_js", "pyscript"} & set(late)


def test_index_html_refers_to_hashed_files_only() -> None:
    text = '<head><!-- boot --><link rel="stylesheet" href="css/page.css"><a href="./">x</a></head>'
    assert pages.references(text) == {"css/page.css": "css"}
    made = pages.document(text, {"css/page.css": "page-1.css"}, "<meta>")
    assert made == '<head><meta><link rel="stylesheet" href="a/page-1.css"><a href="./">x</a></head>'
    with pytest.raises(BuildError, match="boot"):
        pages.document("<head></head>", {}, "")


def test_another_pyscript_is_refused(tmp_path: Path) -> None:
    record = json.loads((BOOT / "tt.json").read_text(encoding="utf-8")) | {"sha256": "0" * 64}
    (tmp_path / "tt.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BuildError, match="--record"):
        pages.allowed_code(tmp_path / "tt.json")


def test_the_recorded_code_stands_in_pyscript_as_it_is() -> None:
    """What is let through is PyScript's own text: its two parts are literally in its source."""
    [core] = (ROOT / "node_modules/@pyscript/core/dist").glob("core-*.js")
    source = core.read_text(encoding="utf-8")
    parts = re.fullmatch(
        r"\(function anonymous\(\n\) \{\nreturn\(w,x\)=>\((.*)\)\(w,x,\.\.\.\[(.*)\]\)\n\}\)",
        pages.allowed_code(),
        re.S,
    )
    assert parts
    assert all(part.strip("()") in source for part in parts.groups())


def test_manifest_has_the_hash_of_every_file(page: Path) -> None:
    manifest = json.loads((page / "manifest.json").read_text(encoding="utf-8"))
    files = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()} - {"manifest.json"}
    assert {name for name in files if not name.endswith(".br")} == set(manifest["files"])
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((page / name).read_bytes()).hexdigest() == digest


def test_nothing_is_built_where_nothing_changed(page: Path) -> None:
    assert current(DIST) == key()
    assert build() is False
    assert main(["--check"]) == 0
