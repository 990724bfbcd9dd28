"""Scores of answers: what the model itself would say has no margin, what it would not has one. And salt."""

from __future__ import annotations

import pytest

from tallystick_helper.engines.exl2.audit import CLIP, score
from tallystick_helper.engines.exl2.backend import Request
from tallystick_helper.engines.exl2.folder import read_folder
from tallystick_helper.engines.exl2.llama import Llama
from tallystick_helper.engines.exl2.salt import Salts
from tallystick_helper.engines.exl2.tensors import FolderTensors
from tests.helper.exl2_models import write_clockwork


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Llama:
    folder = write_clockwork(tmp_path_factory.mktemp("clockwork"), layers=1)
    return Llama(read_folder(folder).config, FolderTensors(folder))


def test_its_own_words_have_no_margin(model: Llama) -> None:
    found = score(model, b"say it\n", b"abcdef")
    assert (found.agreement, found.mean_margin) == (1.0, 0.0)
    assert found.loss < 0.01


def test_one_token_of_somebody_else_is_clipped(model: Llama) -> None:
    found = score(model, b"say it\n", b"abxyz")
    assert found.margins.tolist() == [0.0, 0.0, CLIP, 0.0, 0.0]
    assert found.agreement == 0.8 and found.loss > 1


def test_salt_is_one_for_each_scope_and_first_token_and_forgets_the_oldest() -> None:
    made: list[int] = []

    def make(token: int) -> int:
        made.append(token)
        return 1000 + len(made)

    salts: Salts[int] = Salts(make, lambda vector: vector)
    first = [salts.apply(Request((5, 6), 1, scope=scope))[0] for scope in (b"a", b"b", b"a", b"", b"")]
    assert first == [[1001, 6], [1002, 6], [1001, 6], [1003, 6], [1004, 6]]
    assert salts.apply(Request((7, 6), 1, scope=b"a"))[0] == [1005, 6]
    for index in range(1024):
        salts.apply(Request((5,), 1, scope=index.to_bytes(4, "big")))
    assert salts.apply(Request((5, 6), 1, scope=b"a"))[0] != [1001, 6]
