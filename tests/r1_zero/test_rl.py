"""Reinforcement learning as a whole: the engine samples, the trainer learns, and both agree on what was sampled."""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest
from conftest import SMALL

torch = pytest.importorskip("torch")
pytest.importorskip("pensee")

import documents  # noqa: E402
import grpo  # noqa: E402
import model as architecture  # noqa: E402
import pretrain  # noqa: E402
import rl  # noqa: E402
import runs  # noqa: E402
import tokenizer as tokens  # noqa: E402
import toy  # noqa: E402
from rollouts import Job, Rollouts  # noqa: E402

OPTIONS = {"max_tokens": 24, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "loop_guard": False, "speculation": "off"}


def jobs() -> list[Job]:
    tokenizer = tokens.load()
    asked = [toy.problem(random.Random(i)) for i in range(5)]
    return [Job(tokenizer.encode(documents.prompt(p.question)).ids, 100 + i, 3, OPTIONS) for i, p in enumerate(asked)]


def test_samples_depend_on_seeds_and_weights_alone_and_agree_with_the_trainer(mixture, tmp_path: pathlib.Path) -> None:
    folder = runs.engine_folder(tmp_path / "engine", mixture)
    ahead = f"model.layers.{mixture.c.num_hidden_layers}."
    with Rollouts(folder, workers=1, mtp=False) as one, Rollouts(folder, workers=2, in_flight=1, mtp=False) as two:
        first = one.sample(jobs())
        with torch.no_grad():
            for weight in mixture.parameters():
                weight += 0.05 * weight.abs().mean() * torch.randn_like(weight)
        weights = {name: w for name, w in mixture.state_dict().items() if not name.startswith(ahead)}
        for rollouts in (one, two):
            rollouts.set_weights(weights)
        groups, others = one.sample(jobs()), two.sample(jobs())
    assert [[s.ids.tolist() for s in group] for group in groups] == [[s.ids.tolist() for s in g] for g in others]
    assert [[s.ids.tolist() for s in group] for group in groups] != [[s.ids.tolist() for s in g] for g in first]
    for a, b in zip((s for group in groups for s in group), (s for group in others for s in group)):
        assert np.array_equal(a.logprobs, b.logprobs) and np.array_equal(a.experts, b.experts)
    rows = [grpo.row_of(job.prompt, s, tokens.END) for job, group in zip(jobs(), groups) for s in group]
    told = grpo.Trainer(mixture, None, grpo.Settings(), "cpu").parity(mixture, rows)
    assert told["parity"] < 1e-4
    assert told["rerouted"] < 0.01
    wrong = [grpo.Row(r.ids, r.first, r.old - 0.01, r.experts) for r in rows]
    assert grpo.Trainer(mixture, None, grpo.Settings(), "cpu").parity(mixture, wrong)["parity"] > 5e-3


@pytest.fixture
def start(mixture, tmp_path: pathlib.Path) -> pathlib.Path:
    pretrain.save_model(mixture, tmp_path / "start.pt")
    return tmp_path / "start.pt"


def test_run_cut_off_and_resumed_equals_one_straight(start, tmp_path: pathlib.Path, monkeypatch) -> None:
    monkeypatch.setattr(rl, "reward", toy.evenness)
    given = ["--from", start, "--steps", 4, "--save-every", 0, "--test-every", 2, "--test-per-task", 1]
    toy.run(toy.arguments("--out", tmp_path / "straight", *given))
    log = runs.Run.log

    def log_until_third(run: runs.Run, line: dict) -> None:
        log(run, line)
        if line["step"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "log", log_until_third)
        with pytest.raises(KeyboardInterrupt):
            toy.run(toy.arguments("--out", tmp_path / "cut", *given))
    toy.run(toy.arguments("--out", tmp_path / "cut", *given))
    one, other = (pretrain.load_model(tmp_path / name / "zero.pt").state_dict() for name in ("straight", "cut"))
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name
    logs = [[{k: v for k, v in line.items() if "seconds" not in k and k != "waited"} for line in runs.log_of(folder)]
            for folder in (tmp_path / "straight", tmp_path / "cut")]  # fmt: skip
    assert [(line["step"], "test" in line) for line in logs[0]] == [
        (0, True), (1, False), (2, False), (2, True), (3, False), (4, False), (4, True)]  # fmt: skip
    assert logs[0] == logs[1]


def test_parity_is_with_the_weights_that_sampled_when_sampling_overlaps(start, tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.setattr(rl, "reward", toy.evenness)
    given = ["--from", start, "--steps", 4, "--lr", 1e-2, "--warmup", 0]
    toy.run(toy.arguments("--out", tmp_path / "run", "--overlap", *given))
    lines = runs.log_of(tmp_path / "run")
    assert max(line["parity"] for line in lines) < 1e-4
    assert lines[1]["shift"] > 0.01  # the policy has moved on: its own numbers would not do


def test_two_ranks_learn_what_one_learns(start, tmp_path: pathlib.Path) -> None:
    given = ["--from", str(start), "--steps", "3"]
    script = str(pathlib.Path(toy.__file__))
    subprocess.run([sys.executable, script, "--out", str(tmp_path / "one"), *given], check=True, timeout=300)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
                "--master-port", "29533", script]  # fmt: skip
    subprocess.run([*torchrun, "--out", str(tmp_path / "two"), *given], check=True, timeout=300)
    logs = [runs.log_of(tmp_path / name) for name in ("one", "two")]
    for one, two in zip(*logs, strict=True):
        assert one["reward"] == pytest.approx(two["reward"], abs=0.02)
        assert one["kl"] == pytest.approx(two["kl"], abs=1e-3)
    assert logs[0][0]["reward"] == logs[1][0]["reward"]  # the first step's samples are the same ones
    before = pretrain.load_model(start).state_dict()
    one, two = (pretrain.load_model(tmp_path / name / "zero.pt").state_dict() for name in ("one", "two"))
    # Adam's first steps are signs: where a gradient is all but 0, its rounding shows. So norms, not single weights.
    moved, apart = (torch.cat([(one[name] - other[name]).flatten() for name in one]).norm() for other in (before, two))
    assert apart < 0.1 * moved


def test_rewards_go_up(tmp_path: pathlib.Path) -> None:
    """From documents of which half are wrong to answers that are right: by reinforcement alone."""
    torch.manual_seed(3)
    torch.set_num_threads(1)
    base = architecture.DeepseekV3(architecture.Config(**SMALL))
    settings = pretrain.Settings(rows=16, length=128, steps=120, workers=0)
    pretrain.fit(base, toy.half_right, settings, tmp_path / "base", "base")
    given = ["--out", tmp_path / "zero", "--from", tmp_path / "base" / "base.pt", "--steps", 16, "--prompts", 24]
    toy.run(toy.arguments(*given, "--samples", 8, "--max-tokens", 24, "--lr", 1e-3))
    lines = runs.log_of(tmp_path / "zero")
    accuracy = [line["accuracy"] for line in lines if "accuracy" in line]
    print(json.dumps([round(x, 2) for x in accuracy]))
    assert max(line["parity"] for line in lines) < 1e-3
    assert np.mean(accuracy[-3:]) > np.mean(accuracy[:2]) + 0.2
