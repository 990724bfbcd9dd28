"""What is told before anything is sent, and who agrees to it."""

from __future__ import annotations

import pytest
from typer import Exit

from tallystick_helper.chain.cost import Cost, Market
from tallystick_helper.chain.intent import LIMIT
from tallystick_helper.chain.transaction import Fees
from tallystick_helper.quote import Quote
from tallystick_helper.terminal import Consent, DryRun, fail
from tallystick_shared.errors import Code, LocalError

GWEI = 10**9
PRICES = Market(Fees(3 * GWEI, GWEI), 2 * GWEI)
COST = Cost(100_000, 120_000, PRICES, 10**16)
QUOTE = Quote("Do it.", (COST, COST), "ETH", held=10**18, back=5 * 10**15, notes=("Mind this.",))


def test_it_is_said_with_units() -> None:
    assert QUOTE.lines() == [
        "Do it.",
        "  Fee   at most 0.00072 ETH, likely 0.0004 ETH (240,000 gas at up to 3 gwei)",
        "  Sent  0.02 ETH",
        "  Back  0.005 ETH",
        "  Mind this.",
    ]


def test_where_the_other_side_pays_it_says_so() -> None:
    quote = Quote("Close.", (), "ETH", back=0)
    assert quote.lines() == ["Close.", "  Fee   none: the other side sends the transaction", "  Back  0 ETH"]
    quote.check()


def test_for_scripts() -> None:
    assert QUOTE.values() == {
        "transactions": 2,
        "gas": 240_000,
        "fee_likely": str(400_000 * GWEI),
        "fee_most": str(720_000 * GWEI),
        "fee_limit": str(720_000 * GWEI * LIMIT),
        "value": str(2 * 10**16),
        "back": str(5 * 10**15),
    }


@pytest.mark.parametrize(("spare", "enough"), [(0, True), (-1, False)])
def test_the_balance_must_cover_fee_and_value(spare: int, enough: bool) -> None:
    quote = Quote("Do it.", (COST,), "ETH", held=COST.most + COST.value + spare)
    if enough:
        quote.check()
        return
    with pytest.raises(LocalError) as caught:
        quote.check()
    assert caught.value.code is Code.NOT_ENOUGH_MONEY


@pytest.mark.parametrize("consent", [Consent(yes=True), Consent(as_json=True)])
async def test_yes_and_json_need_nobody(consent: Consent, capsys: pytest.CaptureFixture[str]) -> None:
    await consent(QUOTE)
    said = capsys.readouterr()
    assert said.out == "" and "0.00072 ETH" in said.err


async def test_where_nobody_can_be_asked_nothing_is_agreed_to() -> None:
    with pytest.raises(LocalError) as caught:
        await Consent()(QUOTE)
    assert caught.value.code is Code.NOT_CONFIRMED
    assert not await Consent(yes=True).alone(caught.value)


async def test_a_dry_run_ends_with_the_quote() -> None:
    with pytest.raises(DryRun) as caught:
        await Consent(yes=True, dry_run=True)(QUOTE)
    assert caught.value.quote is QUOTE


def test_a_deposit_in_use_names_no_tab(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit):
        fail(LocalError(Code.IN_USE_ELSEWHERE), as_json=False)
    said = capsys.readouterr().err
    assert "two minutes" in said and "tab" not in said
