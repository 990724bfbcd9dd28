"""A ChatGPT export (`conversations.json`): each conversation is a `mapping` of nodes with `parent` and `children`, one
of which is the `current_node`. Its shape is not published; what is not known here is left out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from .exchange import NotReadable
from .model import Attached, Chat, Turn, TurnState

ROLES = ("user", "assistant")


def looks_like(data: Any) -> bool:
    return isinstance(data, list) and any(isinstance(one, dict) and "mapping" in one for one in data)


def from_chatgpt(text: str) -> list[Chat]:
    """Raises NotReadable. The same conversation has the same id each time: importing twice changes nothing."""
    try:
        data = json.loads(text)
    except ValueError:
        raise NotReadable from None
    if not looks_like(data):
        raise NotReadable
    chats = [_chat(one) for one in data if isinstance(one, dict) and isinstance(one.get("mapping"), dict)]
    return [chat for chat in chats if chat.turns]


def _chat(data: dict[str, Any]) -> Chat:
    mapping: dict[str, Any] = data["mapping"]
    turns: list[Turn] = []
    ids: dict[str, int] = {}
    children: dict[str | None, list[str]] = {}
    for name, node in mapping.items():
        if isinstance(node, dict):
            parent = node.get("parent")
            children.setdefault(parent if parent in mapping else None, []).append(name)
    waiting: list[tuple[str, int]] = [(name, 0) for name in reversed(children.get(None, []))]
    seen: set[str] = set()
    while waiting:
        name, parent = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        turn = _turn(len(turns) + 1, parent, mapping[name].get("message"))
        if turn is not None:
            turns.append(turn)
        ids[name] = turn.id if turn else parent
        waiting += [(child, ids[name]) for child in reversed(children.get(name, []))]
    known = str(data.get("conversation_id") or data.get("id") or data.get("title")) + str(data.get("create_time"))
    made, changed = _seconds(data.get("create_time")), _seconds(data.get("update_time"))
    name, title = hashlib.sha256(known.encode()).hexdigest()[:16], str(data.get("title") or "")
    chat = Chat(name, title, made=made, changed=changed or made, turns=tuple(turns))
    return replace(chat, picks=_picks(chat, ids, data))


def _picks(chat: Chat, ids: dict[str, int], data: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """The branch that was shown."""
    turn = chat.turn(ids.get(str(data.get("current_node")), 0))
    way = [*chat.before(turn), turn] if turn else []
    return tuple((one.parent, one.id) for one in way)


def _turn(turn_id: int, parent: int, message: Any) -> Turn | None:
    """None for what nobody saw: system messages, tools, hidden context."""
    if not isinstance(message, dict):
        return None
    role = (message.get("author") or {}).get("role")
    meta = message.get("metadata") or {}
    if role not in ROLES or meta.get("is_visually_hidden_from_conversation"):
        return None
    text = _text(message.get("content") or {})
    if not text.strip():
        return None
    files = tuple(
        Attached(str(one.get("name") or "file"), "") for one in meta.get("attachments") or [] if isinstance(one, dict)
    )
    who = str(meta.get("model_slug") or "ChatGPT") if role == "assistant" else ""
    state = TurnState.SENT if role == "user" else TurnState.DONE
    return Turn(turn_id, role, text, state, who, None, parent, files, "", _seconds(message.get("create_time")))


def _text(content: dict[str, Any]) -> str:
    kind = content.get("content_type")
    if kind in ("text", "multimodal_text"):
        return "\n\n".join(part for part in content.get("parts") or [] if isinstance(part, str) and part)
    if kind == "code":
        return f"```\n{content.get('text') or ''}\n```"
    return ""


def _seconds(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
