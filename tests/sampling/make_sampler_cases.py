#!/usr/bin/env python3
"""Makes sampler_cases.json: logits, settings and what they leave, by transformers' processors and papers' formulas.

Each case has `settings` (names as in SamplerSettings), `order`, `logits`, `history`, `allowed`, and the result:
`kept` (the ids left), `probabilities` of these, and `scores` when only penalties ran. Repetition penalty, SequenceBias,
temperature, top-k, top-p, min-p and typical-p are transformers' (in double precision). Frequency and presence penalty
follow OpenAI's documented formula, DRY its author's description (token by token, the slow way), XTC its author's,
top-n-sigma and mirostat 2 the papers'. `traces` are whole runs, with SplitMix64 and the draw written down once more.

  python3 tests/sampling/make_sampler_cases.py     (needs torch, numpy and transformers)
"""

import json
import math
import pathlib

import numpy as np
import torch
from transformers.generation import logits_process as lp

HERE = pathlib.Path(__file__).resolve().parent
DEFAULT_ORDER = "penalties dry temperature top_n_sigma top_k top_p min_p typical_p xtc".split()


def as_row(scores):
    return torch.tensor(np.asarray(scores, dtype=np.float64))[None]


def by_transformers(processor, scores, history=()):
    ids = torch.tensor([list(history)], dtype=torch.long)
    return processor(ids, as_row(scores))[0].numpy()


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def window(history, last_n):
    return history if last_n < 0 else history[max(0, len(history) - last_n):] if last_n else []


def penalties(scores, s, history):
    seen = window(history, s.get("penalty_last_n", -1))
    if "repetition_penalty" in s and seen:
        scores = by_transformers(lp.RepetitionPenaltyLogitsProcessor(s["repetition_penalty"]), scores, seen)
    counts = np.bincount(np.array(seen, dtype=np.int64), minlength=len(scores))[: len(scores)]
    return scores - counts * s.get("frequency_penalty", 0.0) - (counts > 0) * s.get("presence_penalty", 0.0)


def dry(scores, s, history):
    """For each token: the longest end of the history that stood before it earlier, breakers not crossed."""
    seen, breakers = window(history, s.get("dry_last_n", -1)), set(s.get("dry_breakers", []))
    scores = scores.copy()
    longest = {}
    for place in range(1, len(seen)):
        token, length = seen[place], 0
        if token in breakers:
            continue
        while length < place and seen[place - 1 - length] == seen[-1 - length] and seen[-1 - length] not in breakers:
            length += 1
        longest[token] = max(longest.get(token, 0), length)
    for token, length in longest.items():
        if length >= max(1, s.get("dry_allowed_length", 2)):
            scores[token] -= s["dry_multiplier"] * s.get("dry_base", 1.75) ** (length - s.get("dry_allowed_length", 2))
    return scores


def top_n_sigma(scores, s):
    left = scores[np.isfinite(scores)]
    return np.where(scores >= left.max() - s["top_n_sigma"] * left.std(), scores, -np.inf)


def xtc(scores, s):
    """With probability 1: of the tokens at or above the threshold only the least probable stays."""
    above = np.flatnonzero(softmax(scores) >= s["xtc_threshold"])
    scores = scores.copy()
    if len(above) > 1:
        keep = above[np.argmin(scores[above])]
        scores[[i for i in above if i != keep]] = -np.inf
    return scores


STEPS = {
    "penalties": lambda x, s, h: penalties(x, s, h),
    "dry": lambda x, s, h: dry(x, s, h) if "dry_multiplier" in s else x,
    "temperature": lambda x, s, h: by_transformers(lp.TemperatureLogitsWarper(float(s["temperature"])), x),
    "top_n_sigma": lambda x, s, h: top_n_sigma(x, s) if "top_n_sigma" in s else x,
    "top_k": lambda x, s, h: by_transformers(lp.TopKLogitsWarper(s["top_k"]), x) if "top_k" in s else x,
    "top_p": lambda x, s, h: by_transformers(lp.TopPLogitsWarper(s["top_p"]), x) if "top_p" in s else x,
    "min_p": lambda x, s, h: by_transformers(lp.MinPLogitsWarper(s["min_p"]), x) if "min_p" in s else x,
    "typical_p": lambda x, s, h: by_transformers(lp.TypicalLogitsWarper(s["typical_p"]), x) if "typical_p" in s else x,
    "xtc": lambda x, s, h: xtc(x, s) if "xtc_probability" in s else x,
}


def prepare(logits, s, allowed):
    scores = np.array(logits, dtype=np.float64)
    if allowed is not None:
        scores[[i for i in range(len(scores)) if i not in set(allowed)]] = -np.inf
    if "logit_bias" in s:
        bias = {(int(i),): float(b) for i, b in s["logit_bias"]}
        scores = by_transformers(lp.SequenceBiasLogitsProcessor(sequence_bias=bias), scores, [0])
    return scores


