"""`pensee evaluate` against the same problems asked from Python with the same seeds, and what counts as right."""

from __future__ import annotations

import ast
import json
import operator
import os
import pathlib
import random
import shutil
import subprocess
from typing import Any

import pytest

import pensee

CLI = os.environ.get("PENSEE_CLI") or shutil.which("pensee")
pytestmark = pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")

OPTIONS = {"max_tokens": 24, "think_budget": 6, "temperature": 0.8, "top_p": 0.95}
FLAGS = ["--max-tokens", "24", "--think-budget", "6", "--temperature", "0.8", "--top-p", "0.95"]


def write(path: pathlib.Path, problems: list[dict[str, Any]]) -> pathlib.Path:
    path.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    return path


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    assert CLI is not None
    command = [CLI, "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def lines(*arguments: object) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    done = evaluate(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    *problems, total = map(json.loads, done.stdout.splitlines())
    return problems, total


def test_it_counts_what_python_counts(
    thinker: pensee.Model, thinker_path: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    seed = 11
    questions = [f"What is {i} + {2 * i}?" for i in range(20)]
    replies = [thinker.ask(question, seed=seed + i, **OPTIONS) for i, question in enumerate(questions)]
    problems = []
    for i, reply in enumerate(replies):  # every third one is wrong
        answer = reply.answer.strip() if i % 3 else "no"
        task = ("sum", "more")[i % 2]
        problems.append({"task": task, "level": i % 4, "question": questions[i], "answer": answer, "check": "equal"})
    path = write(tmp_path / "problems.jsonl", problems)
    told, total = lines(thinker_path, path, "--seed", seed, *FLAGS)
    assert [line["answer"].strip() for line in told] == [reply.answer.strip() for reply in replies]
    assert [line["thought"].strip() for line in told] == [reply.thought.strip() for reply in replies]
    assert [line["thought_tokens"] for line in told] == [reply.usage.thought_tokens for reply in replies]
    assert [line["right"] for line in told] == [i % 3 != 0 for i in range(20)]
    assert [line["seed"] for line in told] == list(range(seed, seed + 20))
    assert (total["right"], total["problems"]) == (13, 20) and total["accuracy"] == pytest.approx(0.65)
    mean = sum(reply.usage.thought_tokens for reply in replies) / 20
    assert total["mean_thought_tokens"] == pytest.approx(mean)
    for task in total["tasks"]:
        of_task = [i for i, problem in enumerate(problems) if problem["task"] == task["task"]]
        assert task["problems"] == 10 and task["right"] == sum(i % 3 != 0 for i in of_task)
        for level in task["levels"]:
            of_level = [i for i in of_task if str(i % 4) == level["level"]]
            assert (level["problems"], level["right"]) == (len(of_level), sum(i % 3 != 0 for i in of_level))
    # However many are asked at once.
    assert lines(thinker_path, path, "--seed", seed, *FLAGS, "--max-concurrent", 3)[0] == told
    table = evaluate(thinker_path, path, "--seed", seed, *FLAGS)
    assert "13 of 20" in table.stdout and "65.0 %" in table.stdout and "tokens/s" in table.stderr


def test_votes_are_those_of_python(thinker: pensee.Model, thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    questions = ["One?", "Two?", "Three?"]
    votes = [thinker.vote(q, n=5, all=True, seed=2 + i, **OPTIONS) for i, q in enumerate(questions)]
    winners = [vote.reply or vote.replies[0] for vote in votes]
    problems = [{"question": q, "answer": reply.answer} for q, reply in zip(questions, winners, strict=True)]
    problems[1]["answer"] += "?"
    path = write(tmp_path / "problems.jsonl", problems)
    told, total = lines(thinker_path, path, "--seed", 2, "--vote", 5, *FLAGS)
    assert [line["answer"].strip() for line in told] == [reply.answer.strip() for reply in winners]
    tokens = [reply.usage.thought_tokens + reply.usage.answer_tokens for vote in votes for reply in vote.replies]
    assert total["tokens"] == sum(tokens)
    assert [line["right"] for line in told] == [True, False, True] and total["right"] == 2


_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def is_right(text: str, numbers: list[int], target: int) -> bool:
    """By Python's own parser."""
    used: list[int] = []

    def value(node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            used.append(node.value)
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -value(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError

    try:
        found = value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return False
    return found == target and sorted(used) == sorted(numbers)


def test_expressions_are_right_when_python_says_so(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The answer is put into the model's mouth by a grammar that allows nothing else."""
    rng = random.Random(4)
    tries: list[tuple[str, list[int], int]] = [
        ("3*(5+2)", [2, 3, 5], 21), ("3*(5+2)", [2, 3, 5], 22), ("3*7", [2, 3, 7], 21), ("3*5+2+2", [2, 3, 5], 19),
        ("-3+5", [3, 5], 2), ("5--3", [3, 5], 8), ("(5+3", [3, 5], 8), ("5+3)", [3, 5], 8), ("5 3", [3, 5], 8),
        ("5+3=8", [3, 5], 8), ("2**3", [2, 3], 8), ("10/5", [5, 10], 2), ("+5+3", [3, 5], 8), ("5+", [5], 5),
        ("99999999999*99999999999*99999999999", [99999999999] * 3, 1), ("8", [8], 8), ("((8))", [8], 8),
        ("5 + 3 ", [3, 5], 8), ("", [], 0),
    ]  # fmt: skip
    for _ in range(20):
        numbers = [rng.randint(1, 20) for _ in range(4)]
        text = str(numbers[0])
        for number in numbers[1:]:
            text = f"{text}{rng.choice('+-*')}{number}" if rng.random() < 0.6 else f"{number}*({text})"
        tries.append((text, numbers, eval(text) + rng.choice([0, 0, 1])))  # noqa: S307
    problems = [
        {"question": "?", "check": {"countdown": {"numbers": numbers, "target": target}}}
        for _, numbers, target in tries
    ]
    answers = []
    for (text, _, _), problem in zip(tries, problems, strict=True):
        path = write(tmp_path / "one.jsonl", [problem])
        # A grammar's answer cannot be empty, and its text is the whole answer.
        grammar = f'root ::= "{text or "x"}"'
        told, _ = lines(thinker_path, path, "--grammar", grammar, "--think-budget", 0, "--max-tokens", 80)
        assert told[0]["answer"].strip() == (text or "x").strip()
        answers.append(told[0]["right"])
    assert answers == [is_right(text, numbers, target) for text, numbers, target in tries]
    assert 5 < sum(answers) < len(answers) - 5


def test_mistakes_are_told_by_line(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bad.jsonl"
    good = '{"question": "a", "answer": "b"}\n'
    for line, word in (
        ("{", "line 2"), ('{"question": "a"}', "answer"), ('{"answer": "a"}', "question"), ("[]", "object"),
        ('{"question": "a", "check": "near", "answer": 1}', "check"), ('{"question": 1e, "answer": 1}', "character"),
        ('{"question": "a", "check": {"countdown": {"target": 1}}}', "numbers"),
        ('{"question": "a", "check": {"countdown": {"numbers": [1], "target": 1.5}}}', "target"),
        ('{"question": "\\ud800", "answer": 1}', "surrogate"),
    ):  # fmt: skip
        path.write_text(good + line + "\n")
        done = evaluate(thinker_path, path)
        assert done.returncode != 0 and word in done.stderr, (line, done.stderr)
        assert "line 2" in done.stderr or "target" in done.stderr, done.stderr
    path.write_text("\n")
    assert "no problem" in evaluate(thinker_path, path).stderr
    assert evaluate(thinker_path, path, "--seed", "0").returncode == 2
    path.write_text(good)
    assert "missing.jsonl" in evaluate(thinker_path, tmp_path / "missing.jsonl").stderr
