"""The cast for measurements and for the documents: contracts on a fresh chain, roles, and what they sign.

Keys, salts and times are fixed, so every run gives the same bytes and the same gas. Signatures are eth-account's, and
`cryptography`'s for P-256.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from contracts.anvil import Anvil
from contracts.build import artefact
from contracts.machine import ETHER, ROOT, Contract
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.tree import Seat, grow

DAY = 86_400
ZERO = "0x" + "00" * 20
NO_SALT = bytes(32)
FOREVER = 2**256 - 1
COIN = ROOT / "tests" / "contracts" / "tokens" / "Coin.vy"

VOUCHER = (("bytes32", "channelId"), ("address", "payee"), ("uint256", "cumulative"))
PERMIT = (
    ("address", "owner"),
    ("address", "spender"),
    ("uint256", "value"),
    ("uint256", "nonce"),
    ("uint256", "deadline"),
)
AUTHORIZATION = (
    ("address", "from"),
    ("address", "to"),
    ("uint256", "value"),
    ("uint256", "validAfter"),
    ("uint256", "validBefore"),
    ("bytes32", "nonce"),
)

Config = tuple[Any, ...]
"""payer, signer, root, token, delay, salt: the contract's structure of the same name."""


def fixed(text: str) -> bytes:
    """32 bytes that are the same in every run."""
    return bytes(keccak(text=f"tallystick scene: {text}"))


SESSION = Account.from_key(fixed("session key"))
P256_KEY = ec.derive_private_key(int.from_bytes(fixed("P-256 session key"), "big") % (2**255), ec.SECP256R1())


def p256_public() -> bytes:
    """x | y of the P-256 session key, 64 bytes."""
    numbers = P256_KEY.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def p256_signer() -> str:
    """The address that stands for it in a configuration."""
    return "0x" + keccak(p256_public())[-20:].hex()


class FixedCrypto(NativeCrypto):
    """The node's cryptography, with random numbers that are the same in every run."""

    def __init__(self) -> None:
        self._drawn = 0

    def random(self, size: int) -> bytes:
        """At most 32 bytes."""
        self._drawn += 1
        return fixed(f"random {self._drawn}")[:size]


@dataclass(frozen=True)
class Place:
    """A payee's leaf, and its way up to the root: an empty proof where the payee is the only one."""

    payee: str
    closer: str
    salt: bytes = NO_SALT
    proof: tuple[bytes, ...] = field(default=())

    @property
    def root(self) -> bytes:
        node = keccak(b"\0" + to_canonical_address(self.payee) + to_canonical_address(self.closer) + self.salt)
        for sibling in self.proof:
            node = keccak(min(node, sibling) + max(node, sibling))
        return bytes(node)


