"""A thread of ours that drives a generator: jobs in, steps out, one `iterate` after the other.

The libraries' own asynchronous wrappers run `iterate` on the event loop, so that every pass of the model holds up all
else, and end for good with the first exception. Here a request that the library refuses fails alone; where `iterate`
itself raises, what runs fails with a retryable error and generator and cache are built anew; and who goes away is
taken out of the batch before the next pass.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import traceback
from collections.abc import Callable
from typing import Any

from tallystick_shared.errors import Code, LocalError, TallystickError

from .backend import Backend, Generator, Request
from .steps import Step, read_step


class Stream:
    """One job's steps, in order. Read it on the loop that made it, with `step`; `close` it however that ends."""

    def __init__(self, pump: Pump, request: Request) -> None:
        self.request = request
        self.job: Any = None
        self._pump = pump
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[Step | TallystickError] = asyncio.Queue()
        self._gone = asyncio.Event()

    async def step(self) -> Step:
        """The next step. Raises TallystickError: BAD_REQUEST where the library refuses the job, ENGINE_FAILED."""
        found = await self._steps.get()
        if isinstance(found, TallystickError):
            raise found
        return found

    def left(self) -> list[Step]:
        """After `close`: the steps that nobody has read. Raises TallystickError where it failed meanwhile."""
        found: list[Step] = []
        while not self._steps.empty():
            one = self._steps.get_nowait()
            if isinstance(one, TallystickError):
                raise one
            found.append(one)
        return found

    async def close(self) -> None:
        """Returns once the job is out of the generator. May be called twice, and after the end."""
        self._pump._say(lambda: self._pump._drop(self))
        await self._gone.wait()

    def tell(self, found: Step | TallystickError) -> None:
        """Called by the pump's thread."""
        self._call(lambda: self._steps.put_nowait(found))

    def end(self) -> None:
        """Called by the pump's thread: the job is gone."""
        self._call(self._gone.set)

    def _call(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop was closed under us, and with it whoever waited
            return


class Pump:
    """The thread, and the generator that only it touches. `vocabulary` bounds the ids that are told."""

    def __init__(self, backend: Backend, name: str, vocabulary: int) -> None:
        self._backend = backend
        self._name = name
        self._vocabulary = vocabulary
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._generator: Generator | None = None
        self._streams: dict[int, Stream] = {}
        self._stopped = False
        self._over = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def open(self) -> None:
        """Load the model and build the generator. Raises what the backend raises."""
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[None] = loop.create_future()

        def load() -> None:
            try:
                self._backend.load()
                self._generator = self._backend.build()
            except BaseException as error:  # told to whoever opens, whatever it is
                self._backend.unload()
                self._stopped = True
                loop.call_soon_threadsafe(_fail, loaded, error)
            else:
                loop.call_soon_threadsafe(_done, loaded)

        self._thread.start()
        self._say(load)
        await loaded

    def submit(self, request: Request) -> Stream:
        """Give the generator a job."""
        stream = Stream(self, request)
        self._say(lambda: self._take(stream))
        return stream

    async def close(self) -> None:
        """Drop all jobs, free the model, end the thread."""
        self._say(self._stop)
        await asyncio.to_thread(self._thread.join)

    def _say(self, command: Callable[[], None]) -> None:
        with self._lock:
            if not self._over:
                self._commands.put(command)
                return
        command()  # the thread is over, and nothing that it owned is left

    def _work(self) -> None:
        while not self._stopped:
            self._listen(wait=not self._streams)
            if self._streams and not self._stopped:
                self._iterate()
        with self._lock:
            self._over = True
        self._listen(wait=False)

    def _listen(self, wait: bool) -> None:
        """Do what was said; where there is nothing else to do, wait for it."""
        while True:
            try:
                command = self._commands.get(block=wait)
            except queue.Empty:
                return
            command()
            wait = False

    def _take(self, stream: Stream) -> None:
        if self._stopped:
            stream.tell(LocalError(Code.DRAINING))
            stream.end()
            return None
        try:
            if self._generator is None:  # the last attempt to rebuild it failed
                self._generator = self._backend.build()
        except Exception as error:
            return self._refuse(stream, _failure(error))
        try:
            stream.job = self._backend.job(stream.request)
            self._generator.enqueue(stream.job)
        except TallystickError as error:
            return self._refuse(stream, error)
        except Exception as error:  # what libraries raise for a job they do not take: AssertionError, ValueError, …
            reason = "the engine does not take this request"
            return self._refuse(stream, LocalError(Code.BAD_REQUEST, reason=reason, kind=type(error).__name__))
        self._streams[id(stream.job)] = stream
        return None

    def _refuse(self, stream: Stream, error: TallystickError) -> None:
        stream.tell(error)
        stream.end()

    def _drop(self, stream: Stream) -> None:
        failed = None
        if self._streams.pop(id(stream.job), None) is not None and self._generator is not None:
            try:
                self._generator.cancel(stream.job)
            except Exception as error:
                failed = _bare(error)
        if failed is not None:
            self._rebuild(failed)
        stream.end()

    def _iterate(self) -> None:
        if self._generator is None:
            return
        failed = None
        try:
            for result in self._generator.iterate():
                self._pass_on(result)
        except Exception as error:
            failed = _bare(error)
        if failed is not None:  # outside the handler, which keeps all that the failed frames held
            self._rebuild(failed)

    def _pass_on(self, result: Any) -> None:
        stream = self._streams.get(id(result["job"]))
        if stream is None:
            return
        if result.get("stage") == "error":
            stream.tell(_failure(result.get("error")))
        else:
            stream.tell(read_step(result, stream.request.likelihoods, self._vocabulary))
        if result.get("eos"):
            del self._streams[id(result["job"])]
            stream.end()

    def _rebuild(self, error: BaseException) -> None:
        """Fail what runs, and begin anew: after an exception neither generator nor cache can be trusted."""
        for stream in self._streams.values():
            self._refuse(stream, _failure(error))
        self._streams.clear()
        self._generator = None
        try:
            self._generator = self._backend.build()
        except Exception:  # tried again with the next job, which is told if that fails too
            self._generator = None

    def _stop(self) -> None:
        self._stopped = True
        for stream in self._streams.values():
            self._refuse(stream, LocalError(Code.DRAINING))
        self._streams.clear()
        self._generator = None
        self._backend.unload()


def _failure(error: Any) -> LocalError:
    """An exception of the library as one of ours. Its words stay out: they may quote the prompt."""
    failure = LocalError(Code.ENGINE_FAILED, kind=type(error).__name__)
    if isinstance(error, BaseException):
        failure.__cause__ = error
    return failure


def _bare(error: BaseException) -> BaseException:
    """The exception without its frames: they hold the generator, and with it a cache as large as the GPU."""
    one: BaseException | None = error
    while one is not None:
        traceback.clear_frames(one.__traceback__)
        one.__traceback__, one = None, one.__cause__ or one.__context__
    return error


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