def distribution(logits, s, history=(), order=None, allowed=None):
    scores = prepare(logits, s, allowed)
    for step in order or DEFAULT_ORDER:
        scores = STEPS[step](scores, s, list(history))
    return scores


def random_logits(rng, count, spread):
    x = rng.normal(0, spread, count)
    while len(set(np.round(x, 3))) < len(x):  # ties have tests of their own
        x += rng.normal(0, 0.01, count)
    return [round(float(v), 3) for v in x]


def case(name, logits, settings, history=(), order=None, allowed=None):
    scores = distribution(logits, settings, history, order, allowed)
    p = softmax(scores)
    kept = [int(i) for i in np.flatnonzero(np.isfinite(scores))]
    moves = all(step in ("penalties", "dry", "temperature") for step in order or [])
    name = name.translate(str.maketrans("", "", "{}'"))
    out = {"name": name, "settings": settings, "order": order or [], "history": list(history), "logits": logits,
           "allowed": allowed, "kept": kept, "probabilities": [float(f"{p[i]:.7g}") for i in kept]}
    if order and moves:
        out["scores"] = [float(f"{x:.9g}") if np.isfinite(x) else None for x in scores]
    return out


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return ((z ^ (z >> 31)) >> 11) / 2.0**53


def draw(p, random):
    at = random.unit() * p.sum()
    ranked = sorted(np.flatnonzero(p > 0), key=lambda i: (-p[i], i))
    for i in ranked:
        at -= p[i]
        if at < 0:
            return int(i)
    return int(ranked[-1])


def mirostat_trace(rows, s, seed, count):
    """Algorithm of Mirostat 2.0: S(X) is the surprise under the model's own distribution."""
    random, mu, tokens = Random(seed), 2 * s["mirostat_tau"], []
    for i in range(count):
        p = softmax(distribution(rows[i % len(rows)], {"temperature": s["temperature"]}, order=["temperature"]))
        surprise = -np.log2(p)
        left = np.where((surprise <= mu) | (p == p.max()), p, 0)
        tokens.append(draw(left / left.sum(), random))
        mu -= s["mirostat_eta"] * (surprise[tokens[-1]] - s["mirostat_tau"])
    return tokens


def chain_trace(rows, s, seed, count):
    """The default order with everything on; the history grows by what comes. XTC takes one number a token."""
    random, tokens = Random(seed), []
    for i in range(count):
        now = dict(s)
        if not random.unit() < s["xtc_probability"]:
            del now["xtc_probability"]
        tokens.append(draw(softmax(distribution(rows[i % len(rows)], now, tokens)), random))
    return tokens


def truncations(rng):
    for count, spread in ((2, 1.0), (5, 2.0), (37, 1.5), (300, 2.0), (300, 0.2)):
        logits = random_logits(rng, count, spread)
        singles = [("top_k", (1, 4, 40, 299)), ("top_p", (0.01, 0.3, 0.8, 0.95, 0.999)),
                   ("min_p", (0.001, 0.05, 0.3, 0.999)), ("typical_p", (0.01, 0.2, 0.5, 0.9, 0.99)),
                   ("top_n_sigma", (0.1, 0.5, 1.0, 2.0, 3.5))]
        for field, values in singles:
            for value in values:
                if field == "top_k" and value >= count:
                    continue
                yield case(f"{field} {value} of {count}", logits, {"temperature": 1, field: value}, order=[field])
        for threshold in (0.01, 0.05, 0.1, 0.3, 0.5):
            s = {"temperature": 1, "xtc_probability": 1, "xtc_threshold": threshold}
            yield case(f"xtc {threshold} of {count}", logits, s, order=["xtc"])


