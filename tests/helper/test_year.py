"""A year of simulated life: every voucher ends claimed, or was weighed and found not worth its gas at every chance."""

from __future__ import annotations

import pytest

from tallystick_shared.messages import amount_int

from .world import ETHER, World
from .year import PAYEE, Year

SHORT, LONG = 100, 1000


async def books(year: Year) -> dict[str, int]:
    """What the ledger says that was paid, what the chain says, what the payee has, what is left in the contract,
    what the operator spent and what its receipts say.
    """
    rows = await year.ledger.run(
        lambda db: db.execute("SELECT hash, paid FROM claims WHERE block IS NOT NULL").fetchall()
    )
    logs = await year.channels.logs(year.world.rpc, 0, "latest")
    spent = 0
    for transaction, _ in rows:
        receipt = await year.till._sender.receipt(transaction)
        assert receipt is not None
        spent += receipt.gas_used * receipt.gas_price
    return {
        "ledger": sum(amount_int(paid) for _, paid in rows),
        "chain": sum(log.values["paid"] for log in logs if log.name in ("Claimed", "Closed")),
        "payee": await year.world.balance(PAYEE),
        "contract": await year.world.balance(year.channels.address),
        "spent": 1000 * ETHER - await year.world.balance(year.operator),
        "receipts": spent,
        "transactions": len(rows),
    }


@pytest.mark.timeout(3600)
async def test_a_year_of_channels_ends_with_every_voucher_claimed_or_not_worth_its_gas(
    world: World, full: bool
) -> None:
    year = Year(world, LONG if full else SHORT, seed=20261124)
    await year.live()
    found = await books(year)
    print(dict(year.seen), found)
    assert all(tab.over for tab in year.tabs) and len(year.tabs) == year.count
    assert await year.ledger.unmined() == []
    assert found["ledger"] == found["chain"] == found["payee"] > 0
    assert found["spent"] == found["receipts"] and found["contract"] == 0
    year.ledger.close()
