"""What came in: sums, bars by day, a table by model and device, what is still to be claimed."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from ...tree import Children, Node, h
from ...views.parts import button
from ...words import Words
from ..state import State
from .charts import bars
from .pieces import ZERO, hashed, headline, none, pairs, panel, said_sum, sum_of, summed, table

SPANS = (7, 30, 90)
SUMS = ("today", "yesterday", "week", "month")


def view(state: State, t: Words) -> list[Node]:
    found = state.of("earnings")
    spans = [
        h("button", t("console.earnings.days", count=days), type="button", data_do="days", data_arg=str(days),
          aria_pressed="true" if state.days == days else "false")
        for days in SPANS
    ]  # fmt: skip
    title = headline(t("console.tab.earnings"), h("div", spans, class_="segments", role="group",
                     aria_label=t("console.earnings.span")), button(t("console.earnings.csv"), "csv"))  # fmt: skip
    if not found:
        return [title, none(t("console.reading"))]
    return [title, *sums(state, t), h("div", by_day(state, t), by_model(state, t), claims(state, t), paid(state, t),
                                      class_="panels earnings")]  # fmt: skip


def sums(state: State, t: Words) -> list[Node]:
    """Today, yesterday, a week, a month; one row for each chain's coin or token."""
    found = state.of("earnings")
    nothing = {"chain": "", "token": ZERO, **dict.fromkeys(SUMS, "0")}
    held = found.get("sums") or [nothing]
    rows: list[Node] = []
    for one in held:
        symbol = found.get("symbols", {}).get(one["chain"], "")
        cells = [summed(t(f"console.earnings.{name}"), sum_of(one[name], one["token"], symbol, t)) for name in SUMS]
        rows.append(h("div", cells, class_="sums", key=one["chain"] + one["token"]))
    return rows


def _days(found: dict[str, Any]) -> list[str]:
    last = date.fromisoformat(found["today"])
    return [(last - timedelta(days=back)).isoformat() for back in range(found["days"] - 1, -1, -1)]


def _tokens(found: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted({(row["chain"], row["token"]) for row in found["rows"]})


def by_day(state: State, t: Words) -> list[Node]:
    """A bar for each day, in each coin or token."""
    found = state.of("earnings")
    title = t("console.earnings.by_day")
    if not found["rows"]:
        return [panel(title, none(t("console.earnings.none")), wide=True)]
    pictures: list[Node] = []
    for chain, token in _tokens(found):
        symbol, total = found["symbols"].get(chain, ""), defaultdict[str, int](int)
        for row in found["rows"]:
            if (row["chain"], row["token"]) == (chain, token):
                total[row["day"]] += int(row["amount"])
        days = _days(found)
        said = [(f"{day}: {said_sum(str(total[day]), token, symbol, t)}", total[day]) for day in days]
        whole = said_sum(str(sum(total.values())), token, symbol, t)
        axis = h("div", h("span", days[0]), h("span", days[-1]), class_="axis")
        label = t("console.earnings.chart", sum=whole, first=days[0], last=days[-1])
        pictures.append(h("div", bars(said, label), axis, class_="figure-of", key=chain + token))
    return [panel(title, pictures, wide=True)]


def by_model(state: State, t: Words) -> Node:
    """A line for each model and device, the best first."""
    found = state.of("earnings")
    title = t("console.earnings.by_model")
    totals: dict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in found["rows"]:
        one = totals[row["model"], row["device"], row["chain"], row["token"]]
        one[0] += row["requests"]
        one[1] += row["output_units"]
        one[2] += int(row["amount"])
    if not totals:
        return panel(title, none(t("console.earnings.none")))
    heads = [(t(f"console.earnings.{name}"), figures) for name, figures in (
        ("model", False), ("device", False), ("requests", True), ("units", True), ("earned", True))]  # fmt: skip
    rows: list[list[Children]] = [
        [model, h("span", device, class_="quiet"), t.say(one[0]), t.say(one[1]),
         said_sum(str(one[2]), token, found["symbols"].get(chain, ""), t)]
        for (model, device, chain, token), one in sorted(totals.items(), key=lambda entry: -entry[1][2])
    ]  # fmt: skip
    return panel(title, table(title, heads, rows))


def claims(state: State, t: Words) -> list[Node]:
    """You get X, gas Y, worth it from Z; what waits for it."""
    parts = []
    for name, one in state.of("claims").get("chains", {}).items():
        title = t("console.claims.title")
        more = h("span", name, class_="aside") if name else None
        content = [_claim(claim, name, one["symbol"], state, t) for claim in one["next"]]
        parts.append(panel(title, content or none(t("console.claims.none")), _vouchers(one, t), more=more))
    return list(parts)


def _claim(claim: dict[str, Any], chain: str, symbol: str, state: State, t: Words) -> Node:
    if "error" in claim:
        return none(t("console.claims.unknown", reason=claim["error"]))
    token = claim["token"]
    rows: list[tuple[str, Children]] = [
        (t("console.claims.get"), sum_of(claim["pays"], token, symbol, t)),
        (t("console.claims.gas"), sum_of(claim["fee"], ZERO, symbol, t)),
    ]
    if claim["worth_from"] is not None:
        rows.append((t("console.claims.worth"), sum_of(claim["worth_from"], token, symbol, t)))
    rows.append((t("console.claims.itself"), sum_of(claim["threshold"], token, symbol, t)))
    pays = claim["worth"] is not False
    act = button(t("console.claims.now"), "claim", chain, disabled=not pays or "claim" in state.busy)
    why = None if pays else h("p", t("console.claims.not_yet"), class_="aside")
    return h("div", pairs(rows), why, h("div", act, class_="choices"), class_="claim", key=token)


def _vouchers(one: dict[str, Any], t: Words) -> Node | None:
    if not one["vouchers"]:
        return None
    heads = [(t(f"console.claims.{name}"), name != "deposit") for name in ("deposit", "unclaimed", "until")]
    rows: list[list[Children]] = []
    for voucher in one["vouchers"][:20]:
        ends = date.fromtimestamp(voucher["expiry"]).isoformat()
        last = t("console.claims.closing", day=ends) if voucher["closing"] else ends
        amount = said_sum(voucher["unclaimed"], voucher["token"], one["symbol"], t)
        rows.append([hashed(voucher["channel"]), amount, last])
    return table(t("console.claims.vouchers"), heads, rows)


def paid(state: State, t: Words) -> Node:
    """What claims brought."""
    found = state.of("earnings")
    title = t("console.earnings.paid")
    if not found["paid"]:
        return panel(title, none(t("console.earnings.paid_none")))
    heads = [(t(f"console.earnings.{name}"), name == "got") for name in ("day", "transaction", "got")]
    rows: list[list[Children]] = [
        [one["day"], hashed(one["transaction"]),
         said_sum(one["amount"], one["token"], found["symbols"].get(one["chain"], ""), t)]
        for one in reversed(found["paid"][-20:])
    ]  # fmt: skip
    return panel(title, table(title, heads, rows))