class Scene:
    """Both contracts and a token on a chain; payer, payee and operator (the closer) have accounts of their own.

    `holder` is a payer whose key is known here, for what a wallet signs; it is sent for under `chain.impersonating()`.
    """

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.channels: Contract = chain.deploy("Channels")
        self.registry: Contract = chain.deploy("Registry")
        self.coin = self._coin()
        self.payer, self.payee, self.operator, *self.others = chain.accounts[1:]
        self.holder = Account.from_key(fixed("holder"))
        self.only = Place(self.payee, self.operator)
        self.among_16 = self._among_16()
        self._salts = 0

    def _among_16(self) -> Place:
        """The payee's place in a tree with fifteen others."""
        accounts = [(self.payee, self.operator), *((f"0x{number:040x}", ZERO) for number in range(1, 16))]
        seats = [Seat(to_canonical_address(payee), to_canonical_address(closer), 4) for payee, closer in accounts]
        _, (mine, *_) = grow(FixedCrypto(), seats)
        return Place(self.payee, self.operator, mine.salt, mine.path)

    def _coin(self) -> Contract:
        """A well-behaved ERC-20 of six decimals, with permits and authorisations."""
        made = artefact(COIN.read_text(encoding="utf-8"), "Coin")
        return self.chain.install(bytes.fromhex(made["bytecode"][2:]) + encode(["uint8"], [6]), made["abi"])

    def config(self, place: Place | None = None, **changes: Any) -> Config:
        """A configuration with a salt of its own; `payer`, `signer` or `token` change it."""
        self._salts += 1
        payer, signer = changes.get("payer", self.payer), changes.get("signer", SESSION.address)
        token = changes.get("token", ZERO)
        return (payer, signer, (place or self.only).root, token, DAY, fixed(f"salt {self._salts}"))

    def expiry(self) -> int:
        """Thirty days from now, Unix seconds."""
        return self.chain.now() + 30 * DAY

    def open(self, config: Config, deposit: int = ETHER // 100) -> int:
        """Open it in native coin; returns the gas."""
        return self.channels.send("open", config, self.expiry(), deposit, sender=config[0], value=deposit).gas

    def id(self, config: Config) -> bytes:
        """The channel's id."""
        return bytes(self.channels.call("idOf", config))

    def message(self, config: Config, total: int, payee: str) -> dict[str, Any]:
        """The values of a voucher."""
        return {"channelId": self.id(config), "payee": payee, "cumulative": total}

    def voucher(self, config: Config, total: int, place: Place | None = None) -> Any:
        """The contract's structure `Claim`, signed by the session key."""
        place = place or self.only
        signature = self.signed(SESSION, self.channels, "Voucher", VOUCHER, self.message(config, total, place.payee))
        return (config, total, place.salt, place.proof, signature)

    def voucher_p256(self, config: Config, total: int) -> Any:
        """The same for the only payee, signed as WebCrypto does: over sha256 of the digest."""
        typed = self._typed(self.channels, "Voucher", VOUCHER, self.message(config, total, self.payee))
        digest = keccak(b"\x19" + typed.version + typed.header + typed.body)
        signature = P256_KEY.sign(digest, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(signature)
        return (config, total, NO_SALT, (), r.to_bytes(32, "big") + s.to_bytes(32, "big") + p256_public())

    def packed(self, claim: Any) -> tuple[int, int, int, int, int]:
        """A signed claim of a channel with one payee as `claimPacked` takes it."""
        (payer, signer, _, _, delay, salt), total, _, _, signature = claim
        return (
            int.from_bytes(salt, "big"),
            int(payer, 16) << 96 | delay << 64 | total >> 96,
            int(signer, 16) << 96 | total & (2**96 - 1),
            int.from_bytes(signature[:32], "big"),
            (signature[64] - 27) << 255 | int.from_bytes(signature[32:64], "big"),
        )

    def permit(self, amount: int) -> tuple[int, int, bytes, bytes]:
        """deadline, v, r, s: the holder lets Channels take `amount` of the coin (EIP-2612)."""
        nonce = self.coin.call("nonces", self.holder.address)
        values = (self.holder.address, self.channels.address, amount, nonce, FOREVER)
        message = {name: value for (_, name), value in zip(PERMIT, values, strict=True)}
        return (FOREVER, *_vrs(self.signed(self.holder, self.coin, "Permit", PERMIT, message)))

    def authorization(self, config: Config, expiry: int, amount: int) -> tuple[int, int, int, bytes, bytes]:
        """validAfter, validBefore, v, r, s: the holder pays for just this channel (EIP-3009)."""
        nonce = keccak(encode(["bytes32", "uint256"], [self.id(config), expiry]))
        values = (self.holder.address, self.channels.address, amount, 0, FOREVER, nonce)
        message = {name: value for (_, name), value in zip(AUTHORIZATION, values, strict=True)}
        signature = self.signed(self.holder, self.coin, "ReceiveWithAuthorization", AUTHORIZATION, message)
        return (0, FOREVER, *_vrs(signature))

    def signed(self, key: Any, contract: Contract, name: str, fields: Any, message: dict[str, Any]) -> bytes:
        """r | s | v over a structure in the contract's EIP-712 domain."""
        return bytes(key.sign_message(self._typed(contract, name, fields, message)).signature)

    def _typed(self, contract: Contract, name: str, fields: Any, message: dict[str, Any]) -> Any:
        domain = {
            "name": "Test Coin" if contract is self.coin else "Tallystick Channels",
            "version": "1",
            "chainId": self.chain.chain_id,
            "verifyingContract": contract.address,
        }
        types = {name: [{"type": kind, "name": field} for kind, field in fields]}
        return encode_typed_data(domain_data=domain, message_types=types, message_data=message)


def _vrs(signature: bytes) -> tuple[int, bytes, bytes]:
    return signature[64], signature[:32], signature[32:64]
