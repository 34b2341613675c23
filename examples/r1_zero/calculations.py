"""Problems to calculate: sums, products, division, expressions, equations, remainders and powers."""

from __future__ import annotations

import expressions
from problem import Problem, ask, spaced, up_to


# Sums and differences of two or three numbers.
def make_sums(level, rng):
    count = 2 if rng.random() < 0.6 else 3
    numbers = [up_to(rng.randint(1, level) if rng.random() < 0.4 else level, rng) for _ in range(count)]
    ops = ["+"] + [rng.choice("+-") for _ in numbers[1:]]
    total = sum(n if op == "+" else -n for op, n in zip(ops, numbers))
    key = "sums:" + "".join(op + str(n) for op, n in zip(ops, numbers))
    plain = str(numbers[0])
    for op, n in zip(ops[1:], numbers[1:]):
        plain += spaced(op, rng) + str(n)
    question = ask(plain, rng)
    a, b = numbers[:2]
    if count == 2 and rng.random() < 0.35:
        question = rng.choice(
            (f"Add {a} and {b}.", f"What is the sum of {a} and {b}?", f"What is {a} plus {b}?")
            if ops[1] == "+"
            else (f"Subtract {b} from {a}.", f"What is the difference of {a} and {b}?", f"What is {a} minus {b}?")
        )
    elif count == 3 and ops[1:] == ["+", "+"] and rng.random() < 0.3:
        question = f"What is the sum of {a}, {b} and {numbers[2]}?"
    return Problem("sums", level, question, str(total), key, (tuple(ops), tuple(numbers)))


def solve_sums(problem, work):
    ops, numbers = problem.data
    total = numbers[0]
    for op, n in zip(ops[1:], numbers[1:]):
        total = work.add(total, n) if op == "+" else work.sub(total, n)
    return str(total)


# Products of up to three digits by up to two.
def make_products(level, rng):
    digits = ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2))[level - 1]
    a, b = (up_to(d, rng) for d in digits)
    key = f"products:{max(a, b)}*{min(a, b)}"
    if rng.random() < 0.4:
        a, b = b, a
    times = rng.choice("****x\u00d7")
    text = f"{a}{spaced(times, rng)}{b}"
    question = ask(text, rng)
    if rng.random() < 0.3:
        question = rng.choice(
            (f"Multiply {a} by {b}.", f"What is the product of {a} and {b}?", f"What is {a} times {b}?")
        )
    return Problem("products", level, question, str(a * b), key, (a, b))


# Division with remainder, up to five by two digits.
def make_division(level, rng, mixed=False):
    digits = ((2, 1), (3, 1), (3, 2), (4, 2), (5, 2))[level - 1]
    if mixed:
        digits = (rng.randint(1, digits[0]), rng.randint(1, digits[1]))
    a, b = up_to(digits[0], rng), max(2, up_to(digits[1], rng))
    if rng.random() < 0.2:
        a -= a % b
    a = max(a, b)
    question = rng.choice(
        (
            f"Divide {a} by {b}.",
            f"Divide {a} by {b} with remainder.",
            f"What is {a} divided by {b}?",
            f"What is {a} divided by {b}, with remainder?",
            f"Compute {a} / {b} with remainder.",
            f"{a} / {b}",
            f"What is {a} / {b}?",
            f"{a}/{b} = ?",
            f"How many times does {b} go into {a}?",
            f"Quotient and remainder of {a} by {b}?",
            f"What are the quotient and remainder of {a} / {b}?",
        )
    )
    q, r = divmod(a, b)
    return Problem("division", level, question, with_remainder(q, r), f"division:{a}/{b}", (a, b))


def with_remainder(q, r):
    return f"{q} remainder {r}" if r else str(q)


