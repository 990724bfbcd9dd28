"""Makes the traces again: `python -m tests.traces.make`. About twenty minutes of one core, more where others want it.

Twenty topics, ten questions each. `tokens.zz` has ten answers to each, with seeds 0 to 9, of at most 32 tokens;
`whole.zz` has one, with seed 0, of at most 192, so that most end when they end. The embedded demo model
answers on one slot with one thread; what it computed of the prompts' common beginning it keeps. A piece's time is
measured in processor seconds of this process, which are those of a clock where nothing else runs: so the load of the
machine does not count. All questions are asked once before any is asked again. The seeds give the same texts again; the
times differ from machine to machine.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tallystick_helper.engines.gguf import GgufEngine, GgufOptions
from tallystick_helper.engines.seat import Piece, Task
from tallystick_shared.chat import SERVICE, ChatParams, chat_input
from tallystick_shared.messages import encode

from . import TICK, TOKENS, WHOLE, Answer, Traces, write
from .topics import read_topics

PER_TOPIC = 10
TEMPERATURE = 0.8


async def answer(engine: GgufEngine, topic: int, question: str, seed: int, most: int) -> Answer:
    """Asks once and notes sizes, units and times."""
    params = encode(ChatParams(temperature=TEMPERATURE, seed=seed))
    task = Task(SERVICE, chat_input([("user", question)]), params, most, scope=b"traces")
    sizes, units, gaps = [], [], []
    last = time.process_time()
    async with engine.run(task) as run:
        async for event in run:
            if isinstance(event, Piece):
                now = time.process_time()
                sizes.append(len(event.data))
                units.append(event.units)
                gaps.append(round((now - last) * TICK))
                last = now
    return Answer(topic, tuple(sizes), tuple(units), tuple(gaps))


async def make(file: Path, seeds: int, most: int) -> None:
    """Writes the file anew after each round, so that one that is broken off leaves what it has."""
    engine = await GgufEngine.open(GgufOptions(context=1024, slots=1, threads=1))
    topics, answers = read_topics(), list[Answer]()
    try:
        for seed in range(seeds):
            began, count = time.monotonic(), len(answers)
            for question in range(PER_TOPIC):
                answers += [
                    await answer(engine, topic, questions[question], seed, most)
                    for topic, questions in enumerate(topics.values())
                ]
            write(Traces(engine.capabilities().model, tuple(topics), tuple(answers)), file)
            made = sum(len(one.sizes) for one in answers[count:])
            print(f"seed {seed}: {made} pieces in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        await engine.close()


if __name__ == "__main__":
    asyncio.run(make(TOKENS, seeds=10, most=32))
    asyncio.run(make(WHOLE, seeds=1, most=192))
