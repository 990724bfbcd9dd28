"""One sentence and a next step; a refusal in the wallet is quiet, everything else is a fault."""

from __future__ import annotations

from ..state import DepositPhase, State
from ..tree import Element, Node, h
from ..words import Words
from .parts import button, cross, icon

NEXT = {
    "wrong_chain": ["switch"],
    "provider_gone": ["retry", "open-market", "open-close"],
    "timed_out": ["retry", "open-market"],
    "truncated": ["retry"],
    "tampered": ["retry", "open-market"],
    "handshake_failed": ["retry", "open-market"],
    "overcharged": ["open-market", "open-close"],
    "advance_too_large": ["open-market"],
    "bad_digest": ["open-market", "open-close"],
    "busy": ["retry"],
    "engine_failed": ["retry", "open-market"],
    "draining": ["open-market"],
    "unknown_model": ["open-market"],
    "bad_profile": ["open-market"],
    "unknown_channel": ["retry"],
    "prompt_too_long": ["new-chat"],
    "channel_ended": ["open-deposit"],
    "channel_expiring": ["open-close"],
    "deposit_exhausted": ["open-close"],
    "deposit_too_small": ["open-deposit"],
    "cap_too_small": ["open-close"],
    "rpc_unreachable": ["read-market"],
    "in_use_elsewhere": ["reload"],
    "page_failed": ["reload"],
    "trial_over": ["connect", "open-deposit"],
    "transaction_dropped": ["resend-deposit", "give-up-deposit"],
}
# Not faults but news, in words of their own.
TOLD: dict[str, list[str]] = {
    "chain_busy": [],
    "deposit_ended": ["open-money"],
    "deposit_elsewhere": ["open-money"],
    "wallet_moved": ["use-chain", "switch"],
    "deposit_came": ["open-money"],
    "deposit_found": ["open-money"],
    "chat_deleted": ["undelete-chat"],
    "chat_imported": [],
    "chats_imported": [],
    "deposit_first": ["open-close"],
    "deposit_back_first": ["open-close"],
    "deposit_moving": ["open-money"],
    "import_unreadable": ["pick-import"],
    "file_refused": [],
    "provider_absent": ["open-market"],
    "no_trial": ["connect", "open-deposit"],
    "no_trial_here": ["try-free", "connect", "open-deposit"],
}
LABELS = {
    "connect": "do.connect",
    "try-free": "do.try_free",
    "use-chain": "do.use_chain",
    "resend-deposit": "do.resend",
    "give-up-deposit": "do.leave",
    "open-money": "do.show_money",
    "undelete-chat": "do.undo",
    "pick-import": "do.pick_file",
    "switch": "do.switch",
    "retry": "do.retry",
    "open-market": "do.another",
    "open-close": "do.take_back",
    "open-deposit": "do.deposit",
    "new-chat": "do.new_chat",
    "read-market": "do.retry",
    "reload": "do.reload",
}


def _steps(name: str, state: State) -> list[str]:
    """What can be done next. Another provider is no way out while a deposit is with this one: closing it is."""
    steps = NEXT.get(name, []) + TOLD.get(name, [])
    if not state.deposit.live or name == "unknown_model":  # that one's other models are on the market, too
        return steps
    return list(dict.fromkeys("open-close" if do == "open-market" else do for do in steps))


def notices(state: State, t: Words) -> list[Node]:
    """The one notice that is there, if any."""
    notice = state.notice
    if notice is None:
        return []
    says, step = t.error(notice.name, **dict(notice.values))
    chain = state.site.chain_name if state.site else ""
    steps: list[Element] = []
    for do in _steps(notice.name, state):
        if (do == "connect" and state.connected) or (do == "open-deposit" and not state.connected):
            continue
        if do == "open-close" and state.deposit.phase not in (DepositPhase.OPEN, DepositPhase.REQUESTED):
            continue
        if do in ("resend-deposit", "give-up-deposit") and state.deposit.phase is not DepositPhase.SENT:
            continue
        given = dict(notice.values)
        arg = str(given.get("chain_id", "")) if do == "use-chain" else ""
        label = "do.close" if notice.name == "deposit_first" else LABELS[do]
        steps.append(button(t(label, chain=chain, other=given.get("other", "")), do, arg))
    dismiss = cross("dismiss", t("do.dismiss"))
    return [
        h(
            "div",
            icon("alert"),
            h(
                "div",
                h("span", says, class_="says"),
                " ",
                h("span", step, class_="next"),
                h("div", steps, class_="do") if steps else None,
            ),
            dismiss,
            class_="notice",
            data_kind="quiet" if notice.quiet else "error",
            data_code=notice.name,
            key=notice.name,
        )
    ]
