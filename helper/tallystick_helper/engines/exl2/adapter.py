"""EXL2 and EXL3 models behind the engine seat: one adapter for exllamav2, exllamav3 and the reference.

This file is the shell: what a task becomes, and what the seat is told. `pump` drives the library, `tally` counts the
tokens, `v2` and `v3` are the doors to the libraries.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tallystick_shared import chat
from tallystick_shared.errors import Code, LocalError

from .. import weights
from ..capabilities import SAMPLING
from ..chat import ChatTask, read_chat
from ..seat import Capabilities, Reason, Run, Task
from ..slotted import Slotted
from .backend import Backend, Request
from .folder import Folder, read_folder, text_config
from .options import ExlOptions
from .pump import Pump
from .steps import Step
from .tally import Tally

_TEMPERATURE, _TOP_P = 0.8, 0.95
MakeBackend = Callable[[Folder, ExlOptions], Backend]


class ExlEngine(Slotted):
    """Fills the engine seat. Make it with `await open_exl(...)`."""

    def __init__(self, pump: Pump, folder: Folder, capabilities: Capabilities, options: ExlOptions, slots: int) -> None:
        super().__init__(capabilities, slots, options.queue)
        self._pump = pump
        self._folder = folder
        self._options = options

    async def count(self, task: Task) -> int:
        request = read_chat(task, self._capabilities)
        self._check_open()
        return self._check_length(len(await asyncio.to_thread(prompt_ids, self._folder, request)))

    def run(self, task: Task) -> Run:
        request = read_chat(task, self._capabilities)
        return self._start(task, lambda run, slot: self._work(run, request))

    async def _work(self, run: Run, request: ChatTask) -> Reason:
        with run.interruptible():
            ids = await asyncio.to_thread(prompt_ids, self._folder, request)
        room = self._options.context - self._check_length(len(ids))
        wanted = job_request(request, ids, room, self._folder, self._options)
        answer = Answer(run, Tally(self._folder.text, request.stop, scored=request.logprobs is not None))
        while (reason := await self._generate(answer, wanted)) is None:
            wanted = answer.rest(wanted)
        return reason

    async def _generate(self, answer: Answer, request: Request) -> Reason | None:
        """One job until its end, or until money is waited for: then it leaves the batch, which has no way to hold a
        single job up, and None is returned once there is room again.
        """
        stream = self._pump.submit(request)
        try:
            while True:
                with answer.run.interruptible():
                    step = await stream.step()
                if answer.held_up(step):
                    break
                if (reason := await answer.give(step)) is not None:
                    return reason
        finally:
            await stream.close()
        for left in (step, *stream.left()):
            if (reason := await answer.give(left)) is not None:
                return reason
        return None

    async def close(self) -> None:
        if not self._closed:
            await super().close()
            await self._pump.close()


class Answer:
    """What was said so far, and what of it was handed out."""

    def __init__(self, run: Run, tally: Tally) -> None:
        self.run = run
        self._tally = tally
        self._said: list[int] = []
        self._text = ""
        self._before = 0

    def held_up(self, step: Step) -> bool:
        """True where the step's tokens are more than may be made now."""
        return self.run.gate is not None and bool(step.ids) and not self.run.gate(len(step.ids))

    async def give(self, step: Step) -> Reason | None:
        """Hand the step out, as far as there is room for it. Why the answer ended, once it has."""
        pieces, reason = self._tally.take(step)
        for piece in pieces:
            await self.run.room(piece.units)
            self.run.emit(piece)
        self._said += step.ids
        self._text += step.text
        return reason

    def rest(self, request: Request) -> Request:
        """What is still to be made, after all that was said; the beginning is found in the scope's cache."""
        new = self._said[self._before :]
        self._before = len(self._said)
        return replace(
            request,
            ids=(*request.ids, *new),
            max_tokens=request.max_tokens - len(new),
            drawn=len(self._said),
            begun=self._text,
        )


