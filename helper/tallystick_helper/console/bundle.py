"""A support bundle: what somebody who helps needs to see, and nothing that they must not. A zip of text files.

Left out by construction: keys, prompts and answers (nothing here ever had them). Replaced wherever they stand: private
keys and hashes, wallets, addresses of machines, paths of the home folder, what RPC addresses carry besides their host.
"""

from __future__ import annotations

import io
import json
import platform
import re
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from ..settings import Settings

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(?:tsk|sk|pk|hf|ghp|gho)[-_][A-Za-z0-9_-]{16,}"), "<api key>"),
    (re.compile(r"(?i)([?&;][\w-]*(?:key|token|secret|pass|auth)[\w-]*=)[^\s&;\"']+"), r"\1<secret>"),
    (re.compile(r"(?i)\b[a-z]:(?:\\+|/)users(?:\\+|/)[^\\/\s\"']+"), "<home>"),
    (re.compile(r"#pair=[\w-]+"), "#pair=<secret>"),
    (re.compile(r"(?i)\bbearer +[\w.~+/=-]+"), "Bearer <secret>"),
    (re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{64,}(?![0-9a-fA-F])"), "<64 hex digits>"),
    (re.compile(r"(?<![0-9a-fA-F])(?:0x)?[0-9a-fA-F]{40}(?![0-9a-fA-F])"), "<address>"),
    (re.compile(r"(?i)\b(https?|wss?)://(?:[^\s\"']*@)?([^\s/\"'?#]+)[^\s\"',)\]}]*"), r"\1://\2/…"),
    (re.compile(r"\b(?!127\.)(?:\d{1,3}\.){3}\d{1,3}\b"), "<ip>"),
    (re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]{1,4}:){7})(?!::1\b)[0-9a-fA-F:]{3,39}(?![\w:])"), "<ip>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "<e-mail>"),
)
_SECRET = re.compile(r"(?i)(key|secret|password|passphrase|token|authorization|credential|header)")
KEPT = frozenset({"max_tokens", "tokens", "token", "key_cache", "cache_tokens"})
"""Names that only look like secrets."""


class Redactor:
    """Replaces. Paths are those of this person's home and data."""

    def __init__(self, data_dir: Path, home: Path | None = None) -> None:
        paths = [(data_dir, "<data>"), (data_dir.resolve(), "<data>"), (home or Path.home(), "<home>")]
        self._paths = [(str(path), name) for path, name in paths if len(str(path)) > 1]

    def text(self, text: str) -> str:
        for path, name in self._paths:
            text = text.replace(path, name)
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
        return text

    def value(self, value: Any, secret: bool = False) -> Any:
        """Of JSON: what bears a secret's name is left out with all that is in it, unless it is empty."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(one, secret or _is_secret(str(key))) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(one, secret) for one in value]
        if isinstance(value, str) and value and secret:
            return "<left out>"
        return self.text(value) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    return bool(_SECRET.search(name)) and name not in KEPT


def bundle(settings: Settings, parts: dict[str, Any], log: list[dict[str, Any]]) -> bytes:
    """The zip. `parts` become a JSON file each."""
    redactor = Redactor(settings.data_dir)
    files = {
        "README.txt": "What a Tallystick node says of itself, for whoever helps with it. Keys, wallets, addresses of\n"
        "machines and paths of the home folder were replaced. Look through it before you send it on.\n",
        "versions.json": _json(redactor.value(_versions())),
        "settings.json": _json(redactor.value(settings.model_dump(mode="json"))),
        "log.jsonl": "".join(json.dumps(redactor.value(line)) + "\n" for line in log),
        **{f"{name}.json": _json(redactor.value(part)) for name, part in parts.items()},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(f"tallystick-support/{name}", text)
    return out.getvalue()


def _versions() -> dict[str, Any]:
    packages = {one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}
    sorted_packages = dict(sorted(packages.items()))
    return {"python": platform.python_version(), "system": platform.platform(), "packages": sorted_packages}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"
