"""Problems of order, divisors, Countdown, words, and talk."""

from __future__ import annotations

import math

import countdown
import talk
import words
from problem import Problem
from work import Work

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)


# The larger or smaller of two numbers, or two to six numbers sorted.
def make_order(level, rng, mixed=False):
    largest = (99, 99, 999, 9999, 9999)[level - 1]
    if mixed:
        largest = 10 ** rng.randint(1, len(str(largest))) - 1
    if rng.random() < 0.3:
        a = rng.randint(1, largest)
        b = rng.randint(1, largest) if rng.random() < 0.5 else min(largest, max(1, a + rng.randint(-20, 20)))
        if a == b:
            b = a + 1 if a < largest else a - 1
        sign, word, answer = rng.choice(
            (
                ("max", "larger", max(a, b)),
                ("max", "greater", max(a, b)),
                ("max", "bigger", max(a, b)),
                ("min", "smaller", min(a, b)),
                ("min", "smaller", min(a, b)),
            )
        )
        question = rng.choice(
            (
                f"Which is {word}, {a} or {b}?",
                f"Which number is {word}: {a} or {b}?",
                f"What is the {word} of {a} and {b}?",
            )
        )
        return Problem("order", level, question, str(answer), f"order:{sign},{min(a, b)},{max(a, b)}", (sign, (a, b)))
    count = rng.randint(2, min(6, level + 2)) if mixed else min(6, level + 1 + rng.randint(0, 1))
    numbers = rng.sample(range(1, largest + 1), count)
    down = rng.random() < 0.3
    listed = ", ".join(map(str, numbers))
    question = rng.choice(
        (
            f"Sort {listed} from largest to smallest.",
            f"Sort in descending order: {listed}",
            f"Put {listed} in descending order.",
        )
        if down
        else (
            f"Sort {listed}.",
            f"Sort {listed} from smallest to largest.",
            f"Sort in ascending order: {listed}",
            f"Put {listed} in order.",
            f"Order these numbers: {listed}",
            f"Sort these numbers: {listed}.",
        )
    )
    ordered = sorted(numbers, reverse=down)
    key = f"order:{'down' if down else 'up'}," + ",".join(map(str, sorted(numbers)))
    return Problem(
        "order", level, question, ", ".join(map(str, ordered)), key, ("down" if down else "up", tuple(numbers))
    )


def solve_order(problem, work):
    how, numbers = problem.data
    if how in ("max", "min"):
        a, b = numbers
        work.write(f"{a}{'<' if a < b else '>'}{b}")
        answer = max(numbers) if how == "max" else min(numbers)
        return str(min(numbers) + max(numbers) - answer if work.slip and work.rng.random() < work.slip else answer)
    left, out = list(numbers), []
    while left:
        pick = max(left) if how == "down" else min(left)
        if work.slip and work.rng.random() < work.slip:
            pick = work.rng.choice(left)
        left.remove(pick)
        out.append(pick)
        if work.detail:
            work.write(f"{pick}: " + " ".join(map(str, left)) if left else str(pick))
    return ", ".join(map(str, out))


# Greatest common divisors and primes up to 1,000.
def make_divisors(level, rng):
    largest = (30, 100, 300, 600, 1000)[level - 1]
    if rng.random() < 0.5:
        n = rng.randint(2, largest)
        if rng.random() < 0.35:  # as many primes as others, and others without small factors
            n = rng.choice(
                [p for p in range(max(2, largest // 4), largest + 1) if all(p % q for q in (2, 3, 5) if q < p)]
            )
        prime = all(n % p for p in range(2, math.isqrt(n) + 1))
        question = rng.choice(
            (
                f"Is {n} prime?",
                f"Is {n} a prime number?",
                f"Is the number {n} prime?",
                f"Is {n} a prime?",
                f"{n}: prime or not?",
            )
        )
        return Problem("divisors", level, question, "Yes" if prime else "No", f"divisors:prime,{n}", ("prime", n, 0))
    g = rng.randint(1, max(1, largest // 5)) if rng.random() < 0.7 else 1
    a, b = (g * rng.randint(1, max(1, largest // g)) for _ in range(2))
    question = rng.choice(
        (
            f"What is gcd({a}, {b})?",
            f"gcd({a}, {b})",
            f"What is the gcd of {a} and {b}?",
            f"Find the greatest common divisor of {a} and {b}.",
            f"What is the greatest common divisor of {a} and {b}?",
            f"Compute gcd({a}, {b}).",
        )
    )
    return Problem(
        "divisors", level, question, str(math.gcd(a, b)), f"divisors:gcd,{max(a, b)},{min(a, b)}", ("gcd", a, b)
    )


def solve_divisors(problem, work):
    how, a, b = problem.data
    if how == "gcd":
        a, b = max(a, b), min(a, b)
        while b:
            if work.detail:
                work.write(f"gcd({a},{b})")
            a, b = b, work.remainder(a, b)
        if work.detail:
            work.write(f"gcd={a}")
        return str(a)
    answer = "Yes"
    for p in PRIMES:
        if p * p > a:
            if work.detail:
                work.write(f"{p}*{p}={p * p}>{a}")
            break
        part, line, seen = 0, f"{p}:", False
        for digit in str(a):
            part = part * 10 + int(digit)
            if part < p and not seen:
                continue
            seen = True
            line += f" {part}={part // p}r{part % p}"
            part %= p
        if work.detail:
            work.write(line)
        if a % p == 0:
            answer = "No"
            break
    if work.slip and work.rng.random() < work.slip:
        answer = "Yes" if answer == "No" else "No"
    return answer


# Countdown of three numbers, or four from level 3 on.
def make_countdown(level, rng):
    count = 3 if level <= 2 else rng.choice((3, 4)) if level == 3 else 4 if rng.random() < 0.7 else 3
    numbers, target = countdown.make(count, (10, 25, 25, 50, 50)[level - 1], rng)
    listed = ", ".join(map(str, numbers[:-1])) + rng.choice((", ", " and ")) + str(numbers[-1])
    plain = ", ".join(map(str, numbers))
    question = rng.choice(
        (
            f"Make {target} from {listed}.",
            f"Use {listed} to make {target}.",
            f"Countdown: numbers {plain}, target {target}.",
            f"Combine {listed} to get {target}.",
            f"Using each of {listed} once, make {target}.",
            f"Countdown {plain}: {target}",
        )
    )
    answer = countdown.solve(numbers, target, Work(rng))
    return Problem(
        "countdown", level, question, answer, f"countdown:{sorted(numbers)}={target}", (tuple(numbers), target)
    )


def solve_countdown(problem, work):
    numbers, target = list(problem.data[0]), problem.data[1]
    if work.slip and work.rng.random() < 1.5 * work.slip:
        return countdown.guess(numbers, work.rng)
    return countdown.solve(numbers, target, work if work.detail else Work(work.rng))


def make_words(level, rng):
    question, steps = words.make(level, rng)
    return Problem("words", level, question, str(words.solve(steps, Work(rng))), f"words:{question}", tuple(steps))


def make_talk(level, rng):
    question, answer, thought = talk.make(rng)
    return Problem("talk", level, question, answer, f"talk:{question.lower().strip('.!?')}", (thought,))


def solve_talk(problem, work):
    work.write(problem.data[0])
    return problem.answer
