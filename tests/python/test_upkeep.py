"""What an application that shares the device asks of a model: pause, trim, threads, memory. The tokens stay."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import pensee

IDS = [5, 17, 99, 42, 7, 123] * 20


def tokens_of(target: pensee.Model | pensee.Session, ids: list[int] = IDS, count: int = 40) -> list[int]:
    stream = target.generate(ids, max_tokens=count, temperature=0, ignore_eos=True)
    return [event.token_id for event in stream if event.token_id is not None]


@pytest.fixture
def model(thinker_path: Path) -> pensee.Model:
    return pensee.Model(thinker_path, threads=2)


def test_a_paused_model_waits_and_goes_on(model: pensee.Model) -> None:
    expected = tokens_of(model)
    model.pause()
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.extend(tokens_of(model)))
    thread.start()
    time.sleep(0.2)
    assert got == [] and thread.is_alive()
    model.resume()
    thread.join(30)
    assert got == expected


def test_a_paused_stream_can_be_cancelled(model: pensee.Model) -> None:
    model.pause()
    stream = model.generate(IDS, max_tokens=40)
    stream.cancel()
    assert [event.finish_reason for event in stream] == ["cancelled"]


def test_trim_gives_memory_back_and_the_tokens_are_the_same(model: pensee.Model) -> None:
    before = model.memory()
    session = model.session()
    expected = tokens_of(session)
    full = model.memory()
    assert full.used > before.used and full.scratch > 0 and full.budget == 0
    assert model.trim() >= full.scratch
    assert len(session.tokens) > 0
    assert model.trim("sessions") > 0
    assert session.tokens == [] and model.memory().used == before.used
    assert tokens_of(session) == expected
    with pytest.raises(pensee.BadArgument, match="level"):
        model.trim("all")  # type: ignore[arg-type]


def test_threads_change_and_the_tokens_do_not(model: pensee.Model) -> None:
    expected = tokens_of(model)
    for threads in (3, 1, 2):
        model.set_threads(threads)
        assert model.info.threads == threads
        assert tokens_of(model) == expected
    with pytest.raises(pensee.BadArgument, match="threads"):
        model.set_threads(-1)


def test_low_memory_is_asked_and_may_make_room(thinker_path: Path) -> None:
    ids = [i * 7 % 200 for i in range(200)]
    with pensee.Model(thinker_path, threads=1) as alone:
        keeps = alone.session()
        tokens_of(keeps, ids, 8)
        limit = alone.memory().used
    asked: list[int] = []

    def low_memory(size: int) -> bool:
        asked.append(size)
        return model.trim("sessions") > 0

    model = pensee.Model(thinker_path, threads=1, memory_budget=limit + 100, low_memory=low_memory)
    first, second = model.session(), model.session()
    expected = tokens_of(first, ids, 8)
    assert asked == []
    tokens_of(second, ids[::-1], 8)
    assert asked and all(size > 0 for size in asked)
    assert tokens_of(first, ids, 8) == expected


def test_a_low_memory_callback_that_raises_is_no_help(thinker_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda info: seen.append(info.exc_value))

    def low_memory(size: int) -> bool:
        raise RuntimeError("no")

    with pytest.raises(pensee.OutOfMemory):
        pensee.Model(thinker_path, threads=1, memory_budget=10_000, low_memory=low_memory)
    with pensee.Model(thinker_path, threads=1) as alone:
        budget = alone.memory().used + 1000  # the weights and no page
    model = pensee.Model(thinker_path, threads=1, memory_budget=budget, low_memory=low_memory)
    assert seen == []
    with pytest.raises(pensee.OutOfMemory):
        tokens_of(model)
    assert seen and all(isinstance(value, RuntimeError) for value in seen)
