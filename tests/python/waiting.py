"""For tests of what stops a reply that runs. A small model on a fast machine may end its reply before the test stops
it; while the model is paused no reply ends by itself, so the order of things does not hang on the machine's speed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pensee


@contextlib.contextmanager
def paused(model: pensee.Model) -> Iterator[None]:
    """No session of `model` gets further meanwhile."""
    model.pause()
    try:
        yield
    finally:
        model.resume()
