"""Texts that tokenizers get wrong: drawn from a seed, so that every run and every tokenizer sees the same ones."""

import json
import pathlib
import random

_HERE = pathlib.Path(__file__).resolve().parent
_LISTS = json.loads((_HERE / "tokenizer_words.json").read_text(encoding="ascii"))
WORDS, SPACES, CONTRACTIONS = _LISTS["words"], _LISTS["spaces"], _LISTS["contractions"]


def one(rng, specials):
    out = []
    languages = rng.sample(sorted(WORDS), rng.randrange(1, 4))
    for _ in range(rng.randrange(1, 24)):
        kind = rng.random()
        if kind < 0.70:
            out.append(rng.choice(WORDS[rng.choice(languages)]))
        elif kind < 0.76:
            out.append(rng.choice(CONTRACTIONS))
        elif kind < 0.80 and specials:
            out.append(rng.choice(specials))
        elif kind < 0.83 and specials:
            special = rng.choice(specials)
            out.append(special[: rng.randrange(1, len(special) + 1)])
        elif kind < 0.88:
            c = rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x20, 0x110000)])
            out.append(chr(c) if not 0xD800 <= c < 0xE000 else "x")
        else:
            out.append("".join(rng.choice(".,;:!?-_+*/=<>()[]{}|&^%$#@~`\"'\\") for _ in range(rng.randrange(1, 6))))
        out.append(rng.choice(SPACES) if rng.random() < 0.8 else "")
    return "".join(out)


def texts(count, seed=7, specials=()):
    rng = random.Random(seed)
    specials = sorted(specials)
    fixed = [
        "",
        " ",
        "\n",
        "a",
        "  a",
        "a  ",
        "\u0301",
        "x" * 3000,
        "ab" * 2000,
        "\u6570" * 1500,
        " " * 2000,
        "\n" * 1000,
        "1" * 500,
        "!" * 700,
        "a\u0301" * 400,
        "\U0001f600" * 300,
        "\u1100\u1161" * 300,
        "aB" * 500,
        "\u00c0\u00c9" * 400,
        "".join(chr(33 + i * 7 % 94) for i in range(3000)),
    ]
    fixed += ["%s" % s for s in specials[:40]] + [" %s " % s for s in specials[:20]]
    return fixed[:count] + [one(rng, specials) for _ in range(max(0, count - len(fixed)))]
