"""What `contracts.gas` measures: each function makes some transactions and names the gas of their receipts."""

from __future__ import annotations

from typing import Any

from eth_utils.crypto import keccak

from contracts.machine import ETHER, Receipt
from contracts.scene import ZERO, Config, Place, Scene, p256_signer
from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.profile import VERSION, Offer, Profile, registry_domain, sum_bytes

Rows = dict[str, int]
PRICE = ETHER // 1000
COINS = 10**6


def _claim(scene: Scene, claims: list[Any], sender: str, token: str = ZERO) -> int:
    return scene.channels.send("claim", scene.payee, scene.operator, token, claims, sender=sender).gas


def native_rows(scene: Scene) -> Rows:
    """A channel in native coin with one payee, each function by itself."""
    rows: Rows = {}
    channels, payer, payee, operator = scene.channels, scene.payer, scene.payee, scene.operator
    config = scene.config()
    rows["open_native"] = scene.open(config)
    rows["top_up"] = channels.send("topUp", config, 0, PRICE, sender=payer, value=PRICE).gas
    rows["claim_native"] = _claim(scene, [scene.voucher(config, PRICE)], payee)
    rows["claim_native_by_operator"] = _claim(scene, [scene.voucher(config, 2 * PRICE)], operator)
    rows["request_close"] = channels.send("requestClose", config, sender=payer).gas
    own = Place(payee, payee)
    for key, place, closer in (("close_native", scene.only, operator), ("close_native_own", own, payee)):
        config = scene.config(place)
        scene.open(config)
        rows[key] = channels.send("close", payee, scene.voucher(config, PRICE, place), sender=closer).gas
    modern = scene.config(signer=p256_signer())
    scene.open(modern)
    rows["claim_p256"] = _claim(scene, [scene.voucher_p256(modern, PRICE)], payee)
    return rows


