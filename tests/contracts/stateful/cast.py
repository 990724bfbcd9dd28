"""Who and what takes part in the random lives: deployed once for each run, before the first of them."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak

from contracts.machine import Contract, Receipt
from tests.contracts.coins import coin, issue, source
from tests.contracts.signing import P256Key
from tests.contracts.world import SESSION, ZERO, World

PLENTY = 2**116
"""What everyone owns of each token at first, in its smallest unit."""

ACCEPT, REFUSE, CALL_BACK = 0, 1, 2


def person(name: str) -> Any:
    """A wallet's key, so that it can sign permits and authorisations."""
    return Account.from_key(keccak(text=f"tests: {name}"))


class Cast:
    """Three payers and four payees (one of each is a contract that refuses or calls back), tokens, session keys."""

    def __init__(self, world: World) -> None:
        self.world, self.machine = world, world.machine
        self.has_p256 = self.machine.has_p256
        self.coin, self.hostile = coin(world), issue(world, source("Reentrant"), "Reentrant")
        self.tokens = [ZERO, self.coin.address, self.hostile.address]
        self.actors = {actor.address: actor for actor in (world.actor(), world.actor())}
        first, second = self.actors
        self.wallets = {key.address: key for key in map(person, ("first payer", "second payer"))}
        self.payers = [*self.wallets, first]
        self.payees = [*world.crowd[:3], second]
        self.stranger, self.operator = world.second, world.operator
        self.keys = [SESSION, person("another session key"), P256Key("tests: P-256 session key")]
        self.everyone = [*self.payers, *self.payees, self.stranger]
        for key in (*self.wallets.values(), *self.keys[:2]):
            self.machine.adopt(key.address)
        for who in self.everyone:
            for token in (self.coin, self.hostile):
                token.send("mint", who, PLENTY, sender=self.stranger)

    def contract(self, token: str) -> Contract:
        """A token's contract."""
        return self.coin if token == self.coin.address else self.hostile

    def balance(self, token: str, who: str) -> int:
        """What somebody has, in the token's smallest unit."""
        return self.world.balance(who, token)

    def send(self, who: str, contract: Contract, name: str, *values: Any, value: int = 0) -> Receipt:
        """A transaction of anyone's that must succeed; the actors send theirs when a stranger tells them to."""
        if who in self.actors:
            return self.actors[who].send("execute", *self._order(contract, name, values, value), sender=self.stranger)
        return contract.send(name, *values, sender=who, value=value)

    def refusal(self, who: str, contract: Contract, name: str, *values: Any, value: int = 0) -> str:
        """A transaction of anyone's that must fail; returns its reason."""
        if who in self.actors:
            order = self._order(contract, name, values, value)
            return self.actors[who].refusal("execute", *order, sender=self.stranger)
        return contract.refusal(name, *values, sender=who, value=value)

    @staticmethod
    def _order(contract: Contract, name: str, values: tuple[Any, ...], value: int) -> tuple[str, bytes, int]:
        return contract.address, contract.encode(name, *values), value
