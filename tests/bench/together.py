#!/usr/bin/env python3
"""together.py MODEL COUNT TOKENS THREADS: tokens a second of COUNT answers that decode together."""

import sys
import time

import pensee


def main() -> None:
    path, (count, tokens, threads) = sys.argv[1], map(int, sys.argv[2:5])
    with pensee.Model(path, threads=threads, max_concurrent=count) as model:
        starts: list[float] = []
        options = dict(n=count, max_tokens=tokens + 1, temperature=1.0, seed=1, loop_guard=False, speculation="off")
        seen = 0
        for event in model.generate(list(range(10, 26)), **options):
            if event.kind in ("thought", "answer"):
                starts.append(time.monotonic())
                seen += 1
        # The first `count` events are those of the shared prompt's end.
        print((seen - count) / (starts[-1] - starts[count - 1]))


if __name__ == "__main__":
    main()
