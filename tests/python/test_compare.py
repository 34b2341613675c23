"""tests/bench/compare.py with a peer whose numbers are known: what it runs, pairs, and divides."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
CLI = os.environ.get("PENSEE_CLI") or shutil.which("pensee")
THINKER = ROOT / "tests" / "scenarios" / "thinker.gguf"
# Says what llama-bench says: 100 tokens a second at depth 0 and 50 deeper, twice as many for prompts.
PEER = """#!/usr/bin/env python3
import sys
value = lambda flag: sys.argv[sys.argv.index(flag) + 1]
for depth in map(int, value("-d").split(",")):
    for prompt, answer in ((int(value("-p")), 0), (0, int(value("-n")))):
        speed = (100 if depth == 0 else 50) * (2 if prompt else 1)
        print('{"n_prompt": %d, "n_gen": %d, "n_depth": %d, "avg_ts": %f}' % (prompt, answer, depth, speed))
"""

# The same as ik_llama.cpp says it, which knows no -d.
IK_PEER = """#!/usr/bin/env python3
import json, sys
value = lambda flag: sys.argv[sys.argv.index(flag) + 1]
assert "-d" not in sys.argv and value("-mla") == "3"
deep = [sys.argv[i + 1].split(",") for i, word in enumerate(sys.argv) if word == "-gp"]
rows = [("pp" + value("-p"), 200), ("tg" + value("-n"), 100)] + [(f"tg{tokens}@pp{at}", 50) for at, tokens in deep]
print(json.dumps([{"test": test, "avg_ts": speed} for test, speed in rows]))
"""

pytestmark = pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tests/bench/compare.py"), str(THINKER), "--pensee", str(CLI), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_each_ratio_is_ours_over_theirs(tmp_path: pathlib.Path) -> None:
    peer = tmp_path / "llama-bench"
    peer.write_text(PEER)
    peer.chmod(0o755)
    kept = tmp_path / "rounds.json"
    done = compare("--peer", f"known={peer}", "--prompt", "16", "--tokens", "4", "--depth", "0,8", "--rounds", "2",
                   "--json", str(kept))  # fmt: skip
    assert done.returncode == 0, done.stderr
    rounds = json.loads(kept.read_text())["rounds"][str(THINKER)]
    assert len(rounds["pensee"]) == len(rounds["known"]) == 2
    for work, depth, theirs in (("prompt", 0, 200), ("decode", 0, 100), ("prompt", 8, 100), ("decode", 8, 50)):
        ours = max(one[f"{work} {depth}"] for one in rounds["pensee"])
        row = re.search(rf"\| {work} at {depth} \| (\S+) \| (\d+|\d+\.\d+) \((\S+)\) \|", done.stdout)
        assert row, done.stdout
        assert float(row[2]) == theirs
        assert float(row[3]) == pytest.approx(ours / theirs, abs=0.006)


def test_ik_llama_decodes_after_prompts(tmp_path: pathlib.Path) -> None:
    peer = tmp_path / "llama-bench"
    peer.write_text(IK_PEER)
    peer.chmod(0o755)
    done = compare("--peer", f"ik_llama.cpp={peer}", "--prompt", "16", "--tokens", "4", "--depth", "0,8",
                   "--rounds", "1")  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    for row, theirs in (("prompt at 0", "200"), ("decode at 0", "100"), ("decode at 8", "50.0")):
        assert re.search(rf"\| {row} \| \S+ \| {theirs} \(", done.stdout), done.stdout
    assert re.search(r"\| prompt at 8 \| \S+ \| - \|", done.stdout), done.stdout


def test_a_peer_that_fails_is_told_and_left_out(tmp_path: pathlib.Path) -> None:
    peer = tmp_path / "llama-bench"
    peer.write_text("#!/bin/sh\necho unknown architecture >&2\nexit 3\n")
    peer.chmod(0o755)
    done = compare("--peer", f"broken={peer}", "--prompt", "8", "--tokens", "2", "--rounds", "1")
    assert done.returncode == 0
    assert "unknown architecture" in done.stderr and "exit status 3" in done.stderr
    assert re.search(r"\| decode at 0 \| \S+ \| - \|", done.stdout), done.stdout


def test_together_counts_what_decodes_together() -> None:
    command = [sys.executable, str(ROOT / "tests/bench/together.py"), str(THINKER), "4", "8", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert float(done.stdout) > 0
