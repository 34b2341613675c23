"""Ten kinds of problems with answers that can be checked, and talk; levels 1 (easy) to 5 (the whole stated range).

A problem's `key` says what it is apart from its wording. One key in ten, by its checksum, belongs to the test split: no
training document, whatever its wording, holds a problem of the test split.
"""

from __future__ import annotations

import zlib
from random import Random

import calculations as calc
import expressions
import puzzles
from problem import Problem
from work import Work

NAMES = (
    "sums",
    "products",
    "division",
    "expressions",
    "order",
    "equations",
    "modular",
    "divisors",
    "countdown",
    "words",
    "talk",
)
LEVELS = (1, 2, 3, 4, 5)
MIXED = ("division", "modular", "order")


def is_test(key: str) -> bool:
    return zlib.crc32(key.encode()) % 10 == 0


def make(task: str, level: int, rng: Random, split: str = "train", mixed: bool = False) -> Problem:
    """mixed: sizes that a level fixes together are drawn apart, each up to the level's, in the tasks of MIXED."""
    options = {"mixed": True} if mixed and task in MIXED else {}
    while True:
        problem = _MAKERS[task](level, rng, **options)
        if is_test(problem.key) == (split == "test"):
            return problem


def is_right(problem: Problem, answer: str) -> bool:
    if problem.task == "countdown":
        read = expressions.value_of(answer.strip())
        return read is not None and read[0] == problem.data[1] and sorted(read[1]) == sorted(problem.data[0])
    return " ".join(answer.split()).lower() == problem.answer.lower()


def solve(problem: Problem, work: Work) -> str:
    """Writes the working into `work` and returns the answer it comes to."""
    return _SOLVERS[problem.task](problem, work)


_MAKERS = {
    "sums": calc.make_sums,
    "products": calc.make_products,
    "division": calc.make_division,
    "expressions": calc.make_expressions,
    "order": puzzles.make_order,
    "equations": calc.make_equations,
    "modular": calc.make_modular,
    "divisors": puzzles.make_divisors,
    "countdown": puzzles.make_countdown,
    "words": puzzles.make_words,
    "talk": puzzles.make_talk,
}
_SOLVERS = {
    "sums": calc.solve_sums,
    "products": lambda problem, work: str(work.mul(*problem.data)),
    "division": lambda problem, work: calc.with_remainder(*work.divide(*problem.data)),
    "expressions": lambda problem, work: str(expressions.solve(problem.data[0], work)),
    "order": puzzles.solve_order,
    "equations": calc.solve_equations,
    "modular": calc.solve_modular,
    "divisors": puzzles.solve_divisors,
    "countdown": puzzles.solve_countdown,
    "words": lambda problem, work: str(puzzles.words.solve(problem.data, work)),
    "talk": puzzles.solve_talk,
}
