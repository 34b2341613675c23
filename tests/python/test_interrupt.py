"""Ctrl-C: SIGINT to a process that loads, computes or generates raises KeyboardInterrupt there, soon."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to one process")

PRELUDE = """
import sys, time
import pensee
def report(stage, begin):
    print(stage, time.monotonic() - begin, flush=True)
"""


def interrupt(script: str, path: pathlib.Path) -> tuple[str, float]:
    """Runs `script`, sends SIGINT once it says "ready"; the rest of its output and the seconds until it ended."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        time.sleep(0.2)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 0
        return out.strip(), time.monotonic() - begin


def test_while_generating(thinker_path: pathlib.Path) -> None:
    out, seconds = interrupt(
        """
        model = pensee.Model(sys.argv[1])
        print("ready", flush=True)
        try:
            while True:
                for event in model.generate("Hi", temperature=0):
                    pass
        except KeyboardInterrupt:
            print("interrupted")
        """,
        thinker_path,
    )
    assert out == "interrupted"
    assert seconds < 5


def test_while_the_prompt_is_computed(slow_path: pathlib.Path) -> None:
    out, seconds = interrupt(
        """
        model = pensee.Model(sys.argv[1])
        session = model.session()
        print("ready", flush=True)
        try:
            while True:
                model.ask([5] * 2000, max_tokens=1)
        except KeyboardInterrupt:
            print("interrupted")
        assert session.ask([5] * 3, max_tokens=2).token_ids  # the model is as usable as before
        """,
        slow_path,
    )
    assert out == "interrupted"
    assert seconds < 10


def test_while_loading(slow_path: pathlib.Path) -> None:
    out, seconds = interrupt(
        """
        print("ready", flush=True)
        try:
            while True:
                pensee.Model(sys.argv[1]).close()
        except KeyboardInterrupt:
            print("interrupted")
        """,
        slow_path,
    )
    assert out == "interrupted"
    assert seconds < 5


def test_while_scoring(slow_path: pathlib.Path) -> None:
    out, _ = interrupt(
        """
        model = pensee.Model(sys.argv[1])
        print("ready", flush=True)
        try:
            while True:
                model.logits([5] * 200)
        except KeyboardInterrupt:
            print("interrupted")
        """,
        slow_path,
    )
    assert out == "interrupted"


def test_while_an_event_loop_waits(thinker_path: pathlib.Path) -> None:
    out, seconds = interrupt(
        """
        import asyncio
        model = pensee.Model(sys.argv[1])
        async def main():
            print("ready", flush=True)
            while True:
                await model.ask_async("Hi", temperature=0)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """,
        thinker_path,
    )
    assert out == "interrupted"
    assert seconds < 5


def test_leaving_while_streams_run_is_quiet(thinker_path: pathlib.Path) -> None:
    script = """
    import asyncio
    lines = []
    model = pensee.Model(sys.argv[1], log=lambda level, text: lines.append(text))
    stream = model.generate("Hi", temperature=0)
    next(stream)
    async def main():
        global left
        left = model.generate("Hi", temperature=0)
        await left.__anext__()
    asyncio.run(main())
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-X", "dev", "-c", PRELUDE + textwrap.dedent(script), str(thinker_path)]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
