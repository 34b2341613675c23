"""The scenarios that the tests of every binding share, tests/scenarios/scenarios.json: Python does them too, and what
make.py wrote there is what it would write today."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT

import pensee

FOLDER = ROOT / "tests" / "scenarios"
SCENARIOS = json.loads((FOLDER / "scenarios.json").read_text(encoding="ascii"))

_spec = importlib.util.spec_from_file_location("make_scenarios", FOLDER / "make.py")
assert _spec is not None and _spec.loader is not None
make = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make)


@pytest.fixture(scope="module")
def model() -> Iterator[pensee.Model]:
    with pensee.Model(FOLDER / SCENARIOS["model"], threads=1) as opened:
        yield opened


def test_the_file_is_what_its_script_writes(model: pensee.Model) -> None:
    today = json.loads(json.dumps(make.scenarios(model)))
    for name, rows in SCENARIOS.items():
        if name != "score":
            assert today[name] == rows, name
    assert today["score"]["argmax"] == SCENARIOS["score"]["argmax"]
    assert today["score"]["logprobs"] == pytest.approx(SCENARIOS["score"]["logprobs"], abs=1e-3)


def test_the_model_is_what_its_script_writes(tmp_path: pathlib.Path) -> None:
    make.write_model(tmp_path / "again.gguf")
    again, kept = (tmp_path / "again.gguf").read_bytes(), (FOLDER / SCENARIOS["model"]).read_bytes()
    assert len(again) == len(kept)
    assert again[:4000] == kept[:4000]


def test_every_way_to_load_and_every_thread_gives_the_same(tmp_path: pathlib.Path) -> None:
    data = (FOLDER / SCENARIOS["model"]).read_bytes()
    package = tmp_path / "package"
    package.write_bytes(b"before" + data + b"after")
    with package.open("rb") as file:
        part = pensee.Model.from_fd(file, offset=6, length=len(data))
    failures: list[str] = []

    def ask(opened: pensee.Model, row: dict[str, Any]) -> None:
        if make.told(opened, row) != row["expected"]:
            failures.append(row["name"])
        reply = opened.ask(make.prompt_of(row), **make.keywords_of(row))
        thought, answer = row["expected"]["thought"], row["expected"]["answer"]
        if row["expected"]["thought_tokens"] > 0:  # as in C, Java and C#: the space around the tags is in neither
            thought, answer = thought.strip(" \t\r\n"), answer.lstrip(" \t\r\n")
        if (reply.thought, reply.answer) != (thought, answer):
            failures.append(row["name"])

    for opened in (part, pensee.Model.from_bytes(data)):
        threads = [threading.Thread(target=ask, args=(opened, row)) for row in SCENARIOS["replies"]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_cancelled_stream_gave_the_first_tokens(model: pensee.Model) -> None:
    row = SCENARIOS["endless"]
    stream = model.generate(row["prompt"], **row["options"])
    events = [next(stream) for _ in range(5)]
    stream.cancel()
    events += list(stream)
    ids = [event.token_id for event in events if event.token_id is not None]
    assert events[-1].finish_reason == "cancelled"
    assert ids == row["token_ids"][: len(ids)] or len(ids) > len(row["token_ids"])


def test_a_thought_that_is_ended_was_the_same_until_then(model: pensee.Model) -> None:
    row = SCENARIOS["endless"]
    stream = model.generate(row["prompt"], max_tokens=300, **row["options"])
    events = [next(stream) for _ in range(5)]
    stream.end_thought()
    events += list(stream)
    tokens = [event for event in events if event.token_id is not None]
    forced = next(i for i, event in enumerate(tokens) if event.forced)
    assert [event.token_id for event in tokens[:forced]] == row["token_ids"][:forced]
    assert any(event.kind == "answer" and event.text for event in events)


@pytest.mark.parametrize("row", SCENARIOS["errors"], ids=lambda row: row["name"])
def test_errors_have_their_status(row: dict[str, Any], model: pensee.Model) -> None:
    with pytest.raises(pensee.Error) as caught:
        if "open" in row:
            pensee.Model(FOLDER / row["open"])
        else:
            model.ask(make.prompt_of(row), **make.keywords_of(row))
    assert caught.value.status.name == row["status"]
