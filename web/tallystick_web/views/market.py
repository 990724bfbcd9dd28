"""The market: a table for each model, and above it what it is filtered and ordered by.

A thousand rows are cheap because only some are drawn, more as their end comes into sight, and a row whose figures did
not change is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..figures import Coin, money, short_address
from ..shop.order import grouped, models, quantisation, shown
from ..shop.state import Filters, Sight, Sort, Speed, Standing
from ..state import UNREAD, Choice, MarketPhase, State
from ..tree import Children, Element, Node, h
from ..words import Words
from .parts import age, button, provider_name, select, short_model, working

Parts = tuple[str, Sequence[Node], Sequence[Node]]
CHIPS = ("ready", "free", "tried")
COLUMNS = (
    ("provider", Sort.NAME),
    ("read", Sort.PRICE_IN),
    ("written", Sort.PRICE_OUT),
    ("context", Sort.CONTEXT),
    ("weights", None),
    ("first", Sort.FIRST),
    ("speed", Sort.SPEED),
)
BETTER_WHEN_HIGH = (Sort.CONTEXT, Sort.SPEED)


def market(state: State, t: Words) -> Parts:
    """Every provider on chain; those that cannot be used are grey, never hidden."""
    title = t("market.title")
    if not state.connected:
        return title, [h("p", t("market.connect"))], [button(t("do.connect"), "connect", kind="primary")]
    if state.market.phase is not MarketPhase.READ:
        return title, [working(t("market.reading"))], []
    refresh = button(t("do.refresh"), "read-market", kind="quiet")
    if not state.market.choices:
        return title, [h("p", t("market.none"))], [refresh]
    rows = shown(state.market.choices, state.shop)
    drawn = rows[: state.shop.rows]
    tables = [_table(model, group, state, t) for model, group in grouped(drawn)]
    body = [_tools(state, t), _lead(len(rows), state, t), *tables]
    if len(rows) > len(drawn):
        more = t("market.more", count=len(rows) - len(drawn))
        body.append(h("div", button(more, "shop-more"), class_="more-rows", data_seen="shop-more", key="more"))
    return title, body, [h("span", t("market.asking_tells"), class_="aside"), _ask(state, t), refresh]


def _ask(state: State, t: Words) -> Element:
    if state.shop.asking:
        return working(t("market.asking", count=len(state.shop.asking)))
    return button(t("do.ask_shown"), "ask-shown")


def _lead(count: int, state: State, t: Words) -> Element:
    """How many of how many, what is missing, and what the order is made of."""
    filters, total = state.shop.filters, len(state.market.choices)
    counted = t("market.counted", shown=count, total=total)
    order = t(f"market.order_{filters.sort.value}")
    said = [counted, incomplete(state, t), order, t("market.turned") if filters.turned else ""]
    if not count:
        everybody = button(t("do.clear_filters"), "shop-clear", kind="link")
        return h("p", t.plural("market.no_match", total), " ", everybody, class_="lead", role="status", key="lead")
    return h("p", " ".join(part for part in said if part), class_="lead", role="status", key="lead")


def incomplete(state: State, t: Words) -> str:
    """One sentence where something is missing or did not agree; empty where all is as it should be."""
    market = state.market
    if market.missing:
        return t("market.missing", missing=market.missing, count=market.count)
    return t("market.wrong") if market.wrong else ""


# -- filters


def _tools(state: State, t: Words) -> Element:
    filters = state.shop.filters
    search = h(
        "input",
        id="shop-text",
        type="search",
        value=filters.text,
        placeholder=t("market.search"),
        aria_label=t("market.search"),
        autocomplete="off",
        spellcheck="false",
        data_input="shop-text",
    )
    chips = [_chip(name, filters, t) for name in CHIPS]
    return h(
        "div",
        search,
        select("shop-model", t("market.model"), filters.model, _models(state, t)),
        select("shop-sort", t("market.sort"), filters.sort.value, _sorts(t)),
        h("div", chips, class_="chips", role="group", aria_label=t("market.filters")),
        class_="tools",
        key="tools",
    )


def _chip(name: str, filters: Filters, t: Words) -> Element:
    pressed = "true" if getattr(filters, name) else "false"
    label = t(f"market.only_{name}")
    return h("button", label, class_="chip", type="button", data_do=f"shop-{name}", aria_pressed=pressed)


def _models(state: State, t: Words) -> list[tuple[str, str]]:
    found = models(state.market.choices)
    held = state.shop.filters.model
    extra = [held] if held and held not in found else []
    return [("", t("market.every_model")), *((model, model.rsplit("/", 1)[-1]) for model in [*found, *extra])]


def _sorts(t: Words) -> list[tuple[str, str]]:
    return [(sort.value, t(f"market.by_{sort.value}")) for sort in Sort]


# -- rows


def _table(model: str, group: list[Choice], state: State, t: Words) -> Element:
    """One model's providers; those that cannot be used have no model."""
    name = model.rsplit("/", 1)[-1] if model else t("market.unusable")
    per = t("market.per", symbol=state.coin.symbol) if model else ""
    rows = [_row_of(choice, state, t) for choice in group]
    return h(
        "section",
        h("h3", h("span", name, title=model or None), _demo(state, t) if model else None, _per(per), class_="model"),
        h(
            "table",
            h("caption", f"{name}. {per}", class_="visually-hidden"),
            _head(state.shop.filters, per, t) if model else None,
            h("tbody", rows, role="rowgroup"),
            class_="offers" if model else "offers unusable",
            role="table",
        ),
        class_="group",
        key=f"group-{model}",
    )


