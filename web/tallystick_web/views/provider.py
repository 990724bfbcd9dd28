"""A provider's own sheet: what it can see, how it is now, what it takes, and what was measured from here."""

from __future__ import annotations

from collections.abc import Sequence

from ..figures import clock_time, money, short_address, span
from ..shop.order import quantisation
from ..shop.state import Sight, Speed, Standing
from ..state import UNREAD, Choice, State
from ..tree import Children, Element, Node, h
from ..words import Words
from .market import dot, price
from .money import folded
from .parts import age, button, provider_name, short_model, working

Parts = tuple[str, Sequence[Node], Sequence[Node]]
Rows = list[tuple[str, Children]]
SEES = ("sees_questions", "sees_account", "sees_address", "sees_not")
KIB = 1024


def provider(state: State, t: Words) -> Parts:
    """The sheet of the choice that was opened."""
    choice = next((choice for choice in state.market.choices if choice.id == state.shop.shown), None)
    back = button(t("do.back_to_market"), "open-market", kind="quiet")
    if choice is None:
        return t("provider.title"), [h("p", t("provider.missing"))], [back]
    if choice.fault:
        says = t("market.unread") if choice.fault == UNREAD else " ".join(t.error(choice.fault))
        return short_address(choice.provider), [h("p", says)], [back]
    sight, speed = state.shop.sights.get(choice.provider), state.shop.speeds.get(choice.id)
    body: list[Node] = [
        h("p", t("provider.lead", model=choice.model), class_="lead"),
        _standing(choice, sight, state, t),
        _section(t("provider.costs"), _facts(_costs(choice, state, t))),
        _section(t("provider.sees"), h("ul", [h("li", t(f"provider.{name}")) for name in SEES], class_="sees")),
        _section(t("provider.gives"), _facts(_gives(choice, sight, t))),
        _section(t("provider.measured"), _measured(sight, speed, state, t)),
        _section(t("provider.where"), _facts(_where(choice, t))),
    ]
    pressed = state.chosen is not None and state.chosen.id == choice.id
    label = t("market.chosen") if pressed else t("provider.choose", model=short_model(choice))
    choose = button(label, "choose", choice.id, kind="primary")
    return provider_name(choice), body, [back, choose]


def _section(title: str, *content: Children) -> Element:
    return h("section", h("h3", title), *content, class_="about")


def _facts(rows: Rows) -> Element:
    return h("dl", [[h("dt", name), h("dd", value)] for name, value in rows], class_="facts")


def _standing(choice: Choice, sight: Sight | None, state: State, t: Words) -> Element:
    """How it is, since when that is known, and the way to know it better."""
    if choice.provider in state.shop.asking:
        return h("div", working(t("market.asking_one")), class_="standing", data_standing="asking")
    standing = sight.standing if sight else Standing.UNASKED
    words = [t(f"standing.{standing.value}_says")]
    if sight is not None:
        words = [t(f"standing.{standing.value}_says"), _load(sight, t), _fault(sight, t)]
        words.append(t("provider.asked", age=age(sight.at, state.now, t)))
    return h(
        "div",
        dot(standing),
        h("p", " ".join(word for word in words if word)),
        button(t("do.ask_again" if sight else "do.ask_now"), "ask-provider", choice.provider.hex()),
        class_="standing",
        data_standing=standing.value,
    )


def _load(sight: Sight, t: Words) -> str:
    """Places and queue, as its advert says."""
    if not sight.slots:
        return ""
    load = t("provider.load", running=sight.running, slots=sight.slots)
    return f"{load} {t.plural('provider.waiting', sight.waiting)}" if sight.queue or sight.waiting else load


def _fault(sight: Sight, t: Words) -> str:
    return t.error(sight.fault)[0] if sight.fault and sight.standing is Standing.FAILING else ""


def _costs(choice: Choice, state: State, t: Words) -> Rows:
    coin = state.coin
    rows: Rows = [
        (t("provider.price_in"), price(choice.price_in, coin, t)),
        (t("provider.price_out"), price(choice.price_out, coin, t)),
        (t("provider.minimum"), t.say(money(choice.minimum, coin)) if choice.minimum else t("provider.no_minimum")),
    ]
    if choice.first:
        rows.append((t("provider.first_payment"), t("provider.first_says", amount=money(choice.first, coin))))
    rows += [
        (t("provider.window"), t("provider.window_says", amount=money(choice.window, coin))),
        (t("provider.delay"), span(choice.delay, t)),
    ]
    return rows


def _gives(choice: Choice, sight: Sight | None, t: Words) -> Rows:
    context = t("provider.tokens", count=choice.context) if choice.context else t("market.unstated")
    longest = t("provider.output_says", count=choice.context) if choice.context else t("market.unstated")
    named = quantisation(choice.model)
    rows: Rows = [
        (t("provider.context"), context),
        (t("provider.output"), longest),
        (t("provider.weights"), t("provider.weights_says", name=named) if named else t("market.unstated")),
        (t("provider.takes"), t("provider.takes_text")),
    ]
    if sight is not None and sight.max_input:
        rows += [
            (t("provider.max_input"), t("provider.kib", count=sight.max_input // KIB)),
            (t("provider.streams"), t.say(sight.streams)),
            (t("provider.session"), span(sight.session, t)),
        ]
    return rows


def _measured(sight: Sight | None, speed: Speed | None, state: State, t: Words) -> Element:
    """From this browser alone."""
    rows: Rows = []
    if sight is not None and sight.round_ms is not None:
        rows.append((t("provider.round"), t("provider.milliseconds", count=sight.round_ms)))
    if sight is not None:
        rows.append((t("provider.reach"), t("provider.reach_says", answered=sight.answered, asked=sight.asked)))
    if speed is None:
        rows.append((t("provider.answers"), t("market.no_data")))
        return h("div", _facts(rows))
    if speed.first_ms is not None:
        rows.append((t("provider.first_word"), t("market.seconds", seconds=t.decimal(speed.first_ms / 1000, 1))))
    rows.append((t("provider.rate"), t("market.rate", rate=t.decimal(speed.per_second))))
    at = clock_time(speed.at, state.now, t, state.offset_minutes)
    return h("div", _facts(rows), h("p", t.plural("provider.from_samples", speed.samples, time=at), class_="aside"))


def _where(choice: Choice, t: Words) -> Rows:
    return [
        (t("provider.endpoint"), choice.endpoint),
        (t("provider.address"), folded("0x" + choice.provider.hex())),
    ]
