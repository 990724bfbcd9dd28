"""What the snapshot holds: every module that the page will ask for, imported. Run once, by the build, inside Pyodide.

A snapshot has no files, so an import that is not made here would fail in the page. OURS (every module of ours) and LATE
(what functions of ours import when called) come from web/build/modules.py.
"""

import gc
import importlib
import sys

# What PyScript's own Python imports when it starts (measured), and what the standard library imports late.
STANDARD = [
    *("asyncio", "base64", "collections.abc", "contextlib", "dataclasses", "datetime", "decimal", "encodings.idna"),
    *("enum", "fractions", "functools", "hashlib", "hmac", "html", "importlib.metadata", "importlib.resources"),
    *("inspect", "io", "itertools", "json", "logging", "math", "os", "pathlib", "pprint", "random", "re", "secrets"),
    *("string", "struct", "textwrap", "time", "traceback", "types", "typing", "unicodedata", "urllib.parse"),
    *("urllib.request", "uuid", "warnings", "weakref", "importlib.abc", "importlib.util"),
    *("pyodide.code", "pyodide.console", "pyodide.ffi", "pyodide.http", "pyodide.webloop", "pyodide_js", "js"),
    *("eth_abi", "eth_abi.packed", "eth_utils", "eth_hash.auto", "hexbytes"),
    *("msgspec", "msgspec.json", "msgspec.msgpack"),
]

for name in [*STANDARD, *OURS, *LATE]:  # noqa: F821
    importlib.import_module(name)

natives = [name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).endswith(".so")]
if natives != ["msgspec._core"]:
    raise RuntimeError(f"native modules in the snapshot: {natives}; boot/native.mjs knows of msgspec._core only")

# Caches that only fill the file: source lines of tracebacks, finders of files that will not be there.
sys.path_importer_cache.clear()
gc.collect()
# Free memory is part of the snapshot: filled with zeros, it is left out of the file.
blocks = [bytearray(65536) for _ in range(24)] + [bytearray(480) for _ in range(600)]
blocks.clear()
gc.collect()
