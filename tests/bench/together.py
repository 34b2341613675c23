#!/usr/bin/env python3
"""Tokens a second of many answers that decode together: `n` samples of one prompt of 16 tokens.

  python3 tests/bench/together.py MODEL COUNT[,COUNT ...] TOKENS THREADS [--activations int8] [--cache-type bf16]

A line for each count, each the best of --repeat runs; with --json one object a line.
"""

import argparse
import json
import time

import pensee


def decoded_per_second(model: pensee.Model, count: int, tokens: int, sampling: dict) -> float:
    starts: list[float] = []
    options = dict(n=count, max_tokens=tokens + 1, seed=1, ignore_eos=True, loop_guard=False, speculation="off")
    for event in model.generate(list(range(10, 26)), **options, **sampling):
        if event.kind in ("thought", "answer"):
            starts.append(time.monotonic())
    # The first `count` events are those of the shared prompt's end.
    return (len(starts) - count) / (starts[-1] - starts[count - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model")
    add("counts", type=lambda text: list(map(int, text.split(","))))
    add("tokens", type=int)
    add("threads", type=int)
    add("--activations", choices=["int16", "int8"])
    add("--cache-type", choices=["f32", "f16", "bf16", "int8"])
    add("--inexact", action="store_true", help="exact=False")
    add("--temperature", type=float, default=1.0)
    add("--top-p", type=float)
    add("--top-k", type=int)
    add("--repeat", type=int, default=1)
    add("--json", action="store_true")
    args = parser.parse_args()
    sampling = dict(temperature=args.temperature, top_p=args.top_p, top_k=args.top_k)
    options = dict(activations=args.activations, cache_type=args.cache_type, exact=not args.inexact)
    with pensee.Model(args.model, threads=args.threads, max_concurrent=max(args.counts), **options) as model:
        for count in args.counts:
            rates = [decoded_per_second(model, count, args.tokens, sampling) for _ in range(args.repeat)]
            if args.json:
                print(json.dumps(dict(count=count, tokens_per_second=max(rates), **options, **sampling)), flush=True)
            else:
                print(max(rates) if len(args.counts) == 1 else f"{count}\t{max(rates):.1f}", flush=True)


if __name__ == "__main__":
    main()