def batch_rows(scene: Scene) -> Rows:
    """Many channels of one payee in a transaction, for each of them."""
    ten = _opened(scene, 10)
    rows = {"claim_batch10_each": _claim(scene, [scene.voucher(config, PRICE) for config in ten], scene.payee) // 10}
    for count in (10, 100, 200):
        records = [scene.packed(scene.voucher(config, PRICE)) for config in _opened(scene, count)]
        arguments = (scene.payee, scene.operator, ZERO, records)
        receipt = scene.channels.send("claimPacked", *arguments, sender=scene.payee)
        assert len(receipt.logs) == count, "a record was skipped"
        rows[f"claim_packed{count}_each"] = receipt.gas // count
    return rows


def _opened(scene: Scene, count: int) -> list[Config]:
    configs = [scene.config() for _ in range(count)]
    for config in configs:
        scene.open(config)
    return configs


def token_rows(scene: Scene) -> Rows:
    """Channels in an ERC-20 that Channels held before; the holder signs what a wallet would."""
    rows: Rows = {}
    channels, coin, holder = scene.channels, scene.coin, scene.holder.address
    scene.chain.give(holder, ETHER)
    for account in (holder, scene.payer, scene.payee):
        coin.send("mint", account, 1000 * COINS, sender=scene.payer)

    def config(payer: str = holder) -> Config:
        return scene.config(payer=payer, token=coin.address)

    coin.send("approve", channels.address, 1000 * COINS, sender=scene.payer)
    channels.send("open", config(scene.payer), scene.expiry(), COINS, sender=scene.payer)
    rows["open_erc20"] = channels.send("open", config(scene.payer), scene.expiry(), COINS, sender=scene.payer).gas
    with scene.chain.impersonating():
        for key in ("open_permit_first", "open_permit"):
            paid = config()
            permit = scene.permit(COINS)
            rows[key] = channels.send("openPermit", paid, scene.expiry(), COINS, *permit, sender=holder).gas
        relayed, expiry = config(), scene.expiry()
        authorization = scene.authorization(relayed, expiry, COINS)
        arguments = (relayed, expiry, COINS, *authorization)
        rows["open_3009"] = channels.send("openAuthorized", *arguments, sender=scene.others[0]).gas
        coin.send("approve", channels.address, 1000 * COINS, sender=holder)
        rows["top_up_erc20"] = channels.send("topUp", relayed, 0, COINS, sender=holder).gas
    rows["claim_erc20"] = _claim(scene, [scene.voucher(paid, 1000)], scene.payee, coin.address)
    closing = scene.voucher(paid, 2000)
    rows["close_erc20"] = channels.send("close", scene.payee, closing, sender=scene.operator).gas
    rows["withdraw_erc20"] = _withdraw(scene, relayed).gas
    return rows


def _withdraw(scene: Scene, config: Config) -> Receipt:
    """The payer takes the rest when the expiry has come."""
    word = scene.channels.call("channels", scene.id(config))
    scene.chain.travel(max(word >> 224, scene.chain.now() + 1))
    with scene.chain.impersonating():
        return scene.channels.send("withdraw", config, sender=config[0])


def session_rows(scene: Scene) -> Rows:
    """Whole stories of one user and one provider. However many prompts lie in between, vouchers cost nothing."""
    channels, payee = scene.channels, scene.payee
    ended = scene.config()
    cooperative = scene.open(ended)
    cooperative += channels.send("close", payee, scene.voucher(ended, PRICE), sender=scene.operator).gas
    left = scene.config()
    opened = scene.open(left)
    claimed = _claim(scene, [scene.voucher(left, PRICE)], payee)
    withdrawn = _withdraw(scene, left).gas
    kraft = scene.config(scene.among_16)
    total = scene.open(kraft)
    first, later = (
        _claim(scene, [scene.voucher(kraft, amount, scene.among_16)], payee) for amount in (10**14, 2 * 10**14)
    )
    total += first + _withdraw(scene, kraft).gas
    return {
        "withdraw_native": withdrawn,
        "session_1000_prompts": cooperative,
        "session_uncooperative": opened + claimed + withdrawn,
        "claim_kraft16_first": first,
        "claim_kraft16_later": later,
        "session_kraft": total,
    }


def profile(scene: Scene, offers: int, edition: int = 1, model: str = "llama-3.1-8b") -> bytes:
    """A provider's real profile, encoded and signed by its owner."""
    crypto = NativeCrypto()
    offered = tuple(
        Offer(
            model if number == 0 else f"{model}-{number}",
            "chat",
            sum_bytes(10**11),
            sum_bytes(2 * 10**11 * edition),
            "token",
            2,
            200,
            8192,
            keccak(text=f"manifest {number}"),
        )
        for number in range(offers)
    )
    made = Profile(
        VERSION,
        ("wss://node.example.org",),
        crypto.x25519_public(keccak(text="node key")),
        crypto.secp256k1_address(keccak(text="operator key")),
        keccak(text="payee")[:20],
        (bytes(20),),
        sum_bytes(10**15),
        3600,
        sum_bytes(0),
        sum_bytes(10**13),
        2,
        edition,
        offered,
    )
    domain = registry_domain(scene.chain.chain_id, bytes.fromhex(scene.registry.address[2:]))
    return made.signed(crypto, domain, keccak(text="owner key")).encode()


def registry_rows(scene: Scene) -> Rows:
    """Joining, announcing and leaving; and what a byte of a profile costs, from 290 bytes on and for long ones."""
    registry, (first, second, third, *_) = scene.registry, scene.others
    rows: Rows = {}
    stake = registry.call("minStake")
    registry.send("register", profile(scene, 1), sender=third, value=stake)  # the list's first costs 17,100 more, once
    for suffix, offers, sender in (("", 1, first), ("_10_offers", 10, second)):
        rows[f"profile{suffix or '_1_offer'}_bytes"] = len(profile(scene, offers))
        made = registry.send("register", profile(scene, offers), sender=sender, value=stake)
        rows[f"register{suffix}"] = made.gas
        rows[f"announce{suffix}"] = registry.send("announce", profile(scene, offers, 2), sender=sender).gas
    rows |= _byte_rows(scene, first)
    rows["add_stake"] = registry.send("addStake", sender=first, value=stake).gas
    rows["request_exit"] = registry.send("requestExit", sender=first).gas
    scene.chain.travel(scene.chain.now() + registry.call("exitDelay"))
    rows["exit"] = registry.send("exit", sender=first).gas
    rows["page_1000"] = _page_gas(scene)
    return rows


def _byte_rows(scene: Scene, sender: str) -> Rows:
    """Gas of `announce` by length of the profile, for bytes that are not zero."""

    def announced(length: int) -> int:
        return scene.registry.send("announce", b"\xff" * length, sender=sender).gas

    small, middle, large, largest = (announced(length) for length in (32, 544, 1024, 2048))
    each = (middle - small) // (544 - 32)
    return {
        "announce_base": small - 32 * each,
        "announce_each_byte": each,
        "announce_each_byte_long": (largest - large) // 1024,
    }


def _page_gas(scene: Scene) -> int:
    """`page(0, 1000)` with 1,000 providers, less what every transaction pays."""
    chain, registry = scene.chain, scene.registry
    missing = 1000 - registry.call("count")
    with chain.impersonating():
        for number in range(missing):
            sender = "0x" + keccak(text=f"provider {number}")[:20].hex()
            chain.give(sender, ETHER)
            registry.send("register", bytes([number % 256]), sender=sender, value=ETHER // 1000)
    receipt = chain.transact(scene.payer, registry.address, registry.encode("page", 0, 1000), gas=16_000_000)
    return receipt.gas - 21_000


def size_rows(scene: Scene) -> Rows:
    """Bytes of deployed code (EIP-170 allows 24,576) and gas of the deployments."""
    rows: Rows = {}
    for name, contract in (("channels", scene.channels), ("registry", scene.registry)):
        rows[f"size_{name}_bytes"] = len(scene.chain.code(contract.address))
        rows[f"deploy_{name}"] = contract.receipt.gas
    return rows
