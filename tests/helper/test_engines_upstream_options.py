"""What a node is told of its server, and the key that nothing shows."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.engines.upstream.flavours import flavour_of
from tallystick_helper.engines.upstream.options import ApiKey, UpstreamOptions
from tallystick_shared.errors import Code, TallystickError

URL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (URL, URL + "/v1"),
        (URL + "/", URL + "/v1"),
        (URL + "/v1", URL + "/v1"),
        (URL + "/v1/", URL + "/v1"),
        ("https://a.example/openai/v1", "https://a.example/openai/v1"),
    ],
)
def test_addresses(url: str, base: str) -> None:
    assert UpstreamOptions(url=url).base == base


@pytest.mark.parametrize(
    "options",
    [
        {"url": ""},
        {"url": "ftp://x"},
        {"url": "http://user:secret@host/v1"},
        {"url": URL + "?key=secret"},
        {"url": URL, "slots": 0},
        {"url": URL, "queue": -1},
        {"url": URL, "context": -1},
        {"url": URL, "next_timeout": 0},
        {"url": URL, "patience": -1},
        {"url": URL, "flavour": "vanilla"},
        {"url": URL, "extra": {"messages": [], "n": 2}},
    ],
)
def test_settings_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(TallystickError) as caught:
        UpstreamOptions(**options)
    assert caught.value.code is Code.BAD_SETTINGS
    assert "secret" not in str(caught.value)


def test_a_key_is_shown_by_nothing() -> None:
    key = ApiKey("secret")
    assert "secret" not in f"{key} {key!r} {[key]}"
    assert key and not ApiKey("")
    assert key.headers() == {"Authorization": "Bearer secret"} and ApiKey("").headers() == {}
    for leak in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            leak(key)


def test_where_the_key_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TALLYSTICK_UPSTREAM_KEY", raising=False)
    assert not UpstreamOptions(url=URL).key()
    monkeypatch.setenv("TALLYSTICK_UPSTREAM_KEY", "usual")
    assert UpstreamOptions(url=URL).key().headers() == {"Authorization": "Bearer usual"}
    path = tmp_path / "key"
    path.write_text(" filed\n")
    assert UpstreamOptions(url=URL, key_file=path).key().headers() == {"Authorization": "Bearer filed"}
    for options in ({"key_env": "NOT_THERE"}, {"key_file": tmp_path / "none"}):
        with pytest.raises(TallystickError) as caught:
            UpstreamOptions(url=URL, **options).key()  # type: ignore[arg-type]
        assert caught.value.code is Code.BAD_SETTINGS


@pytest.mark.parametrize(
    ("owner", "name"),
    [("vllm", "vllm"), ("llamacpp", "llamacpp"), ("tabbyAPI", "tabbyapi"), ("library", "ollama"), ("sglang", "sglang"),
     ("somebody", "openai"), (None, "openai"), (7, "openai")],
)  # fmt: skip
def test_flavours(owner: Any, name: str) -> None:
    assert flavour_of(owner).name == name
