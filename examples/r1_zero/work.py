"""Written arithmetic: what a thought consists of.

`Work` calculates and writes down how. In detail, every line is a fact small enough for a small model: one column of a
sum with its carry, one digit of a product, one digit of a quotient. Without detail each operation is one line, and
`slip` is the probability that it comes out wrong, with everything that follows from it.
"""

from __future__ import annotations

from random import Random


def perturbed(value: int, rng: Random) -> int:
    """A wrong value as a slip gives it: one digit off, or two of them exchanged."""
    digits = list(str(abs(value)))
    if len(digits) > 1 and rng.random() < 0.3:
        i = rng.randrange(len(digits) - 1)
        digits[i], digits[i + 1] = digits[i + 1], digits[i]
    else:
        i = rng.randrange(len(digits))
        digits[i] = str((int(digits[i]) + rng.choice((1, 2, 8, 9))) % 10)
    wrong = int("".join(digits)) * (-1 if value < 0 else 1)
    return wrong if wrong != value else value + rng.choice((-1, 1))


class Work:
    def __init__(self, rng: Random, detail: bool = True, slip: float = 0.0):
        self.rng, self.detail, self.slip, self.lines = rng, detail, slip, []

    def write(self, line: str) -> None:
        self.lines.append(line)

    def slipped(self, value: int) -> int:
        return perturbed(value, self.rng) if self.slip and self.rng.random() < self.slip else value

    def add(self, a: int, b: int) -> int:
        """a + b for any signs."""
        return self._signed(a, b)

    def sub(self, a: int, b: int) -> int:
        return self._signed(a, -b)

    def mul(self, a: int, b: int) -> int:
        sign = -1 if (a < 0) != (b < 0) else 1
        x, y = abs(a), abs(b)
        if not self.detail:
            value = self.slipped(a * b)
            self.write(f"{a}*{b}={value}")
            return value
        if sign < 0 or a < 0:
            self.write(f"{a}*{b}={'-' if sign < 0 and a * b else ''}{x}*{y}" + ("=0" if a * b == 0 else ""))
            if a * b == 0:
                return 0
        if y > x:
            x, y = y, x
        return sign * self._product(x, y)

    def divide(self, a: int, b: int) -> tuple[int, int]:
        """Quotient and remainder of a >= 0 by b > 0, as written division gives them."""
        if not self.detail:
            q, r = divmod(a, b)
            q = self.slipped(q)
            self.write(f"{a}/{b}={q}r{r}")
            return q, r
        multiples = [b * i for i in range(1, 10)]
        if b >= 10 and a >= b:
            self.write(" ".join(map(str, multiples)))
        part, quotient = 0, ""
        for digit in str(a):
            part = part * 10 + int(digit)
            if part < b and not quotient:
                continue
            q, r = divmod(part, b)
            if b < 10 or q == 0:
                self.write(f"{part}/{b}={q}r{r}")
            else:
                self.write(f"{part}/{b}={q},{part}-{q * b}={r}")
            quotient += str(q)
            part = r
        if not quotient:
            self.write(f"{a}/{b}=0r{a}")
            return 0, a
        self.write(f"={int(quotient)}r{part}")
        return int(quotient), part

    def remainder(self, a: int, b: int) -> int:
        """a mod b: by subtracting b while that is short, else by division."""
        if not self.detail:
            r = self.slipped(a % b) % max(b, 1)
            self.write(f"{a}%{b}={r}")
            return r
        if a < 10 * b and b >= 10:
            while a >= b:
                self.write(f"{a}-{b}={a - b}")
                a -= b
            return a
        return self.divide(a, b)[1]

    def _signed(self, a: int, b: int) -> int:
        shown = f"{a}+{b}" if b >= 0 else f"{a}-{-b}"
        if not self.detail or (abs(a) < 100 and abs(b) < 100):
            value = self.slipped(a + b)
            self.write(f"{shown}={value}")
            return value
        x, y = abs(a), abs(b)
        if (a < 0) == (b < 0):
            if a < 0:
                self.write(f"{shown}=-({x}+{y})")
            value = self._columns_add(x, y)
            return -value if a < 0 else value
        minus = (a < 0) if x >= y else (b < 0)  # the sign of the larger
        if x < y:
            x, y = y, x
        if minus or a < 0 or abs(a) < abs(b):
            self.write(f"{shown}={'-(' if minus else ''}{x}-{y}{')' if minus else ''}")
        value = self._columns_sub(x, y)
        return -value if minus else value

    def _columns_add(self, x: int, y: int) -> int:
        if x < 100 and y < 100:
            self.write(f"{x}+{y}={x + y}")
            return x + y
        width = max(len(str(x)), len(str(y)))
        first, second = str(x).zfill(width), str(y).zfill(width)
        self.write(f"{first}+{second}")
        carry = 0
        for p, q in zip(reversed(first), reversed(second)):
            total = int(p) + int(q) + carry
            self.write(f"{p}+{q}+{carry}={total}")
            carry = total // 10
        self.write(f"={x + y}")
        return x + y

    def _columns_sub(self, x: int, y: int) -> int:
        if x < 100:
            self.write(f"{x}-{y}={x - y}")
            return x - y
        first, second = str(x), str(y).zfill(len(str(x)))
        self.write(f"{first}-{second}")
        borrow = 0
        for p, q in zip(reversed(first), reversed(second)):
            left = int(p) - int(q) - borrow
            self.write(f"{p}-{q}-{borrow}{'+10' if left < 0 else ''}={left % 10}")
            borrow = int(left < 0)
        self.write(f"={x - y}")
        return x - y

    def _product(self, x: int, y: int) -> int:
        """x * y of x >= y >= 0, digit by digit of y, then the sum of the parts."""
        if (x < 10 and y < 10) or y < 2 or y == 10:
            self.write(f"{x}*{y}={x * y}")
            return x * y
        total = None
        for place, digit in enumerate(reversed(str(y))):
            if digit == "0":
                continue
            part = self._by_digit(x, int(digit))
            if place:
                self.write(f"{part}*{10**place}={part * 10**place}")
                part *= 10**place
            total = part if total is None else self._columns_add(total, part)
        return total

    def _by_digit(self, x: int, digit: int) -> int:
        if x < 10 or digit == 1:
            self.write(f"{x}*{digit}={x * digit}")
            return x * digit
        self.write(f"{x}*{digit}")
        carry = 0
        for d in reversed(str(x)):
            total = int(d) * digit + carry
            self.write(f"{d}*{digit}+{carry}={total}")
            carry = total // 10
        self.write(f"={x * digit}")
        return x * digit
