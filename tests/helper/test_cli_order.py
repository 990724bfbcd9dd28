"""The command as a whole: its order, what it loads, how it completes, and that JSON is all that `--json` prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from tallystick_helper.cli import app
from tallystick_helper.cli_order import PANELS

HEAVY = ("pydantic", "eth_abi", "eth_utils", "httpx2", "msgspec", "coincurve", "Crypto", "structlog", "numpy", "nacl")
ENGINES = ("xllamacpp", "numpy", "tallystick_helper.engines", "eth_abi", "uvicorn", "starlette")


def loaded(*arguments: str, unwanted: tuple[str, ...]) -> list[str]:
    """Which of those modules a command has loaded when it ends."""
    code = (
        "import atexit, sys, json; from tallystick_helper.cli import app\n"
        f"atexit.register(lambda: print(json.dumps([one for one in {unwanted} if one in sys.modules])))\n"
        "app()"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return list(json.loads(done.stdout.splitlines()[-1]))


def test_every_command_stands_under_a_head_of_its_own() -> None:
    """What people need first is first."""
    every = list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    order = [name for names in PANELS.values() for name in names]
    assert every[:2] == ["up", "chat"] and set(every) <= set(order)
    assert every == [name for name in order if name in every]
    said = CliRunner().invoke(app, ["--help"]).output
    assert [said.index(head) for head in PANELS] == sorted(said.index(head) for head in PANELS)


def test_help_loads_nothing_that_only_the_work_needs() -> None:
    assert loaded("--help", unwanted=HEAVY) == []


@pytest.mark.parametrize("arguments", [("status",), ("gateway", "key"), ("pause",)])
def test_simple_commands_load_no_engine_and_no_chain(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert loaded(*arguments, "--data-dir", str(tmp_path), unwanted=ENGINES) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands_and_flags(shell: str) -> None:
    def complete(line: str) -> str:
        words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        words |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        done = subprocess.run(
            [Path(sys.executable).parent / "tallystick"],
            env={**os.environ, "_TALLYSTICK_COMPLETE": f"complete_{shell}", **words},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert "channel" in complete("tallystick cha") and "doctor" not in complete("tallystick cha")
    assert "top-up" in complete("tallystick channel to") and "--key-file" in complete("tallystick chat --ke")


@pytest.mark.parametrize("wrong", [["models", "--foo"], ["chat"], ["nonsense"], ["channel", "show"]])
def test_wrong_usage_is_told_in_json_too(wrong: list[str]) -> None:
    done = CliRunner().invoke(app, [*wrong, "--json"])
    assert done.exit_code == 2
    told = json.loads(done.stdout)
    assert (told["error"], told["code"]) == ("BAD_SETTINGS", 612) and told["usage"] and told["next"]
    people = CliRunner().invoke(app, wrong)
    assert (people.exit_code, people.stdout) == (2, "")


def test_a_wrong_address_is_named() -> None:
    done = CliRunner().invoke(app, ["registry", "show", "0x12", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["address"]) == (1, "0x12") and "40 hex digits" in told["reason"]
