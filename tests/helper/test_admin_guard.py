"""Who may speak to the admin listener: hosts, origins, keys. Attacks from a real browser are the console's."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tallystick_helper.admin_guard import names_of
from tallystick_helper.gateway.key import ApiKey
from tallystick_helper.settings import Settings
from tallystick_helper.up import Up
from tallystick_shared.errors import Code

from ..shared.tools import refused
from .gateways import Local, local_api


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    """A node without a chain: its doors are the same."""
    up = Up(Settings.model_validate({"data_dir": tmp_path, "page": {"port": 0}, "admin": {"port": 0}}))
    await up.start()
    async with local_api(up) as made:
        yield made
    await up.stop()


async def status(local: Local, method: str = "GET", path: str = "/v1/models", **headers: str) -> tuple[int, str | None]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{local.port}{path}"
    answer = await local.http.request(method, url, headers=names, json={} if method == "POST" else None)
    assert "access-control-allow-origin" not in answer.headers and "set-cookie" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_request_without_an_origin_needs_the_key(local: Local) -> None:
    assert await status(local) == (503, "no_contracts")  # let in; there is just no chain
    for given in ("", "Bearer", "Bearer tsk-wrong", f"Basic {local.key}", f"Bearer {local.key}x"):
        assert await status(local, authorization=given) == (401, "invalid_api_key")
    assert await status(local, "POST", "/v1/chat/completions", authorization="") == (401, "invalid_api_key")


async def test_a_foreign_origin_is_refused_even_with_the_key(local: Local) -> None:
    page = f"http://127.0.0.1:{local.port + 1}"
    for origin in ("https://evil.example", "null", page, f"https://127.0.0.1:{local.port}", "http://127.0.0.1"):
        assert await status(local, origin=origin) == (403, "foreign_origin")
        assert await status(local, "OPTIONS", origin=origin) == (403, "foreign_origin")
        assert await status(local, "POST", "/v1/chat/completions", origin=origin) == (403, "foreign_origin")
    assert (await status(local, origin=f"http://localhost:{local.port}"))[0] == 503


async def test_another_host_is_refused(local: Local) -> None:
    for host in ("evil.example", f"evil.example:{local.port}", "127.0.0.1", f"127.0.0.1:{local.port + 1}", "[::1]"):
        assert await status(local, host=host) == (421, "unknown_host")
    assert (await status(local, host=f"localhost:{local.port}"))[0] == 503


async def test_a_page_that_leaves_its_origin_out_is_known_by_what_its_browser_says(local: Local) -> None:
    for site in ("cross-site", "same-site"):
        assert await status(local, sec_fetch_site=site, sec_fetch_mode="no-cors") == (403, "foreign_origin")
        assert await status(local, "POST", "/v1/embeddings", sec_fetch_site=site) == (403, "foreign_origin")
    assert (await status(local, sec_fetch_site="same-site", sec_fetch_mode="navigate"))[0] == 503
    assert (await status(local, sec_fetch_site="none"))[0] == 503


async def test_only_v1_may_be_changed_without_an_origin(local: Local) -> None:
    for path in ("/", "/api", "/v1", "/V1/models", "/x/v1/models"):
        assert await status(local, "POST", path) == (403, "foreign_origin")


async def test_two_host_headers_are_none(local: Local) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", local.port)
    host = f"Host: 127.0.0.1:{local.port}\r\n"
    writer.write(f"GET /v1/models HTTP/1.1\r\n{host}Host: evil\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] in (b"400", b"421")
    writer.close()


async def test_addresses_that_are_not_there_say_which_are(local: Local) -> None:
    assert await status(local, "POST", "/v1/images/generations") == (404, "unknown_url")
    assert await status(local, "DELETE", "/v1/models") == (404, "unknown_url")


async def test_a_body_without_an_end_is_cut(local: Local) -> None:
    answer = await local.http.post("chat/completions", content=b" " * ((16 << 20) + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    answer = await local.http.post("chat/completions", content=b"[" * 5_000)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "body")


async def test_the_listener_stands_on_loopback_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="host"):
        Settings.model_validate({"data_dir": tmp_path, "admin": {"host": "0.0.0.0"}})


async def test_it_can_be_left_out(tmp_path: Path) -> None:
    up = Up(Settings.model_validate({"data_dir": tmp_path, "page": {"port": 0}, "admin": {"on": False}}))
    await up.start()
    assert up.admin is None and up.urls()["gateway"] is None
    await up.stop()


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    key = ApiKey(tmp_path)
    text = key.text()
    assert text.startswith("tsk-") and len(text) == 47
    assert ApiKey(tmp_path).text() == text
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600 and stat.S_IMODE(key.path.parent.stat().st_mode) == 0o700
    assert key.opens(f"Bearer {text}") and key.opens(f"bearer {text}")
    assert not key.opens(None) and not key.opens(text) and not key.opens("Bearer ö")
    assert key.replace() != text and not key.opens(f"Bearer {text}")
    assert ApiKey(tmp_path, "metrics").text() != key.text()


def test_a_key_that_others_may_read_opens_nothing(tmp_path: Path) -> None:
    key = ApiKey(tmp_path)
    text = key.text()
    key.path.chmod(0o644)
    with refused(Code.BAD_KEY_FILE):
        key.opens(f"Bearer {text}")
    key.path.chmod(0o600)
    key.path.write_text("something else\n")
    with refused(Code.BAD_KEY_FILE):
        key.text()


def test_names_of_a_listener() -> None:
    assert names_of("127.0.0.1", 8767) == {"127.0.0.1:8767", "localhost:8767"}
    assert names_of("::1", 8767) == {"[::1]:8767"}
    assert "127.0.0.1" in names_of("localhost", 80)
