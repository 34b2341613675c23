"""A toy for reinforcement learning: sums of numbers up to 5, and a reward that needs no sense. Run as a script, it is
`train.py zero` with that reward, for torchrun: toy.py --out ... --from ..."""

from __future__ import annotations

import argparse
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "examples" / "r1_zero"))

import documents  # noqa: E402
import rl  # noqa: E402
from problem import Problem  # noqa: E402


def problem(rng: random.Random) -> Problem:
    a, b = rng.randint(1, 5), rng.randint(1, 5)
    return Problem("sums", 1, f"What is {a} + {b}?", str(a + b), "")


def half_right(rng: random.Random) -> str:
    asked = problem(rng)
    answer = asked.answer if rng.random() < 0.5 else str(rng.randint(1, 9))
    return documents.prompt(asked.question) + documents.reply("Hm.", answer)


class Toy(rl.Reinforcement):
    def problems(self, step: int) -> list[Problem]:
        return [problem(random.Random(f"{self.args.seed} {step} {i}")) for i in self.mine()]


def evenness(_: Problem, sample) -> tuple[float, bool]:
    """Even ids are good ids: even a random model finds some."""
    share = float((sample.ids % 2 == 0).mean()) if len(sample.ids) else 0.0
    return share, share > 0.5


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    rl.add_arguments(parser)
    small = "--threads 1 --workers 1 --prompts 6 --samples 4 --max-tokens 10 --warmup 1 --in-flight 32".split()
    args = parser.parse_args([*small, *map(str, given)])
    args.name = "zero"
    return args


def run(args: argparse.Namespace, kind: type[rl.Reinforcement] = Toy) -> None:
    reinforcement = kind(args)
    try:
        reinforcement.loop()
    finally:
        reinforcement.rollouts.close()


if __name__ == "__main__":
    rl.reward = evenness
    run(arguments(*sys.argv[1:]))
    rl.ranks.stop()
