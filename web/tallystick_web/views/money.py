"""The money bar: in wallet, in deposit, owed to the provider, coming back. Always these four; each opens its
details.
"""

from __future__ import annotations

from ..figures import Figure, clock_time, money, short_address, short_hash, span
from ..purse.book import ASK_BACK, CLOSE, TOP_UP, Entry
from ..purse.trial import TrialPhase
from ..state import Deposit, DepositPhase, Found, FoundPhase, State, Transit
from ..tree import Children, Element, Node, h
from ..words import Words
from .parts import amount, button, holder_name, provider_name, under_way
from .tally import tally


def money_bar(state: State, t: Words) -> list[Node]:
    """Empty until there is a wallet or a deposit."""
    deposit = state.deposit
    if not state.connected and not deposit.live:
        return trying(state, t)
    balance = _in_wallet(state)
    down = deposit.live and deposit.phase is not DepositPhase.SENT  # until it is in a block the wallet still has it
    held = deposit.amount if down else 0
    parts = [
        _part(t, "wallet", balance),
        _part(t, "deposit", money(held, state.coin) if held else None),
        _part(t, "owed", money(deposit.due, state.coin) if deposit.live else None),
        _part(t, "back", money(deposit.rest, state.coin) if down else None, _when(state, t)),
    ]
    show_tally = down  # what was paid from one that has ended stands in the details
    return [
        h(
            "div",
            h("div", parts, _action(state, t), class_="parts"),
            _stick(state, t) if show_tally else None,
            class_="inner",
            **_figures(deposit),
        )
    ]


def trying(state: State, t: Words) -> list[Node]:
    """In the bar's place while somebody asks without a wallet: that it is free, what is left of it, and the way on."""
    trial = state.trial
    if not state.tells_money:
        return []
    over = trial.phase is TrialPhase.OVER
    again = clock_time(trial.renews, state.now, t, state.offset_minutes)
    said = t("trial.over_bar", time=again) if over else t("trial.bar", left=trial.left)
    name = provider_name(state.chosen) if state.chosen else ""
    words = h("p", h("strong", said), " ", h("span", t("trial.sees_short", provider=name)), class_="said")
    go_on = button(t("do.connect_on"), "connect", kind="close-refund")
    return [h("div", words, go_on, class_="inner trying", data_trial=trial.phase.value, data_left=str(trial.left))]


def _in_wallet(state: State) -> Figure | None:
    """Of the money that the other parts are in; the coin beside a token stands in the details."""
    if state.coin != state.native and state.purse.balance is not None:
        return money(state.purse.balance, state.coin)
    return None if state.wallet.balance is None else money(state.wallet.balance, state.native)


def _figures(deposit: Deposit) -> dict[str, str]:
    """The same for scripts: the coin's smallest unit, and the hashes of the transactions."""
    return {
        "data_phase": deposit.phase.value,
        "data_deposit": str(deposit.amount),
        "data_durable": str(deposit.durable),
        "data_owed": str(deposit.owed),
        "data_open_tx": deposit.open_transaction,
        "data_end_tx": deposit.end_transaction,
        "data_paid": str(deposit.paid),
        "data_refunded": str(deposit.refunded),
    }


def _part(t: Words, name: str, figure: Figure | None, when: str = "") -> Element:
    label, short = f"{t(f'money.{name}')} {when}".strip(), t(f"money.{name}_short")
    return h(
        "button",
        h("span", h("span", label, class_="long"), h("span", short, class_="short"), class_="name"),
        h("span", amount(figure, t) if figure else t("money.nothing"), class_="amount"),
        class_="part" if figure else "part empty",
        type="button",
        data_do="open-money",
        data_arg=name,
        data_part=name,
        aria_haspopup="dialog",
    )


def _when(state: State, t: Words) -> str:
    deposit = state.deposit
    if not deposit.live:
        return ""
    if deposit.phase in (DepositPhase.REQUESTED, DepositPhase.WITHDRAWING):
        if deposit.expiry <= state.now:
            return t("money.now")
        return t("money.at", time=clock_time(deposit.expiry, state.now, t, state.offset_minutes))
    return t("money.on_close")


def _action(state: State, t: Words) -> Element | None:
    phase = state.deposit.phase
    if phase in (DepositPhase.OPEN, DepositPhase.CLOSING, DepositPhase.REQUESTED):
        return button(t("do.close"), "open-close", kind="close-refund")
    if phase is DepositPhase.ENDED and state.connected:
        return button(t("do.new_deposit"), "open-deposit", kind="close-refund")
    if phase is DepositPhase.NONE and state.connected and state.chosen and state.turns:  # the steps are out of sight
        return button(t("do.deposit"), "open-deposit", kind="close-refund")
    return None


def _stick(state: State, t: Words) -> Element:
    count = h("span", t.plural("money.notches", state.deposit.notches), class_="count figure", aria_hidden="true")
    return h("div", tally(state, t), count, class_="tally")


