"""The `embeddings` service as engines of vectors see it: the texts of a task, checked."""

from __future__ import annotations

from tallystick_shared import embeddings
from tallystick_shared.errors import Code, LocalError, PeerError

from .seat import Task


def read_texts(task: Task, dimensions: int) -> tuple[str, ...]:
    """The texts of a task, for a model whose vectors have so many dimensions.

    Raises LocalError UNKNOWN_SERVICE; BAD_REQUEST where the bytes are no list of texts, one is empty or no vector may
    be given; UNSUPPORTED for a length that the vectors do not have.
    """
    if task.service != embeddings.SERVICE:
        raise LocalError(Code.UNKNOWN_SERVICE, service=task.service[:32])
    if task.max_units < 1:
        raise LocalError(Code.BAD_REQUEST, reason="max_units is below 1")
    try:
        texts = embeddings.read_input(task.input).texts
        wanted = embeddings.read_params(task.params).dimensions
    except PeerError as error:
        raise LocalError(Code.BAD_REQUEST, **error.values) from None
    if wanted not in (None, dimensions):
        raise LocalError(Code.UNSUPPORTED, feature="dimensions", has=dimensions)
    if not all(texts):
        raise LocalError(Code.BAD_REQUEST, reason="a text is empty")
    return texts
