"""Which rows the market shows, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tallystick_web.shop.order import grouped, models, quantisation, score, shown
from tallystick_web.shop.state import Filters, Shop, Sight, Sort, Speed, Standing
from tallystick_web.state import Choice

CHEAP = Choice(b"\x01" * 20, "ws://cheap:1", "org/Small-1B-Q4_K_M", 1000, 3000, 2048)
QUICK = Choice(b"\x02" * 20, "ws://quick:1", "org/Small-1B-Q4_K_M", 1100, 3200, 8192)
FREE = Choice(b"\x03" * 20, "ws://free:1", "org/Tiny-4.0bpw", 0, 0, 512)
BAD = Choice(b"\x04" * 20, fault="bad_profile")
ALL = (BAD, CHEAP, QUICK, FREE)


def names(shop: Shop, choices: tuple[Choice, ...] = ALL) -> str:
    return "".join({CHEAP: "c", QUICK: "q", FREE: "f", BAD: "b"}[choice] for choice in shown(choices, shop))


def shop(**filters: object) -> Shop:
    return Shop(filters=Filters(**filters))  # type: ignore[arg-type]


def seen(standing: Standing) -> Sight:
    return Sight(standing, 1.0)


def test_the_formula_is_the_one_that_is_written_above_the_table() -> None:
    speed = Speed(4, 5000, 20.0, 1.0)
    assert score(CHEAP, speed) == (3000 + 3 * 1000) * (1 + 5 / 10)
    assert score(CHEAP, None) == (3000 + 3 * 1000) * (1 + 3 / 10)
    assert score(CHEAP, Speed(1, None, 0.0, 1.0)) == score(CHEAP, None)


def test_best_first_and_who_cannot_be_used_last() -> None:
    assert names(shop()) == "fcqb"
    quick = replace(shop(), speeds={QUICK.id: Speed(3, 100, 50.0, 1.0)})
    assert names(quick) == "fqcb", "a measured quick one beats a slightly cheaper one without data"


def test_no_data_is_never_the_best_score() -> None:
    measured = replace(shop(), speeds={CHEAP.id: Speed(3, 400, 50.0, 1.0)})
    twin = replace(CHEAP, provider=b"\x09" * 20)
    assert shown((twin, CHEAP), measured) == [CHEAP, twin]


@pytest.mark.parametrize("turned", [False, True])
def test_failing_and_gone_come_last_however_it_is_turned(turned: bool) -> None:
    held = replace(
        shop(turned=turned), sights={FREE.provider: seen(Standing.GONE), CHEAP.provider: seen(Standing.FAILING)}
    )
    assert names(held) == "qcfb"


@pytest.mark.parametrize(
    ("sort", "order"),
    [(Sort.PRICE_IN, "fcq"), (Sort.PRICE_OUT, "fcq"), (Sort.CONTEXT, "qcf"), (Sort.NAME, "cfq")],
)
def test_orders_by_one_column_and_turned(sort: Sort, order: str) -> None:
    assert names(shop(sort=sort)) == order + "b"
    assert names(shop(sort=sort, turned=True)) == order[::-1] + "b"


def test_what_was_measured_comes_before_what_was_not() -> None:
    speeds = {QUICK.id: Speed(1, 900, 10.0, 1.0), CHEAP.id: Speed(1, 300, 5.0, 1.0)}
    assert names(replace(shop(sort=Sort.FIRST), speeds=speeds)) == "cqfb"
    assert names(replace(shop(sort=Sort.SPEED), speeds=speeds)) == "qcfb"


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"text": "small"}, "cq"),
        ({"text": "SMALL quick"}, "q"),
        ({"text": "0x0303"}, "f"),
        ({"text": "4.0bpw"}, "f"),
        ({"text": "nothing such"}, ""),
        ({"model": "org/Tiny-4.0bpw"}, "f"),
        ({"free": True}, "f"),
        ({"ready": True}, "q"),
        ({"tried": True}, "c"),
    ],
)
def test_filters(filters: dict[str, object], left: str) -> None:
    held = replace(
        shop(**filters),
        sights={QUICK.provider: seen(Standing.READY), CHEAP.provider: seen(Standing.BUSY)},
        speeds={CHEAP.id: Speed(1, 300, 5.0, 1.0)},
    )
    assert names(held) == left


def test_a_table_for_each_model() -> None:
    assert [(model, len(rows)) for model, rows in grouped([BAD, FREE, CHEAP, QUICK])] == [
        ("org/Tiny-4.0bpw", 1),
        ("org/Small-1B-Q4_K_M", 2),
        ("", 1),
    ]
    assert models(ALL) == ["org/Small-1B-Q4_K_M", "org/Tiny-4.0bpw"]


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("SmolLM2-135M-Instruct-Q4_1", "Q4_1"),
        ("Llama-3.1-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("org/Qwen3-32B-exl2-4.25bpw", "4.25bpw"),
        ("Mistral-7B-AWQ", "AWQ"),
        ("thing-FP8", "FP8"),
        ("Thing-bf16", "bf16"),
        ("iq2_xs-model", "iq2_xs"),
        ("Llama-3.1-8B", ""),
        ("acq4x", ""),
    ],
)
def test_what_a_name_says_of_the_weights(model: str, named: str) -> None:
    assert quantisation(model) == named
