"""Rejection sampling (DeepSeek-R1, section 2.3.3): the model answers many problems, and what is right is kept.

    python train.py reject --out runs/sft --from runs/rl/rl.pt --into runs/base/base.pt --problems 50000 --steps 800

A reply is kept if its answer is right and it has the form; of a problem at most --keep different ones, the shorter ones
first, so that thoughts do not grow by chance. `collect` is used by distill.py, too.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import documents
import pretrain
import ranks
import rl
import runs
import tasks
import tokenizer as tokens
import torch
from rollouts import Job, Rollouts, seed_of
from tqdm import tqdm

ROUND = 512  # problems between two looks at the clock


def kept_of(problem: tasks.Problem, samples: list, most: int) -> list[str]:
    """The documents that are worth learning."""
    right = [s for s in samples if rl.reward(problem, s)[1]]
    replies = dict.fromkeys(documents.reply(s.thought, s.answer) for s in sorted(right, key=lambda s: len(s.ids)))
    return [documents.prompt(problem.question) + reply for reply in list(replies)[:most]]


def collect(args: argparse.Namespace, path: Path) -> None:
    """Appends what is kept to `path` until there are --problems asked or --collect-seconds over; goes on where an
    earlier call stopped."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    first, spent = (lines[-1]["next"], lines[-1]["seconds"]) if lines else (0, 0.0)
    if args.problems and first >= args.problems or args.collect_seconds and spent >= args.collect_seconds:
        return
    curriculum = rl.Curriculum(args.tasks, args.levels, adaptive=False)
    tokenizer = tokens.load()
    options = {"max_tokens": args.max_tokens, "temperature": args.temperature, "top_p": args.top_p, "top_k": 0,
               "loop_guard": False, "speculation": "off"}  # fmt: skip
    if args.start.suffix == ".gguf":  # such as the model that is shipped
        folder = args.start
    else:
        folder = runs.engine_folder(args.out / "engine", pretrain.load_model(args.start))
    begin, asked, right = time.monotonic() - spent, 0, 0
    with (
        Rollouts(folder, args.workers_of_rollouts, args.worker_threads, args.in_flight, mtp=False) as rollouts,
        tqdm(initial=first, total=args.problems or None, unit=" problems") as bar,
        path.open("a") as file,
    ):
        while True:
            last = min(first + ROUND, args.problems or first + ROUND)
            problems = [curriculum.draw(args.seed, "collect", i) for i in range(first, last)]
            prompts = [tokenizer.encode(documents.prompt(p.question)).ids for p in problems]
            jobs = [Job(ids, seed_of(args.seed, "collect", i), args.samples, options)
                    for i, ids in enumerate(prompts, first)]  # fmt: skip
            made = []
            for problem, samples in zip(problems, rollouts.sample(jobs)):
                kept = kept_of(problem, samples, args.keep)
                asked, right = asked + 1, right + bool(kept)
                made += [{"task": problem.task, "level": problem.level, "text": text} for text in kept]
            first, seconds = last, time.monotonic() - begin
            for line in made:
                file.write(json.dumps(line | {"next": first, "seconds": round(seconds, 1)}, ensure_ascii=False) + "\n")
            file.flush()
            bar.update(last - bar.n)
            bar.set_postfix(solved=f"{right / asked:.3f}")
            if args.problems and first >= args.problems or args.collect_seconds and seconds >= args.collect_seconds:
                return


def kept(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


class Mixture:
    """A source of documents for pretrain.fit: those kept, and some of another kind."""

    def __init__(self, texts: list[str], other: Callable[[random.Random], str], share: float) -> None:
        self.texts, self.other, self.share = texts, other, share

    def __call__(self, rng: random.Random) -> str:
        return self.other(rng) if rng.random() < self.share else rng.choice(self.texts)


def talk(rng: random.Random) -> str:
    """What the tasks do not teach: greetings, and saying what one cannot do."""
    return documents.careful(tasks.make("talk", 1, rng), rng)


def gather(args: argparse.Namespace, name: str) -> list[str]:
    """Collected by rank 0, read by all."""
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{name}.jsonl"
    ranks.start(args.device)
    if ranks.rank() == 0:
        collect(args, path)
    ranks.agree(None)
    return kept(path)


def reject(args: argparse.Namespace) -> None:
    texts = gather(args, "kept")
    torch.manual_seed(args.seed)
    model = pretrain.load_model(args.into, args.device)
    settings = pretrain.settings_of(args)
    print(pretrain.fit(model, Mixture(texts, talk, args.talk), settings, args.out, "sft", replies_only=True))
    ranks.stop()


def add_collecting(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--out", type=Path, required=True)
    add("--from", dest="start", type=Path, required=True, help="the model that answers: a checkpoint or a GGUF")
    add("--problems", type=int, default=0, help="to be asked")
    add("--collect-seconds", type=float, default=0.0)
    add("--samples", type=int, default=4, help="of each problem")
    add("--keep", type=int, default=2, help="right replies to a problem at most")
    add("--temperature", type=float, default=1.0)
    add("--top-p", type=float, default=1.0)
    add("--max-tokens", type=int, default=400)
    add("--tasks", nargs="*", choices=tasks.NAMES, default=[name for name in tasks.NAMES if name != "talk"])
    add("--levels", nargs="*", type=int, choices=tasks.LEVELS, default=tasks.LEVELS)
    add("--talk", type=float, default=0.03, help="share of talk in what is learnt")
    add("--rollout-workers", dest="workers_of_rollouts", type=int, default=0)
    add("--worker-threads", type=int, default=1)
    add("--in-flight", type=int, default=32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_collecting(parser)
    parser.add_argument("--into", type=Path, required=True, help="the model that learns: R1 took the base again")
    pretrain.add_settings(parser)