def chains(rng):
    choices = {"temperature": (0.3, 0.7, 1, 1.8), "top_k": (5, 20, 60), "top_p": (0.5, 0.9, 0.95),
               "min_p": (0.02, 0.1), "typical_p": (0.4, 0.8, 0.95), "top_n_sigma": (1.0, 2.0)}
    for i in range(40):
        s = {k: v[rng.integers(len(v))] for k, v in choices.items() if k == "temperature" or rng.random() < 0.5}
        if rng.random() < 0.4:
            s |= {"xtc_probability": 1, "xtc_threshold": float(rng.choice([0.05, 0.1, 0.2]))}
        logits = random_logits(rng, int(rng.choice([12, 90, 200])), float(rng.choice([0.7, 2, 4])))
        order = None if i % 2 else [str(x) for x in rng.permutation(DEFAULT_ORDER[2:])]
        allowed = None
        if i % 5 == 0:
            allowed = sorted(int(x) for x in rng.choice(len(logits), len(logits) // 3, replace=False))
        yield case(f"chain {i}", logits, {k: float(v) if k != "top_k" else int(v) for k, v in s.items()}, order=order,
                   allowed=allowed)
    # Penalties after a truncation, and after temperature.
    logits, history = random_logits(rng, 60, 2), [int(x) for x in rng.integers(0, 60, 80)]
    s = {"temperature": 2.5, "repetition_penalty": 1.5, "presence_penalty": 1.5, "top_k": 25, "top_p": 0.9}
    for order in (["top_k", "penalties", "top_p", "temperature"], ["temperature", "penalties", "top_p"],
                  ["top_p", "temperature", "penalties", "top_k"], ["penalties", "temperature", "top_k", "top_p"]):
        yield case("order " + " ".join(order), logits, s, history, order)


def moves(rng):
    logits = random_logits(rng, 50, 3)
    history = [int(x) for x in rng.integers(0, 50, 40)]
    for s in ({"repetition_penalty": 1.3}, {"repetition_penalty": 0.8}, {"frequency_penalty": 0.6},
              {"presence_penalty": 1.1}, {"frequency_penalty": -0.5, "presence_penalty": -1.0},
              {"repetition_penalty": 1.2, "frequency_penalty": 0.25, "presence_penalty": 0.5},
              {"repetition_penalty": 2.0, "penalty_last_n": 7}, {"frequency_penalty": 1.0, "penalty_last_n": 1},
              {"presence_penalty": 1.0, "penalty_last_n": 500}, {"logit_bias": [[3, 4.5], [7, -100.0], [49, 0.25]]}):
        yield case(f"penalties {s}", logits, {"temperature": 1} | s, history, ["penalties"])
    for i in range(24):
        words = int(rng.choice([2, 3, 6]))
        seen = [int(x) for x in rng.integers(0, words, int(rng.integers(0, 70)))]
        if i % 3 == 0:
            seen = seen[:9] * 5 + seen[:4]
        s = {"dry_multiplier": float(rng.choice([0.5, 0.8, 2])), "dry_base": float(rng.choice([1.0, 1.2, 1.75])),
             "dry_allowed_length": int(rng.choice([0, 1, 2, 4])), "dry_last_n": int(rng.choice([-1, -1, 12, 1000]))}
        if i % 2:
            s["dry_breakers"] = sorted({int(x) for x in rng.integers(0, words, 1 + i % 2)})
        yield case(f"dry {i}", random_logits(rng, 8, 2), {"temperature": 1} | s, seen, ["dry"])


def traces(rng):
    rows = [random_logits(rng, n, spread) for n, spread in ((64, 1), (64, 3), (64, 0.3), (64, 6))]
    for tau, eta, temperature in ((2.0, 0.1, 1.0), (5.0, 0.1, 1.0), (3.0, 0.6, 0.7), (0.5, 1.0, 1.4)):
        s = {"temperature": temperature, "mirostat": 2, "mirostat_tau": tau, "mirostat_eta": eta}
        # What mirostat replaces must not matter.
        yield {"settings": s | {"top_k": 2, "top_p": 0.1}, "seed": 7, "rows": rows,
               "tokens": mirostat_trace(rows, s, 7, 300)}
    s = {"temperature": 0.9, "top_k": 40, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.97, "top_n_sigma": 2.5,
         "xtc_probability": 0.4, "xtc_threshold": 0.1, "repetition_penalty": 1.1, "frequency_penalty": 0.1,
         "presence_penalty": 0.2, "penalty_last_n": 64, "dry_multiplier": 0.8, "dry_base": 1.75,
         "dry_allowed_length": 1, "dry_last_n": 100, "logit_bias": [[5, 1.5], [11, -100.0]]}
    yield {"settings": s, "seed": 12345, "rows": rows, "tokens": chain_trace(rows, s, 12345, 400)}
    s = {"temperature": 1.0, "xtc_probability": 0.5, "xtc_threshold": 0.05}
    yield {"settings": s, "seed": 99, "rows": rows, "tokens": chain_trace(rows, s, 99, 200)}


def main():
    rng = np.random.default_rng(2024)
    cases = [*truncations(rng), *chains(rng), *moves(rng)]
    runs = list(traces(rng))
    rows = []  # each row of logits once
    for entry in cases:
        if entry["logits"] not in rows:
            rows.append(entry["logits"])
        entry["logits"] = rows.index(entry["logits"])
    lines = ['{"rows": [', ",\n".join(json.dumps(r) for r in rows), '],\n"cases": [',
             ",\n".join(json.dumps(c) for c in cases), '],\n"traces": [',
             ",\n".join(json.dumps(t) for t in runs), "]}\n"]
    assert all(math.isfinite(x) for r in rows for x in r)
    (HERE / "sampler_cases.json").write_text("\n".join(lines))
    print(f"{len(cases)} cases, {len(runs)} traces")


if __name__ == "__main__":
    main()
