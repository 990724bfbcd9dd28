"""What lies in deploy/, looked at without a daemon: the image, compose, the systemd unit."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tallystick_helper.settings import Settings, load
from tallystick_helper.up import Up

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile, with continued lines put together."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_the_image_runs_as_nobody_and_keeps_its_data_in_a_volume() -> None:
    found = instructions()
    last = [name for name, _ in found]
    stages = [index for index, name in enumerate(last) if name == "FROM"]
    end = found[stages[-1] :]
    values = dict(end)
    assert len(stages) == 2 and all(":" in value and ":latest" not in value for name, value in found if name == "FROM")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", values["USER"])
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert values["VOLUME"] == "/data" and "TALLYSTICK_DATA_DIR=/data" in values["ENV"]
    assert values["STOPSIGNAL"] == "SIGTERM" and values["EXPOSE"] == str(Settings().listen.port)
    assert values["ENTRYPOINT"] == '["tallystick"]' and "tallystick" in values["HEALTHCHECK"]
    assert not any(name == "ADD" or "curl" in value or "sudo" in value for name, value in found)
    assert all("--no-cache-dir" in value for name, value in found if name == "RUN" and "pip install" in value)
    assert [name for name, _ in end if name == "COPY"] == ["COPY"]  # no compiler, no wheel, no source in it
    assert (DEPLOY / "Dockerfile.dockerignore").read_text().split() == ["*", "!dist/tallystick-*.whl"]


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def test_compose_gives_it_as_few_rights_as_it_needs() -> None:
    node = compose()["services"]["node"]
    assert node["read_only"] is True and node["cap_drop"] == ["ALL"]
    assert node["security_opt"] == ["no-new-privileges:true"] and "privileged" not in node
    assert node["ports"] == ["8766:8766"], "the page and the local API must not leave the container"
    assert node["volumes"] == ["data:/data"] and "data" in compose()["volumes"]
    assert node["image"] == f"tallystick:{VERSION}"
    assert (DEPLOY / node["build"]["context"] / node["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert int(node["stop_grace_period"].removesuffix("s")) >= 30
    assert node["logging"]["options"]["max-file"]


def test_compose_names_settings_that_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = compose()["services"]["node"]["environment"]
    given = {"TALLYSTICK_CHAIN__RPC": '["http://127.0.0.1:9"]', "TALLYSTICK_LISTEN__ENDPOINT": "wss://node.example/"}
    assert set(names) == set(given)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TALLYSTICK_DATA_DIR", str(tmp_path))
    settings = load()
    assert (settings.chain.rpc, settings.listen.endpoint) == (["http://127.0.0.1:9"], "wss://node.example/")
    assert Up(settings).places[0].settings.chain.rpc == settings.chain.rpc


def unit() -> dict[str, dict[str, str]]:
    """Sections of the unit; of a name that stands several times the last value."""
    parser = configparser.RawConfigParser(strict=False, comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "tallystick.service")
    return {name: dict(parser[name]) for name in parser.sections()}


HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "DevicePolicy": "closed",
    "UMask": "0077",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "StateDirectoryMode": "0700",
    "User": "tallystick",
    "KillSignal": "SIGTERM",
    "Restart": "on-failure",
}


def test_the_unit_is_hardened() -> None:
    service = unit()["Service"]
    assert {name: service.get(name) for name in HARDENED} == HARDENED
    assert service["ExecStart"].endswith("tallystick up")
    assert int(service["TimeoutStopSec"]) >= 30
    assert unit()["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
def test_systemd_has_nothing_against_it(tmp_path: Path) -> None:
    file = tmp_path / "tallystick.service"
    text = (DEPLOY / "tallystick.service").read_text()
    file.write_text(text.replace("/opt/tallystick/bin/tallystick", "/bin/true"))
    said = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
    assert said.returncode == 0 and str(file) not in said.stderr, said.stderr
    arguments = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(file)]
    rated = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout[-300:]


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_shells_can_complete(shell: str, word: str) -> None:
    from typer._completion_shared import get_completion_script

    assert word in get_completion_script(prog_name="tallystick", complete_var="_TALLYSTICK_COMPLETE", shell=shell)


def test_a_half_typed_command_is_completed() -> None:
    typed = {"_TALLYSTICK_COMPLETE": "complete_bash", "COMP_WORDS": "tallystick pa", "COMP_CWORD": "1"}
    environment = {**os.environ, **typed}
    command = [sys.executable, "-c", "from tallystick_helper.cli import app; app(prog_name='tallystick')"]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "pause" in said.stdout.split()
