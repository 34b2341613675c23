"""The Python block of README.md and examples/python run as they stand, on the small thinking model."""

from __future__ import annotations

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
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"ask.py", "async_chat.py"}


def test_ask_closes_the_thought_and_tells_what_it_cost(thinker_path: pathlib.Path) -> None:
    out = run(EXAMPLES / "ask.py", thinker_path, QUESTION, "--think-budget", "30", "--max-tokens", "60")
    counts = re.search(r"(\d+) tokens of thought, (\d+) of answer, [\d.]+ tokens/s, ended by (\w+)", out)
    assert counts is not None, out
    thought, answer = int(counts.group(1)), int(counts.group(2))
    assert thought >= 30
    assert answer > 0
    assert thought + answer <= 60


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