async def open_exl(
    engine: str, library: str, make: MakeBackend, options: ExlOptions, data_dir: Path | None
) -> ExlEngine:
    """Read the folder, load the model. `engine` is its name in the seat, `library` what the manifest calls it.

    Raises LocalError MODEL_MISSING, BAD_SETTINGS, ENGINE_FAILED.
    """
    folder = await asyncio.to_thread(read_folder, options.path)
    if folder.template is None:
        raise LocalError(Code.BAD_SETTINGS, path=str(options.path), reason="the model has no chat template")
    if folder.longest and options.context > folder.longest:
        raise LocalError(Code.BAD_SETTINGS, context=options.context, longest=folder.longest)
    name = options.name or options.path.resolve().name
    sums = await asyncio.to_thread(folder.sums, data_dir)
    backend = make(folder, options)
    pump = Pump(backend, f"{engine}-pump", folder.text.size)
    await pump.open()
    manifest = weights.manifest_json(library, name, sums)
    able = Capabilities(
        engine=engine,
        kind="text",
        services=(chat.SERVICE,),
        model=name,
        unit="token",
        context=options.context,
        bytes_per_unit=folder.text.longest,
        template_units=len(folder.prompt([("user", "")])),
        manifest=hashlib.sha256(manifest.encode()).digest(),
        manifest_json=manifest,
        sampling=SAMPLING,
        json_schema=backend.json_schema,
        logprobs=chat.MOST_SCORES,
        continues=True,
        quantisation=quantisation(folder),
        architecture=str((folder.config.get("architectures") or [""])[0]),
        size=sum(path.stat().st_size for path in folder.files()),
    )
    return ExlEngine(pump, folder, able, options, backend.slots)


def prompt_ids(folder: Folder, request: ChatTask) -> list[int]:
    """The prompt as token ids. What the assistant said already is gone on with as it stands."""
    if not request.continues:
        return folder.prompt(request.messages)
    *before, (_, begun) = request.messages
    return folder.prompt(before, begun)


def job_request(request: ChatTask, ids: list[int], room: int, folder: Folder, options: ExlOptions) -> Request:
    """A chat task as a job. What it leaves open comes from the options, then from the model, then from us."""
    usual = folder.generation

    def choose(asked: float | None, key: str, own: float | None, fallback: float) -> float:
        given = usual.get(key)
        for value in (asked, own, given if isinstance(given, int | float) else None):
            if value is not None:
                return float(value)
        return fallback

    return Request(
        ids=tuple(ids),
        max_tokens=min(request.max_tokens, room),
        ends=frozenset() if options.ignore_eos else folder.ends,
        stops=request.stop,
        temperature=choose(request.temperature, "temperature", options.temperature, _TEMPERATURE),
        top_p=choose(request.top_p, "top_p", options.top_p, _TOP_P),
        top_k=int(choose(request.top_k, "top_k", None, 0)),
        min_p=choose(request.min_p, "min_p", None, 0.0),
        repeat_penalty=choose(request.repeat_penalty, "repetition_penalty", options.repeat_penalty, 1.0),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        seed=request.seed,
        json_schema=request.json_schema,
        likelihoods=request.logprobs,
        scope=request.scope,
    )


def quantisation(folder: Folder) -> str:
    """As people call it, such as `exl2 4.65 bpw`."""
    found = folder.config.get("quantization_config") or text_config(folder.config).get("quantization_config") or {}
    bits = found.get("bits")
    return f"{folder.format} {float(bits):g} bpw" if isinstance(bits, int | float) else folder.format


def read_options(values: Mapping[str, Any]) -> ExlOptions:
    """Options as they come from settings. Raises LocalError BAD_SETTINGS."""
    given = dict(values)
    if not given.get("path"):
        raise LocalError(Code.BAD_SETTINGS, reason="set `path` to the model's folder")
    unknown = sorted(set(given) - {field.name for field in fields(ExlOptions)})
    if unknown:
        raise LocalError(Code.BAD_SETTINGS, unknown=unknown)
    given["path"] = Path(given["path"])
    given["gpu_split"] = tuple(given.get("gpu_split") or ())
    return ExlOptions(**given)
