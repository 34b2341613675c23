"""Countdown: make a target of given numbers, each used once.

Three numbers may be joined by + - * in any way; four by + and - with one product at most. The searches below are
complete for these, and short enough to be written in a thought.
"""

from __future__ import annotations

from itertools import combinations
from random import Random

from work import Work


def make(count: int, largest: int, rng: Random) -> tuple[list[int], int]:
    """Numbers and a target in 1..999 that they can make."""
    while True:
        numbers = [rng.randint(1, largest) for _ in range(count)]
        order = rng.sample(numbers, count)
        if count == 3:
            a, b, c = order
            first = rng.choice((a + b, abs(a - b), a * b))
            target = rng.choice((first + c, abs(first - c), first * c))
        else:
            a, b, c, d = order
            first = a * b if rng.random() < 0.5 else rng.choice((a + b, a - b))
            target = first + rng.choice((1, -1)) * c + rng.choice((1, -1)) * d
        if 1 <= target <= 999 and target not in numbers:
            return numbers, target


def _join(text: str, op: str, number: int) -> str:
    return f"({text}){op}{number}" if op == "*" else f"{text}{op}{number}"


def solve_three(numbers: list[int], target: int, work: Work) -> str | None:
    """Each pair by each operation, then the third number by each; a product that is far too large is left out."""
    for i, j in combinations(range(3), 2):
        a, b = max(numbers[i], numbers[j]), min(numbers[i], numbers[j])
        c = numbers[3 - i - j]
        for op, v in (("*", a * b), ("+", a + b), ("-", a - b)):
            expression = f"{a}{op}{b}"
            tried = f"{expression}={v}:"
            for how, result in (("+", v + c), ("-", v - c), ("*", v * c)):
                if how == "*" and (v > target or result > 999):
                    continue
                tried += f" {how}{c}={result}"
                if result == target:
                    work.write(tried)
                    if how == "*":
                        return f"({expression})*{c}" if op != "*" else f"{expression}*{c}"
                    return expression + how + str(c)
                if how == "-" and -result == target:
                    work.write(tried)
                    return f"{c}-{expression}" if op == "*" else f"{c}-({expression})"
            work.write(tried)
    return None


def _signed(terms: list[tuple[str, int]]) -> str:
    terms = sorted(terms, key=lambda term: term[1] < 0)  # a positive one first
    text = "".join(("-" if sign < 0 else "+") + term for term, sign in terms)
    return text[1:] if text[0] == "+" else text


def solve_four(numbers: list[int], target: int, work: Work) -> str | None:
    """Signs alone first: what is subtracted sums to half of what the plain sum has too much. Then one product."""
    total = sum(numbers)
    a, b, c, d = numbers
    work.write(f"{a}+{b}={a + b}")
    work.write(f"{a + b}+{c}={a + b + c}")
    work.write(f"{a + b + c}+{d}={total}")
    over = total - target
    work.write(f"{total}-{target}={over}")
    if over == 0:
        return _signed([(str(n), 1) for n in numbers])
    if over > 0 and over % 2 == 0:
        half = over // 2
        work.write(f"{over}/2={half}")
        for size in (1, 2, 3):
            tried = []
            for chosen in combinations(range(4), size):
                picked = [numbers[i] for i in chosen]
                tried.append("+".join(map(str, picked)) + (f"={sum(picked)}" if size > 1 else ""))
                if sum(picked) == half:
                    work.write(" ".join(tried))
                    return _signed([(str(n), -1 if i in chosen else 1) for i, n in enumerate(numbers)])
            work.write(" ".join(tried))
    for i, j in combinations(range(4), 2):
        product = numbers[i] * numbers[j]
        c, d = (numbers[k] for k in range(4) if k not in (i, j))
        gap = target - product
        term = f"{numbers[i]}*{numbers[j]}"
        tried = f"{term}={product}: {target}-{product}={gap}"
        for value, signs in ((c + d, (1, 1)), (c - d, (1, -1))):
            tried += f" {c}{'+' if signs[1] > 0 else '-'}{d}={value}"
            if abs(value) == abs(gap):
                flip = 1 if value == gap else -1
                work.write(tried)
                return _signed([(term, 1), (str(c), flip * signs[0]), (str(d), flip * signs[1])])
        if c + d == target + product:  # the product taken away
            work.write(tried + f" {target}+{product}={target + product}")
            return _signed([(str(c), 1), (str(d), 1), (term, -1)])
        work.write(tried)
    return None


def solve(numbers: list[int], target: int, work: Work) -> str | None:
    return (solve_three if len(numbers) == 3 else solve_four)(numbers, target, work)


def guess(numbers: list[int], rng: Random) -> str:
    text = str(numbers[0])
    for number in numbers[1:]:
        text = _join(text, rng.choice("+-*"), number)
    return text
