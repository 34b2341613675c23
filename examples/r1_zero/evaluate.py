"""Accuracy on problems that no stage has seen, sampled by libpensee as R1 was measured: temperature 0.6, top-p 0.95.

    python train.py evaluate pensee-mini.gguf --per-task 1000
    python train.py evaluate pensee-mini.gguf --per-task 100 --write problems.jsonl
    pensee evaluate pensee-mini.gguf problems.jsonl --seed 1          the same problems, seeds, and numbers

Problem i of the list is asked with seed S + i, through the chat template, whatever the number of workers. The list is a
JSON line a problem: {"task", "level", "question", "answer", "check"}, where check is "equal" (case and spacing apart)
or {"countdown": {"numbers": [...], "target": n}} (an expression that uses each number once).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tasks
from problem import Problem
from rollouts import Job, Rollouts, Sample
from tqdm import tqdm

TASKS = tuple(name for name in tasks.NAMES if name != "talk")


def problems(per_task: int, seed: int, names: Sequence[str] = TASKS, split: str = "test",
             mixed: bool = False) -> list[Problem]:  # fmt: skip
    """Levels evenly, no problem twice. mixed: as tasks.make() has it."""
    chosen = []
    for name in names:
        rng, seen = random.Random(f"{split} {seed} {name}"), set()
        for i in range(per_task):
            problem = tasks.make(name, tasks.LEVELS[i % len(tasks.LEVELS)], rng, split, mixed)
            for _ in range(50):  # small levels have few problems
                if problem.question not in seen:
                    break
                problem = tasks.make(name, problem.level, rng, split, mixed)
            seen.add(problem.question)
            chosen.append(problem)
    return chosen


def write(path: Path, chosen: Iterable[Problem]) -> None:
    with path.open("w") as file:
        for p in chosen:
            line = {"task": p.task, "level": p.level, "question": p.question, "answer": p.answer, "check": p.check()}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read(path: Path) -> list[Problem]:
    chosen = []
    for text in path.read_text().splitlines():
        line = json.loads(text)
        check = line.get("check", "equal")
        data = () if check == "equal" else (tuple(check["countdown"]["numbers"]), check["countdown"]["target"])
        task = "countdown" if data else line["task"]
        chosen.append(Problem(task, line["level"], line["question"], line["answer"], "", data))
    return chosen


class Score(NamedTuple):
    """Of one problem."""

    task: str
    level: int
    right: bool
    thought_tokens: int
    ended: bool


class Result(NamedTuple):
    scores: list[Score]
    replies: list[Sample]
    seconds: float

    def accuracy(self, task: str | None = None, level: int | None = None) -> float:
        chosen = [s.right for s in self.scores if task in (None, s.task) and level in (None, s.level)]
        return sum(chosen) / len(chosen) if chosen else float("nan")

    def numbers(self) -> dict[str, Any]:
        """For a log."""
        cells: dict[str, list[bool]] = defaultdict(list)
        for s in self.scores:
            for key in (s.task, f"{s.task} {s.level}"):
                cells[key].append(s.right)
        return {
            "problems": len(self.scores), "accuracy": self.accuracy(),
            "thought": sum(s.thought_tokens for s in self.scores) / max(1, len(self.scores)),
            "cut": sum(not s.ended for s in self.scores), "seconds": round(self.seconds, 2),
            "by": {key: round(sum(rights) / len(rights), 4) for key, rights in sorted(cells.items())},
        }  # fmt: skip

    def table(self) -> str:
        names = list(dict.fromkeys(s.task for s in self.scores))
        levels = sorted({s.level for s in self.scores})
        lines = ["task".ljust(13) + "".join(f"level {level}".rjust(9) for level in levels) + "all".rjust(9)]
        for name in [*names, None]:
            cells = [self.accuracy(name, level) for level in levels] + [self.accuracy(name)]
            lines.append((name or "all").ljust(13) + "".join(f"{100 * cell:8.1f}%" for cell in cells))
        told = self.numbers()
        lines.append(f"{sum(s.right for s in self.scores)} of {told['problems']} right, thoughts of "
                     f"{told['thought']:.1f} tokens, {told['cut']} cut, {self.seconds:.1f} s")  # fmt: skip
        return "\n".join(lines)


def evaluate(rollouts: Rollouts, chosen: Sequence[Problem], seed: int, vote: int = 0, bar: bool = False,
             **options: Any) -> Result:  # fmt: skip
    """options: of Model.ask, for instance temperature."""
    begin = time.monotonic()
    jobs = [Job(p.question, seed + i, max(1, vote), options, vote > 0) for i, p in enumerate(chosen)]
    replies: list[Sample | None] = [None] * len(jobs)
    for index, (sample, *_) in tqdm(rollouts.run(jobs), total=len(jobs), disable=not bar, unit=" problems"):
        replies[index] = sample
    scores = [Score(p.task, p.level, tasks.is_right(p, r.answer), r.thought_tokens, r.ended)
              for p, r in zip(chosen, replies)]  # fmt: skip
    return Result(scores, replies, time.monotonic() - begin)


def speculation(path: Path, chosen: Sequence[Problem], seed: int, threads: int = 0, **options: Any) -> dict[str, Any]:
    """One reply after another, with multi-token prediction and without: acceptance, speed, and whether they are the
    same."""
    import pensee

    told: dict[str, Any] = {"same": True}
    texts = {}
    with pensee.Model(path, threads=threads) as model:
        model.ask(chosen[0].question, seed=1, max_tokens=64)  # warm
        for how in ("off", "mtp"):
            replies, begin = [], time.monotonic()
            for i, p in enumerate(chosen):
                replies.append(model.ask(p.question, seed=seed + i, speculation=how, trace_experts=True, **options))
            seconds = time.monotonic() - begin
            tokens = sum(len(r.token_ids) for r in replies)
            long = [r for r in replies if len(r.token_ids) > 1]
            decoding = sum((len(r.token_ids) - 1) / r.usage.tokens_per_second for r in long)
            told[how] = {"tokens": tokens, "per_second": tokens / seconds,
                         "decode_per_second": (tokens - len(replies)) / decoding}  # fmt: skip
            texts[how] = [r.token_ids for r in replies]
            drafted = sum(r.usage.drafted_tokens for r in replies)
            if drafted:
                told["acceptance"] = sum(r.usage.accepted_tokens for r in replies) / drafted
    told["same"] = texts["off"] == texts["mtp"]
    told["speedup"] = told["mtp"]["decode_per_second"] / told["off"]["decode_per_second"]
    return told


def opened_as(path: Path) -> Path:
    """A stage's .pt as a folder beside it that the engine opens, in float32; other paths as they are."""
    if path.suffix != ".pt":
        return path
    import pretrain
    import runs

    return runs.engine_folder(path.with_suffix(""), pretrain.load_model(path))


