"""Chat templates of model folders: Jinja by somebody else, so it runs in a sandbox that can change nothing.

What such a template may use is what `transformers` gives it: loop controls, `raise_exception`, `strftime_now`, and
`tojson` without the HTML escapes of Jinja's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tallystick_shared.errors import Code, LocalError


class ChatTemplate:
    """A template with the special tokens that it may name. Raises LocalError BAD_SETTINGS where it is no Jinja."""

    def __init__(self, source: str, tokens: dict[str, str]) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"], autoescape=False
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = _now
        self._tokens = tokens
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise LocalError(Code.BAD_SETTINGS, reason=f"the chat template is not valid: {error}"[:200]) from error

    def render(self, messages: Sequence[tuple[str, str]], **more: Any) -> str:
        """The prompt of a conversation, oldest message first as (role, content), up to where the answer begins.

        Raises LocalError BAD_REQUEST where the template refuses the conversation, as many do with two turns of one
        role in a row. Its message is not passed on: it may quote the prompt.
        """
        return self.render_turns([{"role": role, "content": content} for role, content in messages], **more)

    def render_turns(self, turns: Sequence[dict[str, Any]], **more: Any) -> str:
        """The same for turns in OpenAI's shape."""
        try:
            return self._template.render(messages=turns, add_generation_prompt=True, **self._tokens, **more)
        except Exception as error:  # a program by somebody else raises what it likes
            reason = "the model's chat template refuses this conversation"
            raise LocalError(Code.BAD_REQUEST, reason=reason, kind=type(error).__name__) from None


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str = "") -> NoReturn:
    raise jinja2.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)
