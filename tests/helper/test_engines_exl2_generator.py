"""The reference's generator: results as exllamav2 gives them, on the clockwork, which says a known text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tallystick_helper.engines.exl2.folder import Folder, read_folder
from tallystick_helper.engines.exl2.generator import Cache, Generator, Job, Result
from tallystick_helper.engines.exl2.llama import Llama, Vectors
from tallystick_helper.engines.exl2.sampling import Settings, draw, penalised
from tallystick_helper.engines.exl2.tensors import FolderTensors
from tests.helper.exl2_models import END, WIDTH, write_clockwork

GREEDY = Settings(top_k=1, token_repetition_penalty=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return read_folder(write_clockwork(tmp_path_factory.mktemp("clockwork"), layers=1))


@pytest.fixture(scope="module")
def model(folder: Folder) -> Llama:
    return Llama(folder.config, FolderTensors(folder.path))


@pytest.fixture
def generator(model: Llama, folder: Folder) -> Generator:
    return Generator(model, Cache(1024), folder.text, max_batch_size=2)


def job(folder: Folder, prompt: str = "\n", most: int = 30, **more: Any) -> Job:
    more.setdefault("gen_settings", GREEDY)
    return Job(np.array([folder.text.encode(prompt)], np.int64), most, **more)


def run(generator: Generator, *jobs: Job) -> dict[int, list[Result]]:
    """Every result of each job, by serial number."""
    for one in jobs:
        generator.enqueue(one)
    found: dict[int, list[Result]] = {}
    while generator.num_remaining_jobs():
        for result in generator.iterate():
            found.setdefault(result["serial"], []).append(result)
    return found


def spoken(results: list[Result]) -> str:
    return "".join(result.get("text", "") for result in results)


def test_stages_and_what_the_last_result_tells(generator: Generator, folder: Folder) -> None:
    (results,) = run(generator, job(folder, "x" * 600 + "\n", 3, identifier="mine")).values()
    assert [result["stage"] for result in results] == ["started", *["prefill"] * 3, *["streaming"] * 3]
    assert [result["curr_progress"] for result in results if result["stage"] == "prefill"] == [256, 512, 600]
    assert {result["identifier"] for result in results} == {"mine"}
    last = results[-1]
    assert [result["eos"] for result in results] == [False] * 6 + [True]
    assert (last["eos_reason"], last["full_completion"]) == ("max_new_tokens", "abc")
    assert (last["prompt_tokens"], last["new_tokens"], last["cached_tokens"]) == (601, 3, 0)
    assert last["token_ids"].tolist() == [[ord("c")]]


def test_a_character_comes_whole(generator: Generator, folder: Folder) -> None:
    (results,) = run(generator, job(folder, "z", 6)).values()
    texts = [result.get("text") for result in results if result["stage"] == "streaming"]
    assert texts == [None, None, None, "🎉", "a", "b"]
    assert results[-3]["token_ids"].tolist() == [list("🎉".encode())]


def test_stop_strings_are_held_back_and_cut(generator: Generator, folder: Folder) -> None:
    (results,) = run(generator, job(folder, stop_conditions=["xy", "def"])).values()
    assert spoken(results) == "abc"
    assert (results[-1]["eos_reason"], results[-1]["eos_triggering_string"]) == ("stop_string", "def")
    assert results[-1]["held"] == {"text": "def"}
    (results,) = run(generator, job(folder, most=5, stop_conditions=["bcx", "dz"])).values()
    assert spoken(results) == "abcde"


def test_a_stop_token_is_no_text_and_comes_only_after_the_least(generator: Generator, folder: Folder) -> None:
    (results,) = run(generator, job(folder, stop_conditions=[ord("d"), END])).values()
    assert (spoken(results), results[-1]["eos_reason"]) == ("abc", "stop_token")
    assert results[-1]["eos_triggering_token_str"] == "d"
    assert results[-1]["held"]["token_ids"].tolist() == [[ord("d")]]
    (results,) = run(generator, job(folder, most=9, min_new_tokens=9, stop_conditions=[ord("d")])).values()
    assert results[-1]["new_tokens"] == 9


def test_probabilities_and_logits(generator: Generator, folder: Folder) -> None:
    (results,) = run(
        generator, job(folder, most=2, return_top_tokens=3, return_probs=True, return_logits=True)
    ).values()
    result = results[-1]
    assert result["top_k_tokens"].shape == result["top_k_probs"].shape == (1, 1, 3)
    assert result["logits"].shape == (1, 1, WIDTH) and result["token_probs"].shape == (1, 1)
    assert result["top_k_tokens"][0, 0, 0] == result["token_ids"][0, 0] == ord("b")


def test_two_run_and_the_third_waits(generator: Generator, folder: Folder) -> None:
    jobs = [job(folder, most=4) for _ in range(3)]
    found = run(generator, *jobs)
    assert [spoken(found[index]) for index in range(3)] == ["abcd"] * 3
    order = [(result["serial"], result["stage"]) for results in found.values() for result in results]
    assert order.count((2, "started")) == 1


def test_cancel_in_the_queue_in_the_prompt_and_in_the_answer(generator: Generator, folder: Folder) -> None:
    jobs = [job(folder, "x" * 600 + "\n", most=300), job(folder), job(folder)]
    for one in jobs:
        generator.enqueue(one)
    generator.iterate()
    for one in (jobs[2], jobs[0], jobs[1], jobs[1]):
        generator.cancel(one)
    assert generator.num_remaining_jobs() == 0
    assert generator.iterate() == []


def test_a_job_that_could_never_run_is_refused_alone(generator: Generator, folder: Folder) -> None:
    with pytest.raises(AssertionError, match="5 pages"):
        generator.enqueue(job(folder, most=1024))
    assert spoken(run(generator, job(folder, most=3))[0]) == "abc"


def test_a_large_job_waits_for_room_but_not_for_ever(generator: Generator, folder: Folder) -> None:
    small = [job(folder, most=20) for _ in range(9)]
    large = job(folder, most=800)
    generator.enqueue(small[0])
    generator.iterate()
    generator.enqueue(large)
    for one in small[1:]:
        generator.enqueue(one)
    started = [r["serial"] for _ in range(300) for r in generator.iterate() if r["stage"] == "started"]
    assert 1 in started[:5]


def test_what_was_computed_is_found_again_by_its_ids(generator: Generator, folder: Folder, model: Llama) -> None:
    prompt = "y" * 40 + "\n"
    run(generator, job(folder, prompt, 3))
    (again,) = run(generator, job(folder, prompt, 3)).values()
    assert (spoken(again), again[-1]["cached_tokens"]) == ("abc", 40)
    vectors = Vectors(1_000_000_000, model.embed(folder.text.encode("y")))
    salted = job(folder, prompt, 3, embeddings=[vectors])
    salted.sequence[0] = 1_000_000_000
    (other,) = run(generator, salted).values()
    assert (spoken(other), other[-1]["cached_tokens"]) == ("abc", 0)


def test_the_same_seed_draws_the_same(generator: Generator, folder: Folder) -> None:
    hot = Settings(temperature=60.0, top_k=0, top_p=1.0)
    found = run(generator, *(job(folder, gen_settings=hot, seed=seed) for seed in (5, 5, 6)))
    texts = [results[-1]["full_completion"] for results in found.values()]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("more", [{"filters": [1]}, {"token_healing": True}, {"banned_strings": ["x"]}])
def test_what_it_does_not_do_is_refused(folder: Folder, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        job(folder, **more)


def test_draws_follow_the_settings() -> None:
    logits = np.log(np.array([0.5, 0.25, 0.15, 0.1], np.float32))
    plain = Settings(temperature=1.0, top_k=0, top_p=0.0)
    assert [draw(logits, plain, chance)[0] for chance in (0.0, 0.49, 0.51, 0.76, 0.91, 1.0)] == [0, 0, 1, 2, 3, 3]
    assert draw(logits, Settings(temperature=1.0, top_k=2, top_p=0.0), 0.99) == (1, pytest.approx(1 / 3))
    assert draw(logits, Settings(temperature=1.0, top_k=0, top_p=0.6), 0.99)[0] == 1
    assert draw(logits, Settings(temperature=1.0, top_k=0, top_p=0.0, min_p=0.29), 0.99)[0] == 2
    assert draw(logits, Settings(temperature=0.0), 0.99) == (0, 1.0)


def test_penalties_lower_what_was_said() -> None:
    logits = np.array([2.0, -2.0, 1.0], np.float32)
    repeated = penalised(logits, Settings(token_repetition_penalty=2.0), [0, 1, 1_000_000_000])
    assert repeated.tolist() == [1.0, -4.0, 1.0]
    counted = Settings(token_repetition_penalty=1.0, token_frequency_penalty=0.5, token_presence_penalty=0.25)
    assert penalised(logits, counted, [2, 2]).tolist() == [2.0, -2.0, -0.25]
    assert penalised(logits, Settings(token_repetition_penalty=2.0, token_repetition_range=1), [0, 2])[0] == 2.0
