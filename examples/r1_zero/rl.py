"""Reinforcement learning on problems with checkable answers: libpensee samples, a rule rewards, GRPO learns.

    python train.py zero --out runs/zero --from runs/base ...       R1-Zero: from the base model, nothing between
    python train.py rl   --out runs/rl   --from runs/cold ...       R1: from the cold start

Rewards are those of R1-Zero (section 2.2.2): the answer is right, and the reply has the form; nothing else. Every
number of a run follows from its seed: problems and samples of a step are drawn by their numbers, whatever ranks and
workers there are. A run that was cut off goes on from its last checkpoint.

With `overlap` the next batch is sampled while this one is learnt from, with weights one step old: the ratio of GRPO
accounts for it, since the engine's own log-probabilities are those of the policy that sampled.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import documents
import evaluate
import grpo
import numpy as np
import pretrain
import ranks
import runs
import tasks
import tokenizer as tokens
import torch
from rollouts import Job, Rollouts, Sample, seed_of

FORM_REWARD = 0.1


def has_form(sample: Sample) -> bool:
    """The thought was closed once, an answer followed, the model ended it, and there is no tag anywhere else."""
    tags = sample.ids[sample.ids < len(tokens.SPECIAL)]
    return sample.ended and tags.tolist() == [tokens.END_THINK] and bool(sample.answer.strip())


def reward(problem: tasks.Problem, sample: Sample) -> tuple[float, bool]:
    """(reward, whether the answer is right)"""
    form = has_form(sample)
    right = form and tasks.is_right(problem, sample.answer)
    return float(right) + FORM_REWARD * form, right


class Curriculum:
    """Which problems are asked. A kind of problem (task and level) whose groups are always right or always wrong
    teaches little, so it comes less often: a kind's share grows with the deviation of its accuracy."""

    def __init__(self, names: Sequence[str], levels: Sequence[int], adaptive: bool, floor: float = 0.15,
                 memory: float = 0.95) -> None:
        self.kinds = [(name, level) for name in names for level in (levels if name != "talk" else (1,))]
        self.accuracy = {f"{name} {level}": 0.5 for name, level in self.kinds}
        self.adaptive, self.floor, self.memory = adaptive, floor, memory

    def draw(self, seed: int, step: int | str, index: int) -> tasks.Problem:
        rng = random.Random(f"problem {seed} {step} {index}")
        weights = [1.0] * len(self.kinds)
        if self.adaptive:
            rates = [self.accuracy[f"{name} {level}"] for name, level in self.kinds]
            weights = [self.floor + 2 * (rate * (1 - rate)) ** 0.5 for rate in rates]
        name, level = rng.choices(self.kinds, weights)[0]
        return tasks.make(name, level, rng)

    def learn(self, told: list[tuple[str, float]]) -> None:
        """told: (kind, accuracy of a group), in the order of the problems."""
        for kind, rate in told:
            self.accuracy[kind] = self.memory * self.accuracy[kind] + (1 - self.memory) * rate


class Asked(NamedTuple):
    """A rank's share of a step."""

    problems: list[tasks.Problem]
    prompts: list[list[int]]
    groups: list[list[Sample]]
    seconds: float
    test: dict[str, Any] | None
    """What the policy that sampled is worth on problems of the test split."""


