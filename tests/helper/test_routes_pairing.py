"""Pairing and the owner's sign-in over the admin listener: each refusal as a stranger would meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest

from tallystick_helper.console.pairing import Session
from tallystick_helper.gateway.key import ApiKey
from tallystick_helper.routes.door import Answer, OnChain
from tallystick_helper.running import KEY, RunningNode

from .shell import Shell
from .test_console_sign_in import signed
from .world import Serving


class Console:
    """A browser on the admin listener: its Origin, and the bearer once it is paired."""

    def __init__(self, provider: Serving) -> None:
        found = RunningNode.find(provider.settings.data_dir)
        assert found is not None
        self.node, self.provider, self.bearer = found, provider, ""
        self.http = httpx2.AsyncClient(base_url=found.origin, trust_env=False, timeout=20)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        given = {"Origin": self.node.origin, "Authorization": f"Bearer {self.bearer}" if self.bearer else ""}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=body, headers={k: v for k, v in given.items() if v})

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.call("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.call("POST", path, body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def pair(self) -> str:
        """The secret that was used."""
        url = (await self.node.command("/pair"))["url"]
        assert url.startswith(self.node.origin + "/#pair=")
        secret = str(url.split("#pair=")[1])
        self.bearer = (await self.post("/api/pair", secret=secret))["bearer"]
        return secret

    async def sign_in(self) -> None:
        world = self.provider.world
        text = (await self.post("/api/owner/message", account="0x" + self.provider.provider.hex()))["message"]
        await self.post("/api/owner/sign-in", message=text, signature=signed(text, world.owner_key))


@pytest.fixture
async def console(provider: Serving) -> AsyncIterator[Console]:
    made = Console(provider)
    yield made
    await made.http.aclose()


async def test_a_secret_pairs_once(console: Console) -> None:
    assert (await console.call("GET", "/api/session")).status_code == 401
    secret = await console.pair()
    found = await console.get("/api/session")
    assert found["owners"] == {} and 0 < found["seconds"] <= 12 * 3600
    again = await console.call("POST", "/api/pair", {"secret": secret})
    assert (again.status_code, again.json()["error"]) == (401, "PAIRING_OVER")
    assert "tallystick console" in again.json()["next"]
    await console.post("/api/leave")
    assert (await console.call("GET", "/api/session")).json()["error"] == "NOT_PAIRED"


async def test_other_pages_get_nothing_though_they_had_the_secret_or_the_bearer(console: Console) -> None:
    url = (await console.node.command("/pair"))["url"]
    secret = {"secret": url.split("#pair=")[1]}
    page = "http://127.0.0.1:8765"
    for headers, status in (
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": page}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"sec_fetch_site": "cross-site"}, 401),
        ({"sec_fetch_site": "same-site"}, 401),
    ):
        answer = await console.call("POST", "/api/pair", secret, **headers)
        assert answer.status_code == status, headers
        assert not {"access-control-allow-origin", "set-cookie"} & set(answer.headers)
    await console.pair()
    for headers, status in (
        ({"Origin": page}, 403),
        ({"Host": f"evil.example:{console.node.origin.rsplit(':', 1)[1]}"}, 421),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "navigate"}, 401),
        ({"Origin": "", "sec_fetch_site": "cross-site"}, 403),
    ):
        assert (await console.call("GET", "/api/session", **headers)).status_code == status, headers
    assert (await console.call("GET", "/api/session", Origin="", sec_fetch_site="same-origin")).status_code == 200


async def test_no_other_key_and_no_cookie_is_a_bearer(console: Console) -> None:
    folder = console.provider.settings.data_dir
    for name in ("api", "metrics", KEY):
        console.bearer = ApiKey(folder, name).text()
        assert (await console.call("GET", "/api/session")).status_code == 401
    await console.pair()
    bearer, console.bearer = console.bearer, ""
    for path in ("/api/session", f"/api/session?bearer={bearer}&access_token={bearer}"):
        assert (await console.call("GET", path, Cookie=f"bearer={bearer}")).status_code == 401
    assert (await console.call("GET", "/node", Authorization=f"Bearer {bearer}")).status_code == 401  # nor the reverse


async def test_what_changes_something_is_no_get(console: Console) -> None:
    await console.pair()
    for path in ("/api/pair", "/api/leave", "/api/owner/message", "/api/owner/sign-in"):
        assert (await console.call("GET", path)).status_code == 405


async def test_bodies_that_cannot_be_read(console: Console) -> None:
    await console.pair()
    for body in (["x"], {"what": 1}, {"secret": 5}):
        answer = await console.call("POST", "/api/pair", body)
        assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")
    large = await console.call("POST", "/api/pair", {"secret": "x" * 70_000})
    assert (large.status_code, large.json()["error"]) == (413, "TOO_LARGE")


class Price(msgspec.Struct, frozen=True):
    chain: str = ""


async def test_the_owner_signs_in_against_the_registry(console: Console) -> None:
    admin = console.provider.up.admin
    assert admin is not None and admin.app is not None

    async def work(wish: OnChain, session: Session) -> Answer:
        return {"done": wish.chain}

    admin.app.routes.insert(0, admin.door.owned("/api/test", OnChain, work))
    assert (await console.call("POST", "/api/test")).json()["error"] == "NOT_PAIRED"
    await console.pair()
    refused = await console.call("POST", "/api/test")
    assert (refused.status_code, refused.json()["error"]) == (403, "OWNER_NEEDED")
    assert refused.json()["owner"] == "0x" + console.provider.provider.hex()
    unknown = await console.call("POST", "/api/test", {"chain": "nowhere"})
    assert (unknown.status_code, unknown.json()["error"]) == (400, "BAD_SETTINGS")
    await console.sign_in()
    assert await console.post("/api/test") == {"done": ""}
    assert (await console.get("/api/session"))["owners"] == {"": "0x" + console.provider.provider.hex()}
    stranger = await console.call("POST", "/api/owner/message", {"account": "0x" + 40 * "1"})
    assert (stranger.status_code, stranger.json()["error"]) == (403, "NOT_OWNER")
    await console.pair()  # another console is not signed in by that
    assert (await console.call("POST", "/api/test")).json()["error"] == "OWNER_NEEDED"


async def test_a_second_terminal_prints_the_address(console: Console) -> None:
    shell = Shell(console.provider.world)
    shell.flags = ["--data-dir", str(console.provider.settings.data_dir)]
    found = await shell.json("console")
    assert found["seconds"] == 60
    assert (await console.post("/api/pair", secret=found["url"].split("#pair=")[1]))["bearer"]
    shown, _ = await shell.text("console")
    assert console.node.origin + "/#pair=" in shown


async def test_the_page_learns_the_bare_address_of_the_console(console: Console) -> None:
    up = console.provider.up
    told = await up.configuration()
    assert told["console"] == console.node.origin + "/" and "#" not in told["console"]
    up.settings = up.settings.model_copy(update={"page": up.settings.page.model_copy(update={"host": "0.0.0.0"})})
    assert "console" not in await up.configuration()