def run(args: argparse.Namespace) -> None:
    names = args.tasks or TASKS
    chosen = read(args.problems) if args.problems else problems(
        args.per_task, args.problem_seed, names, mixed=args.mixed)
    if args.write:
        write(args.write, chosen)
    options = {"temperature": args.temperature, "top_p": args.top_p} | (
        {"max_tokens": args.max_tokens} if args.max_tokens else {})  # fmt: skip
    for path in args.models:
        opened = opened_as(path)
        with Rollouts(opened, args.workers, args.worker_threads, args.in_flight, cache_type="auto") as rollouts:
            result = evaluate(rollouts, chosen, args.seed, args.vote, bar=True, **options)
        print(f"{path}" + (f", vote of {args.vote}" if args.vote else ""))
        print(result.table(), flush=True)
        line = {"model": path.name, "mixed": args.mixed, "vote": args.vote, "seed": args.seed} | result.numbers()
        if args.mtp:
            line["mtp"] = speculation(opened, chosen[:: max(1, len(chosen) // args.mtp)], args.seed, **options)
            print(json.dumps(line["mtp"]))
        if args.log:
            with args.log.open("a") as file:
                file.write(json.dumps({"stage": "evaluate", "name": args.name or path.stem} | line) + "\n")
        if args.replies:
            with args.replies.open("a") as file:
                for p, s, r in zip(chosen, result.scores, result.replies):
                    file.write(json.dumps({"model": str(path), "task": p.task, "level": p.level, "right": s.right,
                                           "question": p.question, "want": p.answer, "thought": r.thought,
                                           "answer": r.answer}, ensure_ascii=False) + "\n")  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("models", nargs="+", type=Path, help="GGUF files, Hugging Face folders, or .pt files of any stage")
    add("--per-task", type=int, default=100)
    add("--tasks", nargs="*", choices=tasks.NAMES)
    add("--seed", type=int, default=1, help="problem i is asked with this seed + i")
    add("--problem-seed", type=int, default=1)
    add("--mixed", action="store_true", help="sizes drawn apart where a level joins them")
    add("--problems", type=Path, help="read the problems from this file")
    add("--write", type=Path, help="write the problems to this file")
    add("--temperature", type=float, default=0.6)
    add("--top-p", type=float, default=0.95)
    add("--max-tokens", type=int, default=0)
    add("--vote", type=int, default=0, help="replies of which the majority counts")
    add("--mtp", type=int, default=0, help="problems on which multi-token prediction is measured")
    add("--log", type=Path, help="append the numbers to this file")
    add("--name", default="", help="in the log")
    add("--replies", type=Path, help="append every reply to this file")
    add("--workers", type=int, default=0)
    add("--worker-threads", type=int, default=1)
    add("--in-flight", type=int, default=64)