# Expressions with brackets, one to four operations on numbers up to 20, products with one factor up to 12.
def make_expressions(level, rng):
    operations = min(4, 1 + rng.randint((level + 1) // 2, level)) if level > 1 else rng.randint(1, 2)
    while True:
        text = expressions.show(expressions.tree(operations, (9, 12, 15, 20, 20)[level - 1], rng))
        node = expressions.parse(text)
        value = expressions.within(node, 400, 12)
        if value is not None:
            break
    shown = text
    if rng.random() < 0.6:
        for op in "+-*":
            shown = shown.replace(op, f" {op} ")
    return Problem("expressions", level, ask(shown, rng), str(value), f"expressions:{text}", (node,))


# Linear equations whose solution is a whole number within 100.
def make_equations(level, rng):
    x = rng.randint(1, 20) if level == 1 else rng.randint(-20, 20) if level == 2 else rng.randint(-100, 100)
    v = rng.choice("xxxxyntz")
    a = rng.randint(2, 9)
    b = rng.randint(1, (20, 20, 50, 99, 99)[level - 1]) * (1 if level == 1 else rng.choice((1, -1)))
    form = rng.choice(
        ("shift", "line")
        if level <= 2
        else ("line", "line", "brackets", "both")
        if level < 5
        else ("line", "brackets", "both", "both")
    )
    sign = lambda n: f" + {n}" if n >= 0 else f" - {-n}"  # noqa: E731
    if form == "shift":
        a, left, right = 1, f"{v}{sign(b)}", f"{x + b}"
        data = (v, 1, b, 0, x + b)
    elif form == "line":
        left, right = f"{a}{v}{sign(b)}", f"{a * x + b}"
        data = (v, a, b, 0, a * x + b)
    elif form == "brackets":
        b = rng.randint(1, 20) * rng.choice((1, -1))
        left, right = f"{a}({v}{sign(b)})", f"{a * (x + b)}"
        data = (v, a, b, None, a * (x + b))
    else:
        c = rng.choice([n for n in range(1, 10) if n != a])
        d = a * x + b - c * x
        left, right = f"{a}{v}{sign(b)}", f"{'' if c == 1 else c}{v}{sign(d)}"
        data = (v, a, b, c, d)
    text = f"{left} = {right}"
    if rng.random() < 0.3:
        text = text.replace(" ", "")
    question = rng.choice(
        (
            f"Solve {text}.",
            f"Solve for {v}: {text}",
            f"What is {v} if {text}?",
            f"Find {v}: {text}",
            f"{text}. What is {v}?",
            f"Solve the equation {text}.",
        )
    )
    return Problem("equations", level, question, str(x), "equations:" + ",".join(map(str, data[1:])), data)


def solve_equations(problem, work):
    v, a, b, c, d = problem.data
    if c is None:  # a(v+b)=d
        q = _exact(d, a, work)
        work.write(f"{v}{b:+d}={q}")
        x = work.sub(q, b)
    else:
        if c:
            a = work.sub(a, c)
            work.write(f"{a}{v}{b:+d}={d}")
        right = work.sub(d, b)
        if a == 1:
            x = right
        else:
            work.write(f"{a}{v}={right}")
            x = _exact(right, a, work)
    work.write(f"{v}={x}")
    return str(x)


def _exact(n, a, work):
    """n / a of any signs; a slip may have made it inexact."""
    sign = -1 if (n < 0) != (a < 0) and n else 1
    if n < 0 or a < 0:
        work.write(f"{n}/{a}={'-' if sign < 0 else ''}{abs(n)}/{abs(a)}")
    return sign * work.divide(abs(n), max(1, abs(a)))[0]


# Remainders of up to four digits by two, and powers up to four digits.
def make_modular(level, rng, mixed=False):
    if rng.random() < 0.35:
        while True:
            base, exponent = (
                rng.randint(2, (5, 9, 15, 50, 99)[level - 1]),
                rng.randint(2, (3, 4, 6, 10, 13)[level - 1]),
            )
            if base**exponent <= 9999:
                break
        question = ask(f"{base}{rng.choice(('^', '^', ' to the power of ', '**'))}{exponent}", rng)
        if exponent == 2 and rng.random() < 0.3:
            question = f"What is {base} squared?"
        return Problem(
            "modular", level, question, str(base**exponent), f"modular:{base}^{exponent}", ("power", base, exponent)
        )
    digits, largest = (2, 2, 3, 4, 4)[level - 1], (9, 20, 50, 99, 99)[level - 1]
    if mixed:
        digits, largest = rng.randint(1, digits), rng.choice((9, largest))
    n, m = up_to(digits, rng), rng.randint(2, largest)
    question = rng.choice(
        (
            f"What is {n} mod {m}?",
            f"{n} mod {m}",
            f"Compute {n} mod {m}.",
            f"{n} % {m} = ?",
            f"What is {n} modulo {m}?",
            f"What is the remainder of {n} divided by {m}?",
            f"Find the remainder when {n} is divided by {m}.",
        )
    )
    return Problem("modular", level, question, str(n % m), f"modular:{n}%{m}", ("mod", n, m))


def solve_modular(problem, work):
    how, a, b = problem.data
    if how == "mod":
        return str(work.divide(a, b)[1])
    value = a
    for power in range(2, b + 1):
        value = work.mul(value, a)
        if work.detail:
            work.write(f"{a}^{power}={value}")
    return str(value)
