"""Expressions of small whole numbers with + - * and brackets: made, read and worked out one operation at a time."""

from __future__ import annotations

import ast
import operator
from random import Random

from work import Work

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def value_of(text: str) -> tuple[int, list[int]] | None:
    """The value of an expression of + - * ( ) over whole numbers, and these; None for anything else."""
    if len(text) > 100 or set(text) - set("0123456789+-*() "):
        return None
    numbers: list[int] = []

    def walk(node) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            numbers.append(node.value)
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -walk(node.operand)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](walk(node.left), walk(node.right))
        raise ValueError

    try:
        return walk(ast.parse(text.strip(), mode="eval").body), numbers
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse(text: str):
    """The tree of an expression without signs: a number or (operator, left, right)."""
    signs = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}

    def walk(node):
        return (
            node.value
            if isinstance(node, ast.Constant)
            else (signs[type(node.op)], walk(node.left), walk(node.right))
        )

    return walk(ast.parse(text, mode="eval").body)


def tree(operations: int, largest: int, rng: Random):
    if operations == 0:
        return rng.randint(1, largest)
    left = rng.randint(0, operations - 1)
    return (rng.choice("++--*"), tree(left, largest, rng), tree(operations - 1 - left, largest, rng))


def show(node, above: str = "", right: bool = False) -> str:
    if isinstance(node, int):
        return f"({node})" if node < 0 and (right or above == "*") else str(node)
    op, a, b = node
    text = show(a, op) + op + show(b, op, True)
    loose = op != "*" and (above == "*" or (above == "-" and right))
    return f"({text})" if loose or (right and above and op != "*" and above != "+") else text


def within(node, limit: int, factor: int) -> int | None:
    """The value; None where a value on the way exceeds `limit` or both factors of a product exceed `factor`."""
    if isinstance(node, int):
        return node
    op, a, b = node
    x, y = within(a, limit, factor), within(b, limit, factor)
    if x is None or y is None or (op == "*" and min(abs(x), abs(y)) > factor):
        return None
    value = x + y if op == "+" else x - y if op == "-" else x * y
    return value if abs(value) <= limit else None


def reduce(node, work: Work):
    """Works out the first operation whose operands are numbers."""
    op, a, b = node
    if not isinstance(a, int):
        return (op, reduce(a, work), b)
    if not isinstance(b, int):
        return (op, a, reduce(b, work))
    if op == "*":
        return work.mul(a, b)
    return work.add(a, b) if op == "+" else work.sub(a, b)


def solve(node, work: Work) -> int:
    work.write(show(node))
    while not isinstance(node, int):
        node = reduce(node, work)
        if not isinstance(node, int):
            work.write(show(node))
    return node
