"""Figures for people: exact amounts, dates with their distance, and tables that a pipe can cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tallystick_helper.shown import (
    print_sheet,
    print_table,
    short,
    show_amount,
    show_fee,
    show_gwei,
    show_moment,
    show_span,
)

NOW = 1_800_000_000
ADDRESS = "0x" + "ab" * 20


def shown(terminal: bool, rows: list[list[str]]) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    print_table(console, ("id", "rest"), rows)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (7200, "2 hours"),
        (86400 * 6, "6 days"),
    ],
)
def test_spans(seconds: int, words: str) -> None:
    assert show_span(seconds) == words


def test_moments() -> None:
    assert show_moment(NOW + 90000, NOW) == "2027-01-16 09:00 UTC (in 1 day)"
    assert show_moment(NOW - 7200, NOW).endswith("(2 hours ago)")
    assert show_moment(NOW, NOW).endswith("(now)")


def test_amounts_are_exact() -> None:
    assert show_amount(123456789 * 10**10, "ETH") == "1.23456789 ETH"
    assert show_gwei(2_764_556_518) == "2.764556518 gwei" and show_gwei(10**9) == "1 gwei"


def test_a_fee_is_rounded_up_to_four_digits() -> None:
    assert show_fee(51_499_000_123_456_789, "ETH") == "0.0515 ETH"
    assert show_fee(1_234_000_000_000_001, "ETH") == "0.001235 ETH"
    assert show_fee(0, "ETH") == "0 ETH"
    assert show_fee(999, "ETH") == "0.000000000000000999 ETH"


def test_a_pipe_gets_whole_cells_with_tabs_between() -> None:
    text = shown(False, [[ADDRESS, "1 ETH"], ["two\twords", "[red]2[/red]"]])
    assert text == f"ID\tREST\n{ADDRESS}\t1 ETH\ntwo words\t[red]2[/red]\n"


def test_a_terminal_gets_short_ids_and_nothing_that_it_would_obey() -> None:
    text = shown(True, [[ADDRESS, "\x1b[2Jgone"], ["name", "[red]2[/red]"]])
    assert short(ADDRESS) in text and ADDRESS not in text
    assert "\x1b[2J" not in text and "[red]2[/red]" in text


def test_a_sheet() -> None:
    console = Console(file=io.StringIO(), width=120)
    print_sheet(console, [("id", ADDRESS), ("state", "open\nuntil")])
    assert console.file.getvalue() == f"id\t{ADDRESS}\nstate\topen until\n"  # type: ignore[attr-defined]
