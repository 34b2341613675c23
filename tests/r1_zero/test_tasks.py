"""The problems of examples/r1_zero: answers against Python's own arithmetic, thoughts read back line by line."""
import math
import pathlib
import random
import re
import sys
from fractions import Fraction

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples" / "r1_zero"))
documents = pytest.importorskip("documents")
import expressions  # noqa: E402
import tasks  # noqa: E402
from work import Work  # noqa: E402

ALL = [(name, level) for name in tasks.NAMES for level in tasks.LEVELS]


def drawn(name, level, count=60, split="train", seed=7):
    rng = random.Random(f"{name}{level}{split}{seed}")
    return [tasks.make(name, level, rng, split) for _ in range(count)]


@pytest.mark.parametrize("name,level", ALL)
def test_the_careful_thought_comes_to_the_answer(name, level):
    for problem in drawn(name, level):
        work = Work(random.Random(1))
        assert tasks.is_right(problem, tasks.solve(problem, work)), problem
        assert tasks.is_right(problem, problem.answer)
        assert not tasks.is_right(problem, problem.answer + "1")
        assert not tasks.is_right(problem, "")


def computed(text):
    """What Python makes of the arithmetic in a question."""
    text = text.replace("x", "*").replace("×", "*").replace("^", "**")
    return eval(re.search(r"[-\d(][-\d+*/() ]*", text).group().strip())  # noqa: S307 our own questions


@pytest.mark.parametrize("name", ["sums", "products", "expressions"])
def test_answers_are_those_of_python(name):
    seen = 0
    for level in tasks.LEVELS:
        for problem in drawn(name, level, 200):
            if re.search(r"\d *[-+*x×] *[\d(]|\)", problem.question):
                seen += 1
                assert computed(problem.question) == int(problem.answer), problem
    assert seen > 300


def test_answers_of_the_other_tasks():
    for level in tasks.LEVELS:
        for problem in drawn("equations", level, 100):
            v, a, b, c, d = problem.data
            x = Fraction(problem.answer)
            assert -100 <= x <= 100
            assert a * (x + b) == d if c is None else a * x + b == c * x + d
        for problem in drawn("divisors", level, 100):
            how, a, b = problem.data
            if how == "gcd":
                assert int(problem.answer) == math.gcd(a, b)
            else:
                assert (problem.answer == "Yes") == (a > 1 and all(a % k for k in range(2, a)))
        for problem in drawn("modular", level, 100):
            how, a, b = problem.data
            assert int(problem.answer) == (a % b if how == "mod" else a ** b)
        for problem in drawn("division", level, 100):
            a, b = problem.data
            q, r = divmod(a, b)
            assert problem.answer == (f"{q} remainder {r}" if r else str(q))
        for problem in drawn("order", level, 100):
            how, numbers = problem.data
            expected = sorted(numbers, reverse=how == "down")
            assert problem.answer == (str(max(numbers)) if how == "max" else str(min(numbers)) if how == "min"
                                      else ", ".join(map(str, expected)))


def test_facts_in_careful_thoughts_hold():
    """Every `expression=number` that a careful thought writes is true, and columns are short facts."""
    checked = 0
    for name in ("sums", "products", "division", "expressions", "modular", "words"):
        for problem in drawn(name, 5, 100):
            work = Work(random.Random(2))
            tasks.solve(problem, work)
            for line in work.lines:
                match = re.fullmatch(r"([\d*+()-]+)=(-?\d+)", line)
                if match and not re.search(r"(^|[^\d])0\d", line) and re.fullmatch(r".*\d[-+*].*", match[1]):
                    wanted = expressions.value_of(match[1])
                    if wanted is not None and not re.match(r"\d-\d-\d=|\d\+\d\+\d=|\d\*\d\+\d+=", line):
                        assert wanted[0] == int(match[2]), (problem, line)
                        checked += 1
    assert checked > 200


def test_train_and_test_are_disjoint_and_tests_exist_at_every_level():
    for name, level in ALL:
        train = {problem.key for problem in drawn(name, level, 200)}
        test = {problem.key for problem in drawn(name, level, 30, "test")}
        assert test and not train & test


def test_mixed_problems_join_sizes_that_no_level_joins():
    rng = random.Random(7)
    sizes = set()
    for _ in range(2000):
        how, numbers = tasks.make("order", 5, rng, mixed=True).data
        sizes.add((len(numbers), max(len(str(n)) for n in numbers)) if how in ("up", "down") else None)
    assert sizes >= {(count, digits) for count in range(2, 7) for digits in range(1, 5)}
    divided = {tuple(len(str(n)) for n in tasks.make("division", 5, rng, mixed=True).data) for _ in range(500)}
    assert divided >= {(5, 1), (4, 1), (1, 1), (3, 2), (5, 2)}
    assert any(n < m for how, n, m in (tasks.make("modular", 5, rng, mixed=True).data for _ in range(500)))


def test_no_training_document_asks_a_question_of_the_test_split():
    held = {problem.question for name, level in ALL for problem in drawn(name, level, 50, "test")}
    rng = random.Random(3)
    for i in range(4000):
        text = documents.apart(rng) if i % 4 == 0 else documents.pretraining(rng)
        for question in re.findall(r"<\|user\|>(.*?)<\|assistant\|>", text, re.S):
            assert question not in held


def test_documents_have_the_form_that_the_template_gives():
    rng = random.Random(4)
    styles = {style: 0 for style in documents.OPENERS}
    for _ in range(2000):
        text = documents.pretraining(rng)
        match = re.fullmatch(r"(?:<\|user\|>.*<\|assistant\|>.*<\|end\|>)?<\|user\|>[^<]*<\|assistant\|><think>\n"
                             r"([^\0]*?)\n</think>\n\n[^\n]+<\|end\|>", text)
        assert match, text
        for style, openers in documents.OPENERS.items():
            styles[style] += match[1].startswith(openers)
    assert all(count > 300 for count in styles.values())


def test_guesses_are_mostly_wrong_and_hasty_work_slips():
    rng = random.Random(5)
    right = {"guess": 0, "hasty": 0}
    for _ in range(1500):
        problem = documents.problem(rng)
        for style in right:
            right[style] += tasks.is_right(problem, documents.thought_and_answer(problem, style, rng)[1])
    assert 0.2 < right["guess"] / 1500 < 0.5 < right["hasty"] / 1500 < 0.85