def money_sheet(state: State, t: Words) -> tuple[str, list[Node], list[Node]]:
    """The four parts, each with what it is, where it is and its transactions: (title, body, foot)."""
    deposit = state.deposit
    body: list[Node] = [found_deposit(one, state, t) for one in state.found]
    foot: list[Node] = [button(t("do.ledger"), "open-ledger", kind="quiet")]
    if deposit.phase is DepositPhase.SENT:
        body.append(under_way(deposit.transit, t))
        if deposit.transit in (Transit.SLOW, Transit.DROPPED):
            foot.append(button(t("do.leave"), "give-up-deposit"))
        if deposit.transit is Transit.DROPPED:
            foot.append(button(t("do.resend"), "resend-deposit", kind="primary"))
    parts = {"wallet": _wallet_part, "deposit": _deposit_part, "owed": _owed_part, "back": _back_part}
    names = sorted(parts, key=lambda name: name != state.purse.part)  # what was clicked comes first
    body += [_section(name, parts[name](state, t), state, t) for name in names]
    if deposit.usable:
        foot.append(button(t("do.top_up"), "open-top-up"))
    if _action(state, t) and deposit.live:
        foot.append(button(t("do.close"), "open-close", kind="primary"))
    if deposit.phase in (DepositPhase.NONE, DepositPhase.ENDED) and state.connected:
        foot.append(button(t("do.new_deposit"), "open-deposit", kind="primary"))
    return t("money.title"), body, foot


Rows = list[tuple[str, Children]]


def _section(name: str, rows: Rows, state: State, t: Words) -> Element:
    """One part of the bar. The one that was clicked is marked."""
    chosen = state.purse.part == name
    title = f"{t(f'money.{name}')} {_when(state, t) if name == 'back' else ''}".strip()
    return h(
        "section",
        h("h3", title),
        h("p", _meaning(name, state, t), class_="aside"),
        h("dl", [[h("dt", label), h("dd", value)] for label, value in rows], class_="facts") if rows else None,
        class_="money-part",
        data_part_of=name,
        data_chosen="" if chosen else None,
        key=f"part-{name}",
    )


def _meaning(name: str, state: State, t: Words) -> str:
    """One sentence: where this money is, and how it moves on."""
    deposit = state.deposit
    if name == "wallet":
        return t("money.wallet_is" if state.connected else "money.wallet_not")
    if name == "deposit" and (not deposit.live or deposit.phase is DepositPhase.SENT):
        return t("money.deposit_coming" if deposit.phase is DepositPhase.SENT else "money.deposit_none")
    if name == "back" and deposit.phase is DepositPhase.ENDED:
        return t("money.back_came")
    if name == "back" and deposit.live and not deposit.alone:
        return t("money.back_is", delay=span(deposit.delay, t))
    return t(f"money.{name}_is") if name != "back" else t("money.back_alone" if deposit.live else "money.back_none")


def _wallet_part(state: State, t: Words) -> Rows:
    rows: Rows = []
    if state.site:
        change = button(t("do.change"), "open-chains", kind="link") if len(state.sites) > 1 else None
        rows.append((t("money.network"), [state.site.chain_name, " ", change]))
    if state.connected:
        rows.append((t("money.account"), folded("0x" + state.wallet.account.hex())))
    if state.wallet.balance is not None:
        rows.append((t("money.holds"), t.say(money(state.wallet.balance, state.native, 8))))
    if state.purse.balance is not None and state.coin != state.native:
        rows.append((t("money.holds"), t.say(money(state.purse.balance, state.coin, 8))))
    last = next((entry for entry in reversed(state.book.entries) if _of_wallet(entry, state)), None)
    if last is not None:
        what = f"{t(f'ledger.{last.kind}')}, {t(f'ledger.state_{last.state}')}"
        rows.append((t("money.last"), [what, " ", transaction(state, last.transaction)]))
    return rows


def _of_wallet(entry: Entry, state: State) -> bool:
    here = state.site.chain_id if state.site else 0
    return bool(entry.transaction) and entry.chain_id == here and entry.kind != CLOSE


def _deposit_part(state: State, t: Words) -> Rows:
    deposit, coin = state.deposit, state.coin
    if deposit.phase in (DepositPhase.NONE, DepositPhase.SIGNING):
        return []
    down = deposit.live and deposit.phase is not DepositPhase.SENT
    rows: Rows = [(t("money.holds"), t.say(money(deposit.amount if down else 0, coin, 8)))]
    rows.append((t("money.provider"), f"{holder_name(state)}, {short_address(deposit.provider)}"))
    if deposit.live and deposit.expiry > 1:
        rows.append((t("money.expiry"), clock_time(deposit.expiry, state.now, t, state.offset_minutes)))
    if deposit.open_transaction:
        rows.append((t("money.opened"), transaction(state, deposit.open_transaction)))
    channel = "0x" + deposit.channel_id.hex()
    rows += [
        (t("money.topped_up"), [t.say(money(int(entry.amount), coin, 8)), " ", transaction(state, entry.transaction)])
        for entry in state.book.entries
        if entry.kind == TOP_UP and entry.channel == channel
    ]
    rows.append((t("money.channel"), folded(channel)))
    return rows


