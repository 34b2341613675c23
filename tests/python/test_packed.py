"""Packed files from Python and the command: the same replies, pages that processes share, errors by name."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import GOLDENS

import pensee

CLI = os.environ.get("PENSEE_CLI") or shutil.which("pensee")


def test_a_packed_model_replies_as_its_original(thinker: pensee.Model, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "thinker.pensee"
    thinker.save_packed(path)
    before = thinker.ask("Is 221 prime?", max_tokens=80, seed=5)
    with pensee.Model(path, threads=2) as model:
        after = model.ask("Is 221 prime?", max_tokens=80, seed=5)
        assert after.token_ids == before.token_ids and after.thought == before.thought
        ids = model.tokenize("The same numbers?")
        assert np.array_equal(model.logits(ids), thinker.logits(ids))
        memory = model.memory()
        assert memory.mapped == model.info.weight_bytes == thinker.info.weight_bytes and memory.weights == 0
        assert thinker.memory().mapped == 0 and memory.used < thinker.memory().used
    with pensee.Model(path, threads=2, packed_file="read") as model:
        assert model.memory().mapped == 0 and model.memory().weights == model.info.weight_bytes
        assert np.array_equal(model.logits(ids), thinker.logits(ids))


def test_progress_can_cancel_and_may_raise(thinker: pensee.Model, tmp_path: pathlib.Path) -> None:
    told: list[float] = []
    thinker.save_packed(tmp_path / "a", progress=told.append)  # type: ignore[arg-type]
    assert told[0] == 0 and told[-1] == 1
    with pytest.raises(pensee.Error) as error:
        thinker.save_packed(tmp_path / "b", progress=lambda fraction: False)
    assert error.value.status == pensee.Status.CANCELLED

    def fails(fraction: float) -> bool:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        thinker.save_packed(tmp_path / "b", progress=fails)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_errors_name_the_file(thinker: pensee.Model, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cut.pensee"
    thinker.save_packed(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(pensee.Error, match="cut.pensee") as error:
        pensee.Model(path)
    assert error.value.status == pensee.Status.FILE_CORRUPT
    with pytest.raises(pensee.Error, match="nowhere"):
        thinker.save_packed(tmp_path / "nowhere" / "model")
    with pytest.raises(pensee.BadArgument, match="packed_file"):
        pensee.Model(path, packed_file="share")  # type: ignore[arg-type]


def mapped_pages(name: str) -> dict[str, int]:
    """Of this process's mappings of the file: kilobytes by kind, from /proc/self/smaps."""
    kinds = {"Rss": 0, "Shared_Clean": 0, "Private_Clean": 0, "Private_Dirty": 0}
    inside = False
    for line in pathlib.Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inside = line.endswith(name)
        elif inside and words[0][:-1] in kinds:
            kinds[words[0][:-1]] += int(words[1])
    return kinds


def hold(path: str, told: multiprocessing.queues.Queue[dict[str, int]], together: multiprocessing.synchronize.Barrier,
         ) -> None:  # fmt: skip
    with pensee.Model(path, threads=1) as model:
        model.logits(list(range(32)))
        together.wait(120)
        told.put(mapped_pages(os.path.basename(path)))
        together.wait(120)  # who lets go first makes the pages the other's own


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="Linux alone tells which pages are shared")
def test_two_processes_share_the_pages(slow_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "shared.pensee"
    with pensee.Model(slow_path, threads=2) as model:
        model.save_packed(path)
        weights = model.info.weight_bytes
    spawn = multiprocessing.get_context("spawn")
    told, together = spawn.Queue(), spawn.Barrier(2)
    both = [spawn.Process(target=hold, args=(str(path), told, together)) for _ in range(2)]
    for process in both:
        process.start()
    for _ in both:
        pages = told.get(timeout=120)
        assert pages["Rss"] * 1024 > weights / 2, pages  # the pass touched them
        assert pages["Shared_Clean"] > 0.9 * pages["Rss"] and pages["Private_Dirty"] == 0, pages
    for process in both:
        process.join(60)


@pytest.mark.skipif(CLI is None, reason="no pensee command: set PENSEE_CLI")
def test_the_command_packs_and_runs(thinker_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert CLI is not None
    out = tmp_path / "out.pensee"
    packed = subprocess.run([CLI, "pack", str(thinker_path), str(out)], capture_output=True, text=True, check=False)
    assert packed.returncode == 0 and str(out) in packed.stderr, packed.stderr
    question = ["Hello?", "--seed", "3", "--max-tokens", "20", "--no-stats"]
    replies = [
        subprocess.run([CLI, "run", str(model), *question, *more], capture_output=True, text=True, check=True).stdout
        for model, more in ((thinker_path, []), (out, []), (out, ["--packed-file", "verify"]))
    ]
    assert replies[0] and replies.count(replies[0]) == 3
    inspected = subprocess.run([CLI, "inspect", str(out)], capture_output=True, text=True, check=True).stdout
    assert "Qwen2".lower() in inspected.lower()


def test_a_file_of_the_golden_mixture_is_opened_by_a_new_process(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mixture.pensee"
    with pensee.Model(GOLDENS / "v3_mtp", threads=2) as model:
        model.save_packed(path)
        expected = model.logits([5, 17, 99, 42])
    np.save(tmp_path / "expected.npy", expected)
    program = textwrap.dedent("""
        import sys, numpy, pensee
        model = pensee.Model(sys.argv[1], threads=1)
        assert model.info.num_mtp_layers == 1
        assert numpy.array_equal(model.logits([5, 17, 99, 42]), numpy.load(sys.argv[2]))
    """)
    subprocess.run([sys.executable, "-c", program, str(path), str(tmp_path / "expected.npy")], check=True)