def _per(per: str) -> Element | None:
    return h("span", per, class_="per") if per else None


def _demo(state: State, t: Words) -> Children:
    return [" ", h("span", t("market.demo"), class_="tag")] if state.site and state.site.demo else None


def _head(filters: Filters, per: str, t: Words) -> Element:
    cells = [_column(name, sort, filters, per, t) for name, sort in COLUMNS]
    last = h("th", h("span", t("do.choose_short"), class_="visually-hidden"), role="columnheader", scope="col")
    return h("thead", h("tr", cells, last, role="row"), role="rowgroup")


def _column(name: str, sort: Sort | None, filters: Filters, per: str, t: Words) -> Element:
    label = t(f"market.column_{name}")
    if sort is None:
        return h("th", label, role="columnheader", scope="col", data_column=name)
    direction = None
    if filters.sort is sort:
        direction = "descending" if (sort in BETTER_WHEN_HIGH) is not filters.turned else "ascending"
    title = per if sort in (Sort.PRICE_IN, Sort.PRICE_OUT) else None
    head = h("button", label, type="button", data_do="shop-sort", data_arg=sort.value, title=title, class_="sorter")
    return h("th", head, role="columnheader", scope="col", aria_sort=direction, data_column=name)


def _row_of(choice: Choice, state: State, t: Words) -> Element:
    if choice.fault:
        return _unusable(choice, t)
    shop = state.shop
    sight, speed = shop.sights.get(choice.provider), shop.speeds.get(choice.id)
    pressed = state.chosen is not None and state.chosen.id == choice.id
    ages = age(sight.at, state.now, t) if sight else "", age(speed.at, state.now, t) if speed else ""
    return _row(choice, sight, speed, ages, pressed, choice.provider in shop.asking, state.coin, t)


def _unusable(choice: Choice, t: Words) -> Element:
    says = t("market.unread") if choice.fault == UNREAD else t.error(choice.fault)[0]
    who = h("span", h("span", short_address(choice.provider), class_="hash"), h("span", says, class_="sub"))
    cell = h("th", h("span", dot(Standing.GONE), who, class_="offer-who"), role="rowheader", scope="row")
    return h("tr", cell, role="row", class_="offer", aria_disabled="true", key=f"bad-{choice.provider.hex()}")


def dot(standing: Standing) -> Element:
    """Its colour; the word stands beside it."""
    return h("span", class_="dot", data_state=standing.value, aria_hidden="true")


@lru_cache(maxsize=4096)
def _row(
    choice: Choice,
    sight: Sight | None,
    speed: Speed | None,
    ages: tuple[str, str],
    pressed: bool,
    asking: bool,
    coin: Coin,
    t: Words,
) -> Element:
    name = provider_name(choice)
    unknown = h("span", t("market.no_data"), class_="none")
    samples = t.plural("market.samples", speed.samples, age=ages[1]) if speed else None
    waited = speed.first_ms if speed else None
    first = t("market.seconds", seconds=t.decimal(waited / 1000, 1)) if waited is not None else ""
    rate = t("market.rate", rate=t.decimal(speed.per_second)) if speed and speed.per_second else ""
    return h(
        "tr",
        h("th", _who(choice, name, sight, ages[0], asking, t), role="rowheader", scope="row"),
        _cell("read", price(choice.price_in, coin, t), t),
        _cell("written", price(choice.price_out, coin, t), t),
        _cell("context", t.say(choice.context) if choice.context else t("market.unstated"), t),
        _cell("weights", quantisation(choice.model) or h("span", t("market.unstated"), class_="none"), t),
        _cell("first", [h("span", first), h("span", samples, class_="sub")] if first else unknown, t),
        _cell("speed", rate or unknown, t),
        h("td", _pick(choice, name, pressed, t), role="cell", class_="pick"),
        role="row",
        class_="offer",
        data_offer=choice.id,
        aria_selected="true" if pressed else None,
        key=choice.id,
    )


def _who(choice: Choice, name: str, sight: Sight | None, seen: str, asking: bool, t: Words) -> Element:
    standing = sight.standing if sight else Standing.UNASKED
    said = t("market.asking_one") if asking else t(f"standing.{standing.value}")
    standing_now = f"{said}, {seen}" if seen and not asking else said
    more = f"{standing_now} · {short_address(choice.provider)}"
    return h(
        "button",
        h("span", class_="spinner", aria_hidden="true") if asking else dot(standing),
        h("span", h("span", name, class_="title"), h("span", more, class_="sub")),
        class_="offer-who",
        type="button",
        data_do="open-provider",
        data_arg=choice.id,
        aria_haspopup="dialog",
    )


def _cell(name: str, content: Children, t: Words) -> Element:
    label = h("span", t(f"market.column_{name}"), class_="cell-label", aria_hidden="true")
    return h("td", label, h("span", content, class_="value figure"), role="cell", data_column=name)


def _pick(choice: Choice, name: str, pressed: bool, t: Words) -> Element:
    label = t("market.chosen" if pressed else "do.choose_short")
    return h(
        "button",
        label,
        class_="button choose",
        type="button",
        data_do="choose",
        data_arg=choice.id,
        aria_pressed="true" if pressed else "false",
        aria_label=t("market.choose_label", do=label, provider=name, model=short_model(choice)),
    )


def price(amount: int, coin: Coin, t: Words) -> str:
    """Of 1,000,000 units."""
    return t.say(money(amount, coin, 3)) if amount else t("market.free")
