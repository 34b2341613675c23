"""Documents to learn from: a question, a thought, an answer.

The base model reads thoughts of three kinds, told apart by how they begin: guesses that are often wrong, hasty ones
that skip work and slip, careful ones. Nothing says which kind is good: reinforcement learning has to find that out.
"""

from __future__ import annotations

from random import Random

import countdown
import tasks
from work import Work, perturbed

SHARES = {"guess": 0.42, "hasty": 0.2, "careful": 0.38}
OPENERS = {
    "guess": ("I guess.", "At a glance.", "A guess:"),
    "hasty": ("Quickly.", "In short.", "Roughly:"),
    "careful": ("Step by step.", "Let me work it out.", "Carefully:"),
}
_WEIGHTS = {
    "sums": 3,
    "products": 3,
    "division": 3,
    "expressions": 2.5,
    "order": 1.5,
    "equations": 2.5,
    "modular": 2.5,
    "divisors": 2.5,
    "countdown": 3.5,
    "words": 2,
    "talk": 0.8,
}
_WEIGHTS_APART = {"order": 14, "division": 4, "modular": 4, "divisors": 2, "countdown": 2}
_LEVEL_WEIGHTS = (1, 1, 1.5, 2, 3)


def prompt(question: str) -> str:
    return f"<|user|>{question}<|assistant|><think>\n"


def reply(thought: str, answer: str) -> str:
    return f"{thought}\n</think>\n\n{answer}<|end|>"


def problem(rng: Random, split: str = "train") -> tasks.Problem:
    task = rng.choices(tasks.NAMES, [_WEIGHTS[name] for name in tasks.NAMES])[0]
    return tasks.make(task, rng.choices(tasks.LEVELS, _LEVEL_WEIGHTS)[0], rng, split)


def apart(rng: Random) -> str:
    """A careful document for the last supervised stage: mostly of problems whose sizes are drawn apart, since a model
    that has read sizes only as the levels join them takes one for a sign of the other. Some have an earlier turn."""

    def draw() -> tasks.Problem:
        task = rng.choices(tasks.NAMES, [_WEIGHTS_APART.get(name, 1) for name in tasks.NAMES])[0]
        return tasks.make(task, rng.choices(tasks.LEVELS, _LEVEL_WEIGHTS)[0], rng, mixed=True)

    earlier = draw() if rng.random() < 0.1 else None
    text = f"<|user|>{earlier.question}<|assistant|>{earlier.answer}<|end|>" if earlier else ""
    return text + careful(draw(), rng)


def thought_and_answer(problem: tasks.Problem, style: str, rng: Random) -> tuple[str, str]:
    opener = [] if problem.task == "talk" else [rng.choice(OPENERS[style])]
    if style == "guess" and problem.task != "talk":
        return opener[0], _guess(problem, rng)
    work = Work(rng, detail=style == "careful", slip=0.0 if style == "careful" else 0.25)
    answer = tasks.solve(problem, work)
    return "\n".join(opener + work.lines), answer


def careful(problem: tasks.Problem, rng: Random) -> str:
    """What a patient person would write: for the cold start."""
    return prompt(problem.question) + reply(*thought_and_answer(problem, "careful", rng))


def pretraining(rng: Random) -> str:
    text = ""
    turns = 2 if rng.random() < 0.04 else 1
    for turn in range(turns):
        asked = problem(rng)
        style = rng.choices(list(SHARES), SHARES.values())[0]
        thought, answer = thought_and_answer(asked, style, rng)
        if turn + 1 < turns:  # earlier thoughts are not kept
            text += f"<|user|>{asked.question}<|assistant|>{answer}<|end|>"
        else:
            text += prompt(asked.question) + reply(thought, answer)
    return text


def with_careful(rng: Random, share: float) -> str:
    """What pretraining reads, and careful documents, half of them with sizes drawn apart."""
    if share == 0 or rng.random() >= share:
        return pretraining(rng)
    return apart(rng) if rng.random() < 0.5 else careful(problem(rng), rng)


def _guess(problem: tasks.Problem, rng: Random) -> str:
    """Right in one case of three."""
    if rng.random() < 0.33:
        return problem.answer
    if problem.task == "countdown":
        return countdown.guess(list(problem.data[0]), rng)
    if problem.answer in ("Yes", "No"):
        return "No" if problem.answer == "Yes" else "Yes"
    if problem.task == "order":
        numbers = problem.answer.split(", ")
        if len(numbers) == 1:
            return str(rng.choice(problem.data[1]))
        return ", ".join(rng.sample(numbers, len(numbers)))
    first = problem.answer.split()[0]
    return problem.answer.replace(first, str(perturbed(int(first), rng)), 1)
