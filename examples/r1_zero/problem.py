"""A problem, and how questions about it are worded."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True)
class Problem:
    task: str
    level: int
    question: str
    answer: str
    key: str
    data: tuple = field(repr=False, default=())

    def check(self) -> str | dict:
        """How an answer is checked, as the JSON lines of problems say it."""
        if self.task == "countdown":
            return {"countdown": {"numbers": list(self.data[0]), "target": self.data[1]}}
        return "equal"


def up_to(digits: int, rng: Random) -> int:
    return rng.randint(10 ** (digits - 1) if digits > 1 else 1, 10**digits - 1)


def ask(text: str, rng: Random) -> str:
    """`text` as a question in one of several phrasings."""
    form = rng.choice(
        (
            "What is {}?",
            "What is {}?",
            "Compute {}.",
            "Calculate {}.",
            "{} = ?",
            "{}",
            "What does {} come to?",
            "Please work out {}.",
            "How much is {}?",
            "Find {}.",
            "Evaluate {}.",
            "what's {}?",
            "Tell me {}.",
        )
    )
    return form.format(text)


def spaced(op: str, rng: Random) -> str:
    return rng.choice((f" {op} ", f" {op} ", op))
