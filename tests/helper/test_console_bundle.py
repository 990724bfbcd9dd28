"""What a support bundle replaces, piece by piece; `test_routes_facts` looks through a whole one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.console.bundle import Redactor

REDACTOR = Redactor(Path("/srv/tallystick"), Path("/home/bob"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://user:p@ss/word@rpc.example/v2/abc?x=1 fails", "https://rpc.example/… fails"),
        ("wss://rpc.example/v3/0123456789abcdef", "wss://rpc.example/…"),
        ("rpc.example/?api_key=abc123&x=1", "rpc.example/?api_key=<secret>&x=1"),
        ("sk-proj_0123456789abcdefgh", "<api key>"),
        ("tsk-0123456789abcdefghijklmn", "<api key>"),
        (r"C:\\Users\\bob\\models", r"<home>\\models"),
        ("/home/bob/models", "<home>/models"),
        ("/srv/tallystick/ledger-1.sqlite", "<data>/ledger-1.sqlite"),
        ("0x" + "1a" * 32, "<64 hex digits>"),
        ("0x" + "1a" * 20, "<address>"),
        ("from 203.0.113.9 to 127.0.0.1", "from <ip> to 127.0.0.1"),
        ("a plain sentence, 12:30, v1.2.3", "a plain sentence, 12:30, v1.2.3"),
    ],
)
def test_texts(text: str, left: str) -> None:
    assert REDACTOR.text(text) == left


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"api_key": "abc"}, {"api_key": "<left out>"}),
        ({"api_key": ""}, {"api_key": ""}),
        ({"keys": {"alice": "abc", "bob": ["def"]}}, {"keys": {"alice": "<left out>", "bob": ["<left out>"]}}),
        ({"options": {"headers": {"X-Api": "abc"}}}, {"options": {"headers": {"X-Api": "<left out>"}}}),
        ({"max_tokens": "12", "tokens": ["none"]}, {"max_tokens": "12", "tokens": ["none"]}),
        ({"key_bits": 4}, {"key_bits": 4}),
    ],
)
def test_values(value: dict[str, Any], left: dict[str, Any]) -> None:
    assert REDACTOR.value(value) == left
