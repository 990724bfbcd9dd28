"""EIP-4361 by the on-chain owner: every line of the message counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tallystick_helper.console.pairing import OWNER_LIFE, Pairing, Session
from tallystick_helper.console.sign_in import LIFE, SignIn
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code
from tallystick_shared.evm.rpc import checksum

from ..shared.tools import refused

HOST = "127.0.0.1:8767"
OWNER_KEY, OTHER_KEY = b"\x11" * 32, b"\x22" * 32
crypto = NativeCrypto()
OWNER, OTHER = crypto.secp256k1_address(OWNER_KEY), crypto.secp256k1_address(OTHER_KEY)


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FewOwners:
    """One chain without a name, where OWNER is; one named `base`, where nobody is."""

    here: dict[str, tuple[int, bytes] | None] = field(default_factory=lambda: {"": (31337, OWNER), "base": None})
    left: bool = False

    def chains(self) -> list[str]:
        return list(self.here)

    def announced(self, chain: str) -> tuple[int, bytes] | None:
        return self.here[chain]

    async def registered(self, chain: str, owner: bytes) -> bool:
        return not self.left


class Case:
    """A paired console before a sign-in."""

    def __init__(self) -> None:
        self.clock, self.owners = Clock(), FewOwners()
        self.pairing = Pairing(self.clock)
        self.sign_in = SignIn(crypto, self.owners, self.clock, self.clock)
        self.session = self.new_session()

    def new_session(self) -> Session:
        return self.pairing.session("Bearer " + self.pairing.redeem(self.pairing.offer()))

    async def ask(self) -> str:
        return await self.sign_in.message(self.session, HOST, "", "0x" + OWNER.hex())

    async def give(self, text: str, signature: str | None = None, host: str = HOST) -> str:
        return await self.sign_in.accept(self.session, host, text, signature or signed(text))


def signed(text: str, key: bytes = OWNER_KEY) -> str:
    data = text.encode()
    digest = crypto.keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)
    return "0x" + crypto.secp256k1_sign(key, digest).hex()


@contextlib.contextmanager
def bad(reason: str) -> Iterator[None]:
    """The block must raise BAD_SIGN_IN for that reason."""
    with refused(Code.BAD_SIGN_IN) as raised:
        yield
    assert raised.value.values["reason"] == reason


@pytest.fixture
def case() -> Case:
    return Case()


async def test_the_message_is_that_of_the_standard(case: Case) -> None:
    lines = (await case.ask()).split("\n")
    assert lines[0] == f"{HOST} wants you to sign in with your Ethereum account:"
    assert lines[1] == checksum(crypto.keccak256, OWNER)
    assert lines[2] == lines[4] == ""
    assert lines[5:8] == [f"URI: http://{HOST}/", "Version: 1", "Chain ID: 31337"]
    assert len(lines[8].removeprefix("Nonce: ")) == 32  # 128 bits
    assert lines[9:] == ["Issued At: 2026-09-21T14:13:20Z", "Expiration Time: 2026-09-21T14:18:20Z"]


async def test_the_owner_is_signed_in_for_half_an_hour(case: Case) -> None:
    with refused(Code.OWNER_NEEDED):
        case.sign_in.check(case.session, "")
    assert await case.give(await case.ask()) == ""
    case.sign_in.check(case.session, "")
    case.sign_in.check(case.session, None)
    assert case.sign_in.owners_of(case.session) == {"": OWNER}
    with refused(Code.OWNER_NEEDED):
        case.sign_in.check(case.new_session(), "")  # no other console is
    case.clock.now += OWNER_LIFE
    with refused(Code.OWNER_NEEDED):
        case.sign_in.check(case.session, "")
    assert case.sign_in.owners_of(case.session) == {}


async def test_a_wallet_that_counts_v_from_zero(case: Case) -> None:
    text = await case.ask()
    raw = bytes.fromhex(signed(text)[2:])
    await case.give(text, "0x" + (raw[:64] + bytes([raw[64] - 27])).hex())


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (HOST + " wants", "evil.example wants", "domain"),
        (HOST + " wants", "localhost:8767 wants", "domain"),
        (f"URI: http://{HOST}/", "URI: http://evil.example/", "uri"),
        ("Version: 1", "Version: 2", "message"),
        ("Chain ID: 31337", "Chain ID: 1", "chain"),
        ("Nonce: ", "Nonce: 0", "nonce"),
        (":18:20Z", ":59:59Z", "message"),
        ("sends no transaction", "sends transactions", "message"),
        ("Issued At", "Issued", "message"),
        (checksum(crypto.keccak256, OWNER), checksum(crypto.keccak256, OTHER), "account"),
    ],
)
async def test_a_message_that_was_changed(case: Case, old: str, new: str, reason: str) -> None:
    changed = (await case.ask()).replace(old, new, 1)
    with bad(reason):
        await case.give(changed)
    with refused(Code.OWNER_NEEDED):
        case.sign_in.check(case.session, "")


async def test_another_signer(case: Case) -> None:
    for signature in ("0x", "0x00", "zz", "0x" + 130 * "0"):
        with bad("signature"):
            await case.give(await case.ask(), signature)
    text = await case.ask()
    with bad("signature"):
        await case.give(text, signed(text, OTHER_KEY))
    with bad("nonce"):
        await case.give(text)  # a message is tried once


async def test_a_message_is_good_once_for_five_minutes_and_for_one_console(case: Case) -> None:
    text = await case.ask()
    await case.give(text)
    with bad("nonce"):
        await case.give(text)
    late = await case.ask()
    case.clock.now += LIFE
    with bad("time"):
        await case.give(late)
    mine = await case.ask()
    with bad("nonce"):
        await case.sign_in.accept(case.new_session(), HOST, mine, signed(mine))


async def test_under_another_name_of_the_listener_it_is_another_domain(case: Case) -> None:
    with bad("domain"):
        await case.give(await case.ask(), host="localhost:8767")


async def test_only_the_owner_is_asked(case: Case) -> None:
    for account in ("0x" + OTHER.hex(), "", "0x12", "nonsense"):
        with refused(Code.NOT_OWNER):
            await case.sign_in.message(case.session, HOST, "", account)
    with refused(Code.NOT_REGISTERED):
        await case.sign_in.message(case.session, HOST, "base", "0x" + OWNER.hex())
    text, case.owners.left = await case.ask(), True
    with refused(Code.NOT_OWNER):
        await case.ask()
    with refused(Code.NOT_OWNER):
        await case.give(text)  # left between the two


async def test_another_provider_is_announced(case: Case) -> None:
    await case.give(await case.ask())
    case.owners.here[""] = (31337, OTHER)
    with refused(Code.OWNER_NEEDED) as raised:
        case.sign_in.check(case.session, "")
    assert raised.value.values["owner"] == "0x" + OTHER.hex()


async def test_before_anything_is_announced_the_bearer_is_enough(case: Case) -> None:
    case.owners.here[""] = None
    case.sign_in.check(case.session, "base")
    case.sign_in.check(case.session, None)
    assert case.sign_in.rules(case.session)


async def test_a_chain_that_is_not_announced_is_the_first_owners(case: Case) -> None:
    for chain in ("base", None):
        with refused(Code.OWNER_NEEDED) as raised:
            case.sign_in.check(case.session, chain)
        assert raised.value.values["chain"] == ""
    await case.give(await case.ask())
    case.sign_in.check(case.session, "base")
    assert case.sign_in.rules(case.session)


async def test_the_owner_on_a_later_chain_has_that_chain_alone(case: Case) -> None:
    case.owners.here["base"] = (8453, OTHER)
    text = await case.sign_in.message(case.session, HOST, "base", "0x" + OTHER.hex())
    assert await case.give(text, signed(text, OTHER_KEY)) == "base"
    case.sign_in.check(case.session, "base")
    for chain in ("", None):
        with refused(Code.OWNER_NEEDED):
            case.sign_in.check(case.session, chain)
    assert not case.sign_in.rules(case.session)


async def test_there_are_never_many_messages(case: Case) -> None:
    first = await case.ask()
    for _ in range(64):
        await case.ask()
    with bad("nonce"):
        await case.give(first)
