"""The wire format, from `records.py` and `messages.py`, and a real session taken apart."""

from __future__ import annotations

import inspect as python_inspect
import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from contracts.reference import table
from tallystick_shared import records
from tallystick_shared.messages import BODIES, Body, ServerInfo
from tallystick_shared.records import HEADER, HELLO_SIZE, MAGIC, MAX_MESSAGE, SIZES, VERSION, Frame, Type
from tallystick_shared.session.greeting import INFO_SIZE, SUITES
from tallystick_shared.session.tables import CLIENT_CONNECTION, PROVIDER_CONNECTION
from tests.documents import session

HEAD = f"""# The wire format

*Made by `./run docs` from `shared/tallystick_shared/records.py`, `messages.py` and a real session; the test run fails
where it is stale.*

What the parts are for is told in [the protocol](../topics/protocol.md); what may follow what, in
[the states](protocol-states.md). Numbers are big-endian. A WebSocket message is binary, has at most {MAX_MESSAGE:,}
bytes and is never compressed. Its first byte says what it is:
"""
FRAMES = {
    Frame.HELLO: ("client", f"HELLO ({HELLO_SIZE} bytes, in the clear), then the first message of the Noise handshake"),
    Frame.HANDSHAKE: (
        "provider",
        "with suite 2 the ML-KEM ciphertext (1,088 bytes), then the handshake's second message; its payload is "
        f"ServerInfo behind two bytes of length, with zeros up to {INFO_SIZE} bytes",
    ),
    Frame.RECORD: ("both", "one record, sealed by Noise: 16 bytes longer than its plaintext"),
    Frame.REFUSED: ("provider", "an [error](errors.md) as two bytes, in place of the handshake's second message"),
}
HELLO = (
    ("0", "4", "magic", f"`{MAGIC.decode()}`"),
    ("4", "1", "version", str(VERSION)),
    ("5", "1", "suite", "; ".join(f"{number}: `{name}`" for number, name in SUITES.items())),
    ("6", "2", "flags", "{flags}"),
    ("8", "8", "chain id", ""),
    ("16", "20", "registry", "the contract's address"),
    ("36", "20", "provider", "its address on chain"),
)
RECORDS = f"""
HELLO is byte for byte the prologue of the handshake, so nobody on the way can change it.

## Records

A record's plaintext is a header of {HEADER.size} bytes, a body, and zeros up to one of {{sizes}} bytes:

| offset | bytes | field |
| --- | --- | --- |
| 0 | 1 | type |
| 1 | 4 | stream; 0 is the connection itself |
| 5 | 2 | length of the body |
| 7 | … | body |

Anything but zeros after the body is refused. The body is one MessagePack array with the fields below in this order; a
missing, additional or ill-typed field is refused (`BAD_MESSAGE`). Optional fields at the end have a default. Amounts
are in the token's smallest unit. Codec bytes are never signed: signatures are EIP-712.
"""
SERVER_INFO = """
## ServerInfo

{doc}

{fields}
"""


def flags() -> str:
    """The flags of HELLO, as `records.py` explains them."""
    found = re.findall(r"^[A-Z_]+ = 0x([0-9A-F]{4})  # (.+)$", python_inspect.getsource(records), re.M)
    return "; ".join(f"{int(value, 16)}: {words}" for value, words in found)


def directions(kind: Type) -> str:
    """Who sends it, by the tables: what a provider may hear comes from a client."""
    client = any(each is kind for _, each in PROVIDER_CONNECTION)
    provider = any(each is kind for _, each in CLIENT_CONNECTION)
    if client and provider:
        return "both"
    return "client" if client else "provider" if provider else "not used yet"


def kind_of(held: inspect.Type) -> str:
    """A field's type in words."""
    if isinstance(held, inspect.BytesType):
        return f"{_count(held.min_length, held.max_length)} bytes".strip()
    if isinstance(held, inspect.StrType):
        return f"text, {_count(held.min_length, held.max_length)} characters"
    if isinstance(held, inspect.IntType):
        return f"integer, {held.ge or 0} to {_bound(held.le)}"
    if isinstance(held, inspect.BoolType):
        return "true or false"
    if isinstance(held, inspect.VarTupleType):
        return f"array, {_count(held.min_length, held.max_length)} × ({kind_of(held.item_type)})"
    if isinstance(held, inspect.TupleType):
        return ", ".join(map(kind_of, held.item_types))
    if isinstance(held, inspect.StructType):
        return f"[{held.cls.__name__}](#{held.cls.__name__.lower()})"
    return type(held).__name__.removesuffix("Type").lower()


def _bound(value: int | None) -> str:
    if value is None:
        return "any"
    bits = (value + 1).bit_length() - 1
    return f"2^{bits} − 1" if value > 0xFF and value + 1 == 1 << bits else f"{value:,}"


def _count(least: int | None, most: int | None) -> str:
    if least == most:
        return "" if least is None else f"{least:,}"
    if most is None:
        return f"at least {least:,}"
    return f"{least:,} to {most:,}" if least else f"at most {most:,}"


def fields(body: type[Any]) -> str:
    """The fields of a body."""
    info = inspect.type_info(body)
    assert isinstance(info, inspect.StructType)
    rows = []
    for field in info.fields:
        alias = str(body.__annotations__[field.name])
        amount = "amount, " if alias == "Amount" else ""
        default = "" if field.required else "optional"
        rows.append((f"`{field.name}`", amount + kind_of(field.type), default))
    return table(("field", "type", ""), *rows)


def said(body: type[Any]) -> str:
    """A body's own documentation, as one paragraph."""
    return re.sub(r"\s+", " ", python_inspect.getdoc(body) or "").strip()


def bodies() -> Iterator[str]:
    """Every record type, in the order of its number."""
    parts: set[type[Any]] = set()
    for kind in Type:
        body = BODIES.get(kind)
        yield f"\n### {kind.value} {kind.name}\n\nFrom: {directions(kind)}. "
        if body is None:
            yield "No body.\n"
            continue
        yield f"{said(body)}\n\n{fields(body)}\n"
        parts |= set(inner(body))
    for part in sorted(parts, key=lambda part: part.__name__):
        yield f"\n### {part.__name__}\n\n{said(part)}\n\n{fields(part)}\n"


def inner(body: type[Body]) -> Iterator[type[Any]]:
    """Structures inside a body."""
    info = inspect.type_info(body)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        if isinstance(field.type, inspect.StructType):
            yield field.type.cls


def page() -> str:
    """The whole page."""
    frames = [(f"`0x{frame:02x}`", frame.name, *FRAMES[frame]) for frame in Frame]
    overview = [(kind.value, f"[{kind.name}](#{kind.value}-{kind.name.lower()})", directions(kind)) for kind in Type]
    sizes = ", ".join(f"{size:,}" for size in SIZES[:-1]) + f" or {SIZES[-1]:,}"
    return "".join(
        [
            HEAD,
            "\n" + table(("byte", "frame", "from", "then"), *frames) + "\n",
            "\n## HELLO\n\n" + table(("offset", "bytes", "field", ""), *HELLO).replace("{flags}", flags()) + "\n",
            RECORDS.format(sizes=sizes),
            "\n" + table(("type", "record", "from"), *overview) + "\n",
            SERVER_INFO.format(doc=said(ServerInfo), fields=fields(ServerInfo)),
            "\n## Bodies\n",
            *bodies(),
            session.told(),
        ]
    )
