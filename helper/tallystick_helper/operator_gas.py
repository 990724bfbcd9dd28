"""The node's own key and the coins it pays gas with: how much it holds, for how many claims, and how much to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick_shared.crypto import Crypto
from tallystick_shared.evm.rpc import Rpc, to_hex, to_int

from .chain.cost import market
from .keys import KeyStore
from .registering import CLAIM_GAS
from .settings import Settings

GOOD_CLAIMS = 20
"""So many claims' gas: with less, somebody should send the operator coins soon."""


@dataclass(frozen=True)
class OperatorGas:
    """Amounts in wei: what it holds, what one claim costs today, what it should be filled up to."""

    operator: bytes
    held: int
    claim: int
    wanted: int

    @property
    def claims(self) -> int:
        """How many it can pay for."""
        return self.held // self.claim if self.claim else GOOD_CLAIMS

    @property
    def missing(self) -> int:
        """What to send; 0 while half of what is wanted is there."""
        return 0 if self.held >= self.wanted // 2 else self.wanted - self.held

    def values(self) -> dict[str, Any]:
        """For `--json`: amounts as decimal text."""
        sums = {"held": str(self.held), "claim": str(self.claim), "send": str(self.missing)}
        return {"operator": to_hex(self.operator), **sums, "claims": self.claims}


async def operator_gas(settings: Settings, crypto: Crypto, rpc: Rpc) -> OperatorGas:
    """Of the key that is kept here; it is made where there is none yet. Raises LocalError BAD_KEY_FILE,
    RPC_UNREACHABLE.
    """
    operator = crypto.secp256k1_address(KeyStore(settings.data_dir).operator().reveal())
    held = to_int(await rpc.request("eth_getBalance", [to_hex(operator), "latest"]))
    claim = CLAIM_GAS * (await market(rpc)).likely
    return OperatorGas(operator, held, claim, settings.money.gas)
