"""The page as a folder: the same bytes each time, its sums, and what it refuses to write over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tallystick_helper.cli import app
from tallystick_helper.static_page import build, verify
from tallystick_shared.errors import Code, LocalError

SITE = {"chain_id": 5, "rpc": ["https://rpc.example"]}
FILES = {"index.html": "page", "sw.js": "worker", "a/code-1.js": "code", "demo/wallet.js": "demo"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def built(folder: Path, files: dict[str, str], name: str = "one") -> Path:
    """A built page, as web/build leaves it."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"build": name, "files": sums}))
    return folder


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return built(tmp_path / "dist", FILES)


def refused(*arguments: Any) -> str:
    with pytest.raises(LocalError) as caught:
        build(*arguments)
    assert caught.value.code is Code.BAD_SETTINGS
    return str(caught.value.values["reason"])


def test_two_builds_are_the_same_bytes_with_the_sum_of_every_file(page: Path, tmp_path: Path) -> None:
    made = [build(page, tmp_path / name, SITE) for name in ("one", "two")]
    assert made[0] == made[1]
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert set(one) == {"index.html", "sw.js", "a/code-1.js", "tallystick.json", "manifest.json"}
    sums = json.loads(one.pop("manifest.json"))["files"]
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in one.items()}
    assert json.loads(one["tallystick.json"]) == SITE


def test_an_earlier_page_is_replaced_and_what_version_control_keeps_there_stays(page: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    build(page, target, SITE)
    (target / ".git").mkdir()
    (target / ".git" / "HEAD").write_text("ref")
    later = built(tmp_path / "later", {"index.html": "page two", "b/code-2.js": "code two"}, "two")
    build(later, target, SITE)
    assert set(contents(target)) == {"index.html", "b/code-2.js", "tallystick.json", "manifest.json", ".git/HEAD"}
    assert not (target / "a").exists()
    assert verify(target, later).same


def test_nothing_else_is_written_over(page: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    assert "manifest.json" in refused(page, other, SITE)
    target = tmp_path / "site"
    build(page, target, SITE)
    (target / "mine.txt").write_text("mine")
    assert "mine.txt" in refused(page, target, SITE)
    assert "another folder" in refused(page, page / "inside", SITE)
    assert (other / "thesis.txt").exists() and (target / "mine.txt").exists() and (target / "index.html").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_list_that_names_what_lies_outside_is_not_followed(page: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("mine")
    target = tmp_path / "site"
    target.mkdir()
    (target / "manifest.json").write_text(json.dumps({"build": "x", "files": {name: "0"}}))
    assert "outside" in refused(page, target, SITE)
    assert (tmp_path / "outside").exists()


def test_what_differs_from_the_sums_is_named(page: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    build(page, target, SITE)
    assert verify(target, page).whole and verify(target, page).same
    (target / "index.html").write_text("another")
    (target / "sw.js").unlink()
    (target / "extra.js").write_text("1")
    verdict = verify(target, page)
    assert (verdict.missing, verdict.changed, verdict.added) == (("sw.js",), ("index.html",), ("extra.js",))
    assert not verdict.whole and not verdict.same


def test_the_command_builds_and_verifies(page: Path, tmp_path: Path) -> None:
    runner, target = CliRunner(), str(tmp_path / "site")
    common = ["--data-dir", str(tmp_path / "data"), "--files", str(page), "--json"]
    chain = ["--rpc", "https://rpc.example", "--chain-id", "5", "--chain-name", "Five", "--symbol", "FIV"]
    where = ["--registry", "0x" + "11" * 20, "--channels", "0x" + "22" * 20, "--block", "9"]
    done = runner.invoke(app, ["page", "build", target, *chain, *where, *common])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "site" / "tallystick.json").read_text()) == {
        "chain_id": 5,
        "chain_name": "Five",
        "currency": {"name": "FIV", "symbol": "FIV", "decimals": 18},
        "rpc": ["https://rpc.example"],
        "registry": "0x" + "11" * 20,
        "channels": "0x" + "22" * 20,
        "block": 9,
    }
    assert json.loads(runner.invoke(app, ["page", "verify", target, *common]).output)["whole"] is True
    (tmp_path / "site" / "sw.js").write_text("worse")
    worse = runner.invoke(app, ["page", "verify", target, *common])
    assert worse.exit_code == 1 and json.loads(worse.output)["changed"] == ["sw.js"]
    nothing = runner.invoke(app, ["page", "build", target, *common])
    assert nothing.exit_code == 1 and json.loads(nothing.output)["error"] == "BAD_SETTINGS"


@pytest.mark.parametrize(
    ("named", "chain_id", "name"), [("", 31337, "Chain 31337"), ("", 1, "Ethereum"), ("Mine", 1, "Mine")]
)
def test_a_chain_is_called_by_its_own_name(page: Path, tmp_path: Path, named: str, chain_id: int, name: str) -> None:
    chain = ["--rpc", "https://rpc.example", "--chain-id", str(chain_id), *(["--chain-name", named] if named else [])]
    where = ["--registry", "0x" + "11" * 20, "--channels", "0x" + "22" * 20, "--block", "9"]
    common = ["--data-dir", str(tmp_path / "data"), "--files", str(page)]
    done = CliRunner().invoke(app, ["page", "build", str(tmp_path / "site"), *chain, *where, *common])
    assert f", for {name}." in done.output
    assert json.loads((tmp_path / "site" / "tallystick.json").read_text())["chain_name"] == name