class Reinforcement:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.run = runs.Run(args.out, args.name)
        ranks.start(args.device)
        self.device = args.device
        torch.set_float32_matmul_precision("high" if args.device == "cuda" else "highest")
        torch.set_num_threads(args.threads or ranks.cores())
        self.tokenizer = tokens.load()
        self.curriculum = Curriculum(args.tasks, args.levels, args.adaptive)
        model = pretrain.load_model(args.start, args.device)
        reference = copy.deepcopy(model).eval().requires_grad_(False) if args.kl > 0 else None
        settings = grpo.Settings(
            clip=args.clip, kl=args.kl, lr=args.lr, warmup=args.warmup, minibatches=args.minibatches,
            tokens=args.tokens or (1 << 16 if args.device == "cuda" else 1 << 13), replay=args.replay,
            balance=args.balance, mtp=args.mtp,
        )  # fmt: skip
        self.trainer = grpo.Trainer(model, reference, settings, args.device, mixed=args.mixed)
        self.step, self.seconds = 0, 0.0
        # With the weights that sampled the batch that is learnt from; `coming` has those that sample the next one.
        self.sampler, self.coming = (
            [copy.deepcopy(model).eval().requires_grad_(False) for _ in range(2)] if args.overlap else (model, model))
        state = self.run.checkpoint(args.device)
        if state is not None:
            self.trainer.load(state["trainer"])
            self.curriculum.accuracy = state["curriculum"]
            self.step, self.seconds = state["step"], state["seconds"]
        self.run.cut_log(self.step)
        workers = args.workers or max(1, ranks.cores() // args.worker_threads)
        folder = runs.engine_folder(args.out / f"engine{ranks.rank()}", model)
        self.rollouts = Rollouts(folder, workers, args.worker_threads, args.in_flight, mtp=False)
        self.ahead = f"model.layers.{model.c.num_hidden_layers}."

    # ---- sampling

    def hand_over(self) -> None:
        state = self.trainer.model.state_dict()
        if self.args.overlap:
            self.sampler, self.coming = self.coming, self.sampler
            self.coming.load_state_dict(state)
        self.rollouts.set_weights({name: w for name, w in state.items() if not name.startswith(self.ahead)})

    def problems(self, step: int) -> list[tasks.Problem]:
        """This rank's share of a step's problems."""
        return [self.curriculum.draw(self.args.seed, step, i) for i in self.mine()]

    def ask(self, step: int, problems: list[tasks.Problem]) -> Asked:
        begin = time.monotonic()
        args = self.args
        prompts = [self.tokenizer.encode(documents.prompt(p.question)).ids for p in problems]
        options = {"max_tokens": args.max_tokens, "temperature": args.temperature, "top_p": 1.0, "top_k": 0,
                   "loop_guard": False, "speculation": "off"}  # fmt: skip
        jobs = [Job(ids, seed_of(args.seed, step, i), args.samples, options) for i, ids in zip(self.mine(), prompts)]
        groups = self.rollouts.sample(jobs)
        seconds = time.monotonic() - begin
        every = args.test_every
        return Asked(problems, prompts, groups, seconds, self.test() if every and step % every == 0 else None)

    def test(self) -> dict[str, Any] | None:
        """Rank 0's workers have time for it; the training itself never learns of it."""
        if ranks.rank() > 0:
            return None
        asked = evaluate.problems(self.args.test_per_task, 0, self.args.tasks)
        options = {"temperature": 0.6, "top_p": 0.95, "max_tokens": self.args.max_tokens}
        result = evaluate.evaluate(self.rollouts, asked, 1, **options)
        told = result.numbers()
        return {"test": told["accuracy"], "test_thought": told["thought"], "by": told["by"]}

    def mine(self) -> range:
        return range(ranks.rank(), self.args.prompts, ranks.count())

    # ---- learning

    def learn(self, asked: Asked) -> dict[str, Any]:
        problems, prompts, groups = asked[:3]
        judged = [[reward(problem, sample) for sample in group] for problem, group in zip(problems, groups)]
        rewards = torch.tensor([[r for r, _ in group] for group in judged], dtype=torch.float64)
        minibatches: list[list[grpo.Row]] = [[] for _ in range(self.args.minibatches)]
        advantages = grpo.advantages(rewards)
        for k, (i, prompt, group) in enumerate(zip(self.mine(), prompts, groups)):
            for sample, advantage in zip(group, advantages[k].tolist()):
                row = grpo.row_of(prompt, sample, tokens.END)
                row.advantage = advantage
                minibatches[i * len(minibatches) // self.args.prompts].append(row)
        told = self.trainer.parity(self.sampler, _some([row for rows in minibatches for row in rows], self.args.parity))
        told |= self.trainer.step(minibatches, 1 - 0.9 * self.fraction())
        samples = [sample for group in groups for sample in group]
        sums = torch.tensor([
            len(samples), rewards.sum().item(), sum(right for group in judged for _, right in group),
            sum(map(has_form, samples)), sum(s.thought_tokens for s in samples), sum(len(s.ids) for s in samples),
            sum(not s.ended for s in samples), (advantages.abs().sum(1) > 0).sum().item() * self.args.samples,
        ], dtype=torch.float64)  # fmt: skip
        count, total, right, formed, thought, length, cut, telling = ranks.add(sums.to(self.device)).tolist()
        load = self.load(samples)
        self.trainer.balance(load)
        marks = [(i, f"{p.task} {p.level}", float(np.mean([r for _, r in group])))
                 for i, p, group in zip(self.mine(), problems, judged)]  # fmt: skip
        marks = sorted(mark for part in ranks.gather(marks) for mark in part)
        self.curriculum.learn([mark[1:] for mark in marks])
        share = load / load.sum(1, keepdim=True).clamp_min(1)
        return told | {
            "reward": total / count, "accuracy": right / count, "form": formed / count, "thought": thought / count,
            "length": length / count, "cut": cut / count, "telling": telling / count, "rollout_tokens": int(length),
            "load": [[round(x, 4) for x in layer] for layer in share.tolist()],
        }  # fmt: skip

    def load(self, samples: list[Sample]) -> torch.Tensor:
        """[layers, experts]: how often each expert was chosen, by the engine's word."""
        count = self.trainer.model.c.n_routed_experts
        chosen = np.concatenate([s.experts for s in samples if s.experts is not None])
        load = np.stack([np.bincount(layer.ravel(), minlength=count) for layer in chosen.transpose(1, 0, 2)])
        return ranks.add(torch.from_numpy(load).double().to(self.device)).cpu()

    # ---- the run

    def fraction(self) -> float:
        """Of the run that is over."""
        done = [self.step / self.args.steps if self.args.steps else 0.0]
        if self.args.seconds:
            done.append(ranks.agree(self.seconds) / self.args.seconds)
        return min(1.0, max(done))

    def save(self) -> None:
        if ranks.rank() == 0:
            self.run.save({"trainer": self.trainer.state(), "curriculum": self.curriculum.accuracy, "step": self.step,
                           "seconds": self.seconds, "config": self.trainer.model.c.published()})  # fmt: skip

    def loop(self) -> None:
        args, begin, before = self.args, time.monotonic(), self.seconds
        saved = begin
        bar = runs.bar(args.steps, self.step, hidden=ranks.rank() > 0)
        self.hand_over()
        with ThreadPoolExecutor(1) as thread:
            coming: Future[Asked] = thread.submit(self.ask, self.step, self.problems(self.step))
            while self.fraction() < 1:
                started = time.monotonic()
                asked = coming.result()
                waited = time.monotonic() - started
                if args.overlap:
                    self.hand_over()
                    coming = thread.submit(self.ask, self.step + 1, self.problems(self.step + 1))
                learning = time.monotonic()
                told = self.learn(asked)
                now = time.monotonic()
                self.step += 1
                self.seconds = before + now - begin
                told = {"step": self.step, "seconds": self.seconds, "rollout_seconds": asked.seconds, "waited": waited,
                        "learn_seconds": now - learning} | told  # fmt: skip
                if ranks.rank() == 0:
                    if asked.test is not None:  # before the step
                        self.run.log({"step": self.step - 1, "seconds": self.seconds} | asked.test)
                    self.run.log(told)
                    bar.set_postfix(reward=f"{told['reward']:.3f}", right=f"{told['accuracy']:.3f}",
                                    thought=f"{told['thought']:.0f}", kl=f"{told['kl']:.3f}")  # fmt: skip
                    bar.update()
                reference = self.trainer.reference
                if args.reference_every and self.step % args.reference_every == 0 and reference is not None:
                    reference.load_state_dict(self.trainer.model.state_dict())
                if ranks.agree(time.monotonic() - saved > args.save_every):
                    self.save()
                    saved = time.monotonic()
                if not args.overlap and self.fraction() < 1:
                    self.hand_over()
                    coming = thread.submit(self.ask, self.step, self.problems(self.step))
        self.save()
        if args.test_every:
            self.hand_over()
        if args.test_every and ranks.rank() == 0:
            self.run.log({"step": self.step, "seconds": self.seconds} | self.test())
        if ranks.rank() == 0:
            pretrain.save_model(self.trainer.model, self.run.model_path, stage=args.name, step=self.step)
        bar.close()


def _some(rows: list[grpo.Row], count: int) -> list[grpo.Row]:
    """Spread over the batch."""
    return rows[:: max(1, len(rows) // max(count, 1))][:count]


def reinforce(args: argparse.Namespace) -> Path:
    if not args.steps and not args.seconds:
        raise SystemExit("--steps or --seconds must say when to stop")
    reinforcement = Reinforcement(args)
    try:
        reinforcement.loop()
    finally:
        reinforcement.rollouts.close()
        ranks.stop()
    return args.out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True)
    add("--from", dest="start", type=Path, required=True, help="run to start from: a folder or its checkpoint")
    add("--steps", type=int, default=0)
    add("--seconds", type=float, default=0.0, help="of training, those before a resumption included")
    add("--prompts", type=int, default=128, help="a step, all ranks together")
    add("--samples", type=int, default=8, help="of each prompt")
    add("--max-tokens", type=int, default=400)
    add("--temperature", type=float, default=1.0)
    add("--minibatches", type=int, default=2)
    add("--lr", type=float, default=2e-4)
    add("--warmup", type=int, default=3, help="steps")
    add("--clip", type=float, default=0.2)
    add("--kl", type=float, default=0.001)
    add("--reference-every", type=int, default=0, help="steps after which the reference becomes the policy; 0: never")
    add("--mtp", type=float, default=0.1, help="weight of the prediction layer's own loss")
    add("--balance", type=float, default=0.0, help="speed of the router's bias")
    add("--no-replay", dest="replay", action="store_false", help="let the router choose again in training")
    add("--uniform", dest="adaptive", action="store_false", help="all kinds of problems equally often")
    add("--tasks", nargs="*", choices=tasks.NAMES, default=[name for name in tasks.NAMES if name != "talk"])
    add("--levels", nargs="*", type=int, choices=tasks.LEVELS, default=tasks.LEVELS)
    add("--overlap", action="store_true", help="sample the next batch meanwhile")
    add("--workers", type=int, default=0, help="processes that sample; 0: one for each core")
    add("--worker-threads", type=int, default=1)
    add("--in-flight", type=int, default=16, help="prompts that a worker has at the same time")
    add("--tokens", type=int, default=0, help="of a forward pass; 0: 8,192, or 65,536 on a GPU")
    add("--parity", type=int, default=8, help="replies whose log-probabilities are compared in float32 each step")
    add("--test-every", type=int, default=0, help="steps between tests on problems apart; 0: none")
    add("--test-per-task", type=int, default=30)
    add("--save-every", type=float, default=120.0, help="seconds")
    add("--seed", type=int, default=1)
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--threads", type=int, default=0, help="of PyTorch; 0: all cores")
    add("--mixed", action="store_true", help="train in bfloat16")
