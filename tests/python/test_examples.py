"""The Python block of README.md and examples/python run as they stand, on the small thinking model; and the calculator
in C, where there is a C compiler and a library to link with."""

from __future__ import annotations

import json
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

import pensee

EXAMPLES = ROOT / "examples" / "python"
QUESTION = "Is 221 prime?"


def run(*command: str | pathlib.Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, errors="replace", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def readme_programs() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


def test_readme_shows_a_program() -> None:
    assert readme_programs()


@pytest.mark.parametrize("program", readme_programs())
def test_readme_program(program: str, thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (tmp_path / "readme.py").write_text(program, encoding="utf-8")
    out = run(tmp_path / "readme.py", thinker_path)
    with pensee.Model(thinker_path, skip_weights=True) as model:
        assert out.rstrip().endswith(str((3, model.info.vocab_size)))


def test_every_example_is_tested_here() -> None:
    names = {"ask.py", "async_chat.py", "calculator.py", "chat.py", "json_schema.py", "talk.py", "vote.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == names


def test_ask_closes_the_thought_and_tells_what_it_cost(thinker_path: pathlib.Path) -> None:
    out = run(EXAMPLES / "ask.py", thinker_path, QUESTION, "--think-budget", "30", "--max-tokens", "160")
    counts = re.search(r"(\d+) tokens of thought, (\d+) of answer, [\d.]+ tokens/s, ended by (\w+)", out)
    assert counts is not None, out
    thought, answer = int(counts.group(1)), int(counts.group(2))
    assert thought >= 30
    assert answer > 0
    assert thought + answer <= 160


def test_ask_says_what_is_wrong_with_a_model(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, str(EXAMPLES / "ask.py"), str(tmp_path / "none.gguf"), QUESTION]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "none.gguf" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupting_ask_ends_the_thought_and_the_answer_follows(slow_path: pathlib.Path) -> None:
    command = [sys.executable, "-u", str(EXAMPLES / "ask.py"), str(slow_path), QUESTION, "--max-tokens", "120"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # the thought has begun
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    counts = re.search(rb"(\d+) tokens of thought, (\d+) of answer", rest)
    assert counts is not None, rest
    assert int(counts.group(2)) > 0


def test_async_chat_holds_two_conversations(thinker_path: pathlib.Path) -> None:
    out = run(EXAMPLES / "async_chat.py", thinker_path, "What is gravity?", "Name three rivers.", "--max-tokens", "20")
    turns = re.findall(r"^\[conversation (\d), turn (\d)\]", out, re.M)
    assert sorted(turns) == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]
    remembered = [int(n) for n in re.findall(r"(\d+) of them remembered", out)]
    assert len(remembered) == 4
    assert max(remembered) > 0


def test_chat_keeps_the_conversation(thinker_path: pathlib.Path) -> None:
    command = [sys.executable, str(EXAMPLES / "chat.py"), str(thinker_path), "40", "7"]
    questions = 'Is 221 prime?\n\nIs "\U0001f600" \\ prime?\r\nWhy?'.encode()
    talks = [subprocess.run(command, input=questions, capture_output=True, timeout=300, check=True) for _ in range(2)]
    pattern = rb"^\[(\d+) of (\d+) prompt tokens kept, (\d+) of thought, (\d+) of answer\]$"
    turns = re.findall(pattern, talks[0].stdout, re.M)
    assert [int(turn[0]) > 0 for turn in turns] == [False, True, True]
    assert all(int(turn[2]) >= 20 and int(turn[2]) + int(turn[3]) <= 40 for turn in turns)
    assert talks[0].stdout.startswith(b"> \033[2m")
    assert talks[0].stdout == talks[1].stdout


@pytest.mark.usefixtures("forms")
def test_calculator_answers_without_a_call_and_after_one(thinker_path: pathlib.Path) -> None:
    command: list[str | pathlib.Path] = [EXAMPLES / "calculator.py", thinker_path, "What is 12 * 4?", "--max-tokens"]
    assert "[calculate" not in run(*command, "60", "--tool-choice", "none")
    out = run(*command, "400", "--tool-choice", "required")
    call = re.search(r"^\[calculate\((\{.*\})\)\]$", out, re.M)
    assert call is not None, out
    arguments = json.loads(call.group(1))
    assert set(arguments) == {"a", "op", "b"}
    assert re.search(r"^\[= .+\]$", out, re.M)


def test_vote_shows_the_distribution(thinker_path: pathlib.Path) -> None:
    out = run(EXAMPLES / "vote.py", thinker_path, QUESTION, "-n", "4", "--max-tokens", "30")
    assert re.search(r"^4 replies, \d of them stopped early; \d+ tokens\. Answer: ", out, re.M)
    confident = run(EXAMPLES / "vote.py", thinker_path, QUESTION, "-n", "4", "--max-tokens", "30", "--confidence")
    assert "Answer: " in confident


def test_a_talk_of_ten_turns_computes_only_what_is_new(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "talk.session"
    out = run(EXAMPLES / "talk.py", thinker_path, "--max-tokens", "20", "--save", path)
    rows = [list(map(int, row)) for row in re.findall(r"^ *(\d+) +(\d+) +(\d+) +(\d+) +[\d.]+ s", out, re.M)]
    assert [row[0] for row in rows] == list(range(1, 11))
    for _, prompt, kept, computed in rows[1:]:
        assert kept + computed == prompt
        assert kept > computed / 2
    assert rows[-1][2] > rows[1][2]
    restored = re.search(r"(\d+) tokens restored from .*, of (\d+)", out)
    assert restored is not None and restored.group(1) == restored.group(2)


@pytest.mark.usefixtures("forms")
def test_json_schema_prints_each_member(thinker_path: pathlib.Path) -> None:
    out = run(EXAMPLES / "json_schema.py", thinker_path, QUESTION, "--max-tokens", "600")
    assert re.fullmatch(
        r"verdict: (yes|no|unsure)\ncertain: (True|False)\nkind: (arithmetic|history|other)\n", out
    ), out