def _owed_part(state: State, t: Words) -> Rows:
    deposit, coin = state.deposit, state.coin
    if deposit.phase is DepositPhase.ENDED:
        return [(t("money.paid"), t.say(money(deposit.paid, coin, 8))), *_ended(state, t)]
    if not deposit.live or deposit.phase is DepositPhase.SENT:
        return []
    ahead = deposit.due - deposit.owed
    return [
        (t("money.owed_now"), t.say(money(deposit.owed, coin, 8))),
        *([(t("money.ahead"), t.say(money(ahead, coin, 8)))] if ahead else []),
        (t("money.paid_so_far"), t.say(money(deposit.durable, coin, 8))),
        (t("money.collected"), t("money.collected_says")),
    ]


def _back_part(state: State, t: Words) -> Rows:
    deposit, coin = state.deposit, state.coin
    if deposit.phase is DepositPhase.ENDED:
        return [(t("money.came"), t.say(money(deposit.refunded, coin, 8))), *_ended(state, t)]
    if not deposit.live or deposit.phase is DepositPhase.SENT:
        return []
    rows: Rows = [(t("money.would"), t.say(money(deposit.rest, coin, 8)))]
    channel = "0x" + deposit.channel_id.hex()
    asked = [entry for entry in state.book.entries if entry.kind == ASK_BACK and entry.channel == channel]
    rows += [
        (t("ledger.ask_back"), [t(f"ledger.state_{entry.state}"), " ", transaction(state, entry.transaction)])
        for entry in asked
    ]
    return rows


def _ended(state: State, t: Words) -> Rows:
    ended = state.deposit.end_transaction
    return [(t("money.ended"), transaction(state, ended))] if ended else []


def found_deposit(found: Found, state: State, t: Words) -> Element:
    """Money in a deposit that this browser does not know, and the way to have it back."""
    return h(
        "section",
        h("p", _says(found, state, t), class_="says"),
        _next(found, state, t),
        class_="found",
        data_found=found.channel_id.hex(),
        data_phase=found.phase.value,
        key=f"found-{found.channel_id.hex()}",
    )


def _says(found: Found, state: State, t: Words) -> str:
    left = money(found.left, state.coin, 8)
    if found.phase is FoundPhase.BACK:
        return t("found.back", amount=left)
    if found.phase in (FoundPhase.READY, FoundPhase.WITHDRAWING):
        return t("found.ready", amount=left)
    if found.phase is FoundPhase.REQUESTED:
        return t("found.requested", amount=left, time=clock_time(found.expiry, state.now, t, state.offset_minutes))
    if not found.opened:
        return t("found.undated", amount=left)
    return t("found.dated", amount=left, date=clock_time(found.opened, state.now, t, state.offset_minutes))


def _next(found: Found, state: State, t: Words) -> list[Element]:
    channel = found.channel_id.hex()
    if found.phase is FoundPhase.FOUND:
        more = h("p", t("found.more", delay=span(found.delay, t)), class_="more")
        return [more, h("div", button(t("do.take_found"), "take-back", channel, kind="primary"), class_="do")]
    if found.phase is FoundPhase.REQUESTED:
        return [h("div", button(t("do.withdraw"), "take-rest", channel, disabled=True), class_="do")]
    if found.phase is FoundPhase.READY:
        return [h("div", button(t("do.withdraw"), "take-rest", channel, kind="primary"), class_="do")]
    if found.phase is FoundPhase.BACK:
        if not found.transaction:
            return []
        return [h("dl", h("dt", t("money.ended")), h("dd", transaction(state, found.transaction)), class_="facts")]
    late = found.transit in (Transit.SLOW, Transit.DROPPED)
    leave = h("div", button(t("do.leave"), "leave-found", channel), class_="do")
    return [under_way(found.transit, t), *([leave] if late else [])]


def transaction(state: State, hash_: str) -> Element:
    """A transaction's hash; a link where the chain has an explorer."""
    if state.site and state.site.explorer:
        return h(
            "a",
            short_hash(hash_),
            class_="hash",
            href=f"{state.site.explorer}/tx/{hash_}",
            target="_blank",
            rel="noopener noreferrer",
        )
    return folded(hash_)


def folded(text: str) -> Element:
    """A hash or an address with its middle cut out; a click shows all of it."""
    return h("details", h("summary", short_hash(text)), h("span", text), class_="hash")
