"""Evaluation: the same numbers however it is run, and problems that survive being written; rejection sampling."""

from __future__ import annotations

import pathlib
import random

import numpy as np
import pytest

pytest.importorskip("torch")
pensee = pytest.importorskip("pensee")

import documents  # noqa: E402
import evaluate  # noqa: E402
import export  # noqa: E402
import plots  # noqa: E402
import reject  # noqa: E402
import runs  # noqa: E402
import tasks  # noqa: E402
from problem import Problem  # noqa: E402
from rollouts import Rollouts, Sample  # noqa: E402


def test_problems_are_of_the_test_split_spread_over_levels_and_survive_the_file(tmp_path: pathlib.Path) -> None:
    chosen = evaluate.problems(20, 3)
    assert all(tasks.is_test(p.key) for p in chosen)
    assert evaluate.problems(20, 3) == chosen != evaluate.problems(20, 4)
    for name in evaluate.TASKS:
        assert [p.level for p in chosen if p.task == name] == [1, 2, 3, 4, 5] * 4
    evaluate.write(tmp_path / "problems.jsonl", chosen)
    back = evaluate.read(tmp_path / "problems.jsonl")
    for before, after in zip(chosen, back, strict=True):
        assert (before.task, before.level, before.question) == (after.task, after.level, after.question)
        assert tasks.is_right(after, f"\n {before.answer.upper()}\n") and not tasks.is_right(after, "12345")
        if before.task == "countdown":
            assert not tasks.is_right(after, str(before.data[1]))


def test_numbers_are_those_of_asking_one_by_one(mixture, tmp_path: pathlib.Path) -> None:
    """Random weights never answer right: what is compared is every reply."""
    path = tmp_path / "random.gguf"
    export.write_gguf(mixture, path, "q8_0")
    chosen = evaluate.problems(2, 1)
    options = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 20}
    with Rollouts(path, workers=2, in_flight=7, cache_type="auto") as rollouts:
        result = evaluate.evaluate(rollouts, chosen, seed=5, **options)
    with pensee.Model(path, threads=2) as model:
        plain = [model.ask(p.question, seed=5 + i, **options) for i, p in enumerate(chosen)]
    assert [r.ids.tolist() for r in result.replies] == [list(r.token_ids) for r in plain]
    assert [r.answer for r in result.replies] == [r.answer for r in plain]
    assert result.numbers()["thought"] == pytest.approx(np.mean([r.usage.thought_tokens for r in plain]))


def test_accuracy_is_counted_by_task_and_level() -> None:
    scores = [evaluate.Score("sums", 1, True, 4, True), evaluate.Score("sums", 2, False, 8, True),
              evaluate.Score("order", 1, True, 3, False)]  # fmt: skip
    result = evaluate.Result(scores, [], 1.0)
    assert result.accuracy("sums") == 0.5
    numbers = result.numbers()
    assert numbers["accuracy"] == pytest.approx(2 / 3) and numbers["thought"] == 5 and numbers["cut"] == 1
    assert numbers["by"] == {"sums": 0.5, "sums 1": 1.0, "sums 2": 0.0, "order": 1.0, "order 1": 1.0}
    assert "66.7%" in result.table()


def sample(ids: list[int], thought: str, answer: str) -> Sample:
    return Sample(np.array(ids), np.zeros(len(ids)), None, thought, answer, True, 1)


def test_rejection_keeps_right_replies_the_shorter_first_and_none_twice() -> None:
    problem = Problem("sums", 1, "What is 3 + 4?", "7", "")
    samples = [sample([9, 9, 9, 5, 9], "long", "7"), sample([9, 5, 9], "wrong", "8"), sample([9, 5, 9], "short", "7"),
               sample([9, 9], "open", "7"), sample([9, 5, 9], "short", "7"), sample([9] * 9 + [5, 9], "longest", "7")]
    begin = documents.prompt(problem.question)
    expected = [f"{begin}{thought}\n</think>\n\n7<|end|>" for thought in ("short", "long")]
    assert reject.kept_of(problem, samples, 2) == expected


def test_what_is_kept_reads_as_the_documents_that_were_learnt(mixture, tmp_path: pathlib.Path) -> None:
    """The library's thought and answer, joined again, are the text of the reply's tokens."""
    rng = random.Random(2)
    problem = tasks.make("sums", 3, rng)
    text = documents.careful(problem, rng)
    folder = runs.engine_folder(tmp_path / "engine", mixture)
    with pensee.Model(folder, mtp=False) as model:
        prompt = documents.prompt(problem.question)
        assert model.render(problem.question) == prompt
        reply = model.parse_reply(text[len(prompt) :].removesuffix("<|end|>"), in_thought=True)
    assert prompt + documents.reply(reply.thought, reply.answer) == text


def test_steps_of_runs_in_a_row_are_numbered_on(tmp_path: pathlib.Path) -> None:
    for name, count in (("a", 3), ("b", 2)):
        run = runs.Run(tmp_path / name, "rl")
        for step in range(1, count + 1):
            run.log({"step": step, "reward": 0.5})
        run.log({"step": count, "note": "no reward"})
    assert [line["step"] for line in plots.steps_of([tmp_path / "a", tmp_path / "b"])] == [1, 2, 3, 4, 5]
    assert plots.smooth([0, 3, 6, 3], 3).tolist() == [1.5, 3, 4, 4.5]
