"""pensee-mini, the shipped file: right on problems that no stage of its training has seen."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pensee
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLI = os.environ.get("PENSEE_CLI") or shutil.which("pensee")
MINI = ROOT / "share" / "pensee" / "pensee-mini.gguf"
sys.path.insert(0, str(ROOT / "examples" / "r1_zero"))
pytest.importorskip("numpy")
pytest.importorskip("tqdm")

import evaluate  # noqa: E402
from rollouts import Rollouts  # noqa: E402


@pytest.fixture(scope="module")
def mini():
    with pensee.Model(MINI) as model:
        yield model


@pytest.fixture(scope="module")
def result() -> evaluate.Result:
    with Rollouts(MINI, cache_type="auto") as rollouts:
        return evaluate.evaluate(rollouts, evaluate.problems(40, 3), seed=1, temperature=0.6, top_p=0.95)


def test_it_solves_problems_that_it_has_never_seen(result: evaluate.Result) -> None:
    print(result.table())
    assert result.accuracy() >= 0.93
    for task in evaluate.TASKS:
        assert result.accuracy(task) >= 0.85, task


def test_sizes_that_no_level_joins_are_no_obstacle() -> None:
    names = ("division", "modular", "order")
    with Rollouts(MINI, cache_type="auto") as rollouts:
        mixed = evaluate.evaluate(rollouts, evaluate.problems(60, 3, names, mixed=True), seed=1, temperature=0.6,
                                  top_p=0.95)  # fmt: skip
    print(mixed.table())
    assert mixed.accuracy() >= 0.9


@pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")
def test_the_command_counts_as_many(result: evaluate.Result, tmp_path: pathlib.Path) -> None:
    evaluate.write(tmp_path / "problems.jsonl", evaluate.problems(40, 3))
    command = [str(CLI), "evaluate", str(MINI), str(tmp_path / "problems.jsonl"), "--seed", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    *lines, _ = map(json.loads, done.stdout.splitlines())
    assert [line["answer"].split() for line in lines] == [reply.answer.split() for reply in result.replies]
    assert [line["right"] for line in lines] == [score.right for score in result.scores]


def test_guessing_ahead_changes_no_token_and_mostly_comes_true(mini: pensee.Model) -> None:
    drafted = accepted = 0
    for problem in evaluate.problems(2, 4):
        plain = mini.ask(problem.question, temperature=0, speculation="off")
        ahead = mini.ask(problem.question, temperature=0, speculation="mtp", draft_max=1)
        assert list(ahead.token_ids) == list(plain.token_ids)
        drafted, accepted = drafted + ahead.usage.drafted_tokens, accepted + ahead.usage.accepted_tokens
    assert drafted >= 5  # how often it pays, the engine's clock decides
    assert accepted / drafted > 0.7


@pytest.mark.parametrize("question, says", [
    ("Hi", "Hello"), ("What can you do?", "sums"), ("Write a poem about the sea.", "can't"), ("Thanks!", "welcome"),
    ("Who was Einstein?", "can't"),
])  # fmt: skip
def test_it_greets_tells_what_it_can_do_and_refuses_the_rest(mini: pensee.Model, question: str, says: str) -> None:
    assert says in mini.ask(question, temperature=0).answer

def test_a_long_conversation_ends_as_well_as_it_began(mini: pensee.Model) -> None:
    """The template passes on no more turns than it was trained on."""
    messages, asked = [], evaluate.problems(3, 5, ("sums", "products", "equations", "words"))
    for problem in asked:
        messages.append({"role": "user", "content": problem.question})
        reply = mini.ask(messages, temperature=0)
        messages.append({"role": "assistant", "content": reply.answer.strip()})
    rights = [evaluate.tasks.is_right(p, m["content"]) for p, m in zip(asked, messages[1::2])]
    assert sum(rights) >= len(rights) - 1
