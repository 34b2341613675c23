"""Word problems of two steps, as (question, [first step, second step]): a step is (operator, a, b); None in the second
stands for the result of the first."""

from __future__ import annotations

from random import Random

NAMES = "Tom Anna Ben Mia Sam Lena Omar Ines Kofi Yuki Raj Elsa Hugo Nina Paul Zoe Ivan Lucy Marc Ada".split()
THINGS = (
    "apples books pens coins stamps cards shells marbles stickers eggs buttons cookies plums toys balls keys cups "
    "bottles tickets stones"
).split()
BOXES = "boxes bags baskets crates packs jars trays sacks".split()


def make(level: int, rng: Random):
    small = lambda: rng.randint(2, 5 + level)  # noqa: E731
    large = lambda low=2: rng.randint(low, 8 + 18 * level)  # noqa: E731
    name, other = rng.sample(NAMES, 2)
    thing, box = rng.choice(THINGS), rng.choice(BOXES)
    kind = rng.randrange(14)
    if kind == 0:
        a, b, c = large(), small(), small()
        return (
            f"{name} has {a} {thing} and buys {b} {box} of {c} {thing} each. How many {thing} does {name} have now?",
            [("*", b, c), ("+", a, None)],
        )
    if kind == 1:
        b, c = small(), small()
        a = rng.randint(1, b * c)
        return (
            f"{name} buys {b} {box} with {c} {thing} in each and gives {a} {thing} to {other}. "
            f"How many {thing} are left?",
            [("*", b, c), ("-", None, a)],
        )
    if kind == 2:
        a, b = large(), large()
        c = rng.randint(1, a + b)
        return (
            f"{name} has {a} {thing}. {other} gives {name} {b} more, and then {name} loses {c}. "
            f"How many {thing} does {name} have?",
            [("+", a, b), ("-", None, c)],
        )
    if kind == 3:
        a, b = large(), large()
        return (
            f"{name} has {a} {thing}. {other} has {b} more than {name}. How many {thing} do they have together?",
            [("+", a, b), ("+", a, None)],
        )
    if kind == 4:
        a = large(4)
        b = rng.randint(1, a - 1)
        return (
            f"{name} has {a} {thing}. {other} has {b} fewer than {name}. How many {thing} do they have together?",
            [("-", a, b), ("+", a, None)],
        )
    if kind == 5:
        b, c = small(), small()
        d = rng.randint(1, 5 + 3 * level)
        return (
            f"There are {b * c + d} {thing}. {d} are broken, and the rest go into {b} {box} in equal parts. "
            f"How many {thing} are in each?",
            [("-", b * c + d, d), ("/", None, b)],
        )
    if kind == 6:
        b, c = small(), small()
        a = rng.randint(1, b * c - 1)
        return (
            f"{name} has {a} {thing} and {other} has {b * c - a}. They put them into {b} {box} in equal parts. "
            f"How many {thing} are in each?",
            [("+", a, b * c - a), ("/", None, b)],
        )
    if kind == 7:
        a, b = small(), small()
        c = small()
        return (
            f"A farm has {a} fields with {b} trees in each. Every tree gives {c} {thing}. "
            f"How many {thing} are there in all?",
            [("*", a, b), ("*", None, c)],
        )
    if kind == 8:
        a, b, c = small(), small(), large()
        return (
            f"{name} reads {a} pages a day for {b} days, then {c} pages more. How many pages does {name} read?",
            [("*", a, b), ("+", None, c)],
        )
    if kind == 9:
        a, b = small(), small()
        paid = a * b + rng.randint(1, 10 + 5 * level)
        return (
            f"{name} buys {a} {thing} at {b} dollars each and pays with {paid} dollars. "
            f"How many dollars does {name} get back?",
            [("*", a, b), ("-", paid, None)],
        )
    if kind == 10:
        a, b = large(4), large()
        c = rng.randint(1, a - 1)
        return (
            f"A bus carries {a} people. {c} get off and {b} get on. How many people are on the bus now?",
            [("-", a, c), ("+", None, b)],
        )
    if kind == 11:
        a, b = large(), small()
        return (
            f"{name} saves {a} dollars a week for {b} weeks. {other} saves twice as much in all. "
            f"How many dollars does {other} save?",
            [("*", a, b), ("*", None, 2)],
        )
    if kind == 12:
        a, b, c = small(), small(), small()
        return (
            f"{name} fills {a} {box} with {c} {thing} each and {other} fills {b} {box} with {c} {thing} each. "
            f"How many {thing} are in the {box}?",
            [("+", a, b), ("*", None, c)],
        )
    a, b = small(), small()
    spare = rng.randint(1, a - 1) if a > 1 else 0
    return (
        f"{name} had {a} {box} of {b} {thing} and sold {spare} {box}. How many {thing} are left?",
        [("-", a, spare), ("*", None, b)],
    )


def solve(steps, work) -> int:
    result = 0
    for op, a, b in steps:
        a, b = (result if a is None else a), (result if b is None else b)
        result = {"+": work.add, "-": work.sub, "*": work.mul, "/": lambda x, y: work.divide(x, y)[0]}[op](a, b)
    return result
