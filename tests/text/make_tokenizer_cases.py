#!/usr/bin/env python3
"""Writes tests/text/data/*.json: small tokenizers of every family's shape with the ids that the `tokenizers` library
gives. Needs tokenizers 0.23.
The vocabularies are trained here on a few hundred words and shared by all cases, so that the files stay small."""

import json
import os
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "python"))
from tokenizer_texts import WORDS, texts  # noqa: E402

END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + END
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = SHORT + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + END
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
FRONT = r"[^\r\n\p{L}\p{N}]?"
O200K = (
    FRONT
    + UPPER
    + "*"
    + LOWER
    + "+"
    + SHORT
    + "?|"
    + FRONT
    + UPPER
    + "+"
    + LOWER
    + "*"
    + SHORT
    + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    + END
)
TEKKEN = O200K.replace(SHORT + "?", "").replace("{1,3}", "")
KIMI = r"[\p{Han}]+|" + O200K.replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]").replace(r"[\r\n/]*", r"[\r\n]*")
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*" + END
)
BAILING = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]" r"|\s+(?!\S)|\s+"
)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(prefix=False, regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def sequence(*steps):
    return pre_tokenizers.Sequence(list(steps))


def train_bytes(size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = sequence(split(LLAMA3), byte_level())
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    corpus = [" ".join(words) for words in WORDS.values()] + texts(60, seed=3)[20:]
    tokenizer.train_from_iterator(corpus * 2, trainer)
    return json.loads(tokenizer.to_str())["model"]


def train_characters(size):
    """SentencePiece's kind: U+2581 for spaces, unknown characters as bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, limit_alphabet=60)
    tokenizer.train_from_iterator([" ".join(WORDS[k]) for k in ("english", "german", "french", "code")] * 3, trainer)
    spec = json.loads(tokenizer.to_str())
    return spec["model"], spec["normalizer"]


def added(content, token_id, **flags):
    out = {
        "id": token_id,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": False,
    }
    out.update(flags)
    return out


def template(prefix, suffix=()):
    pieces = [{"SpecialToken": {"id": name, "type_id": 0}} for name, _ in prefix]
    pieces.append({"Sequence": {"id": "A", "type_id": 0}})
    pieces += [{"SpecialToken": {"id": name, "type_id": 0}} for name, _ in suffix]
    ids = {name: {"id": name, "ids": [i], "tokens": [name]} for name, i in [*prefix, *suffix]}
    return {
        "type": "TemplateProcessing",
        "single": pieces,
        "pair": pieces + [{"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": ids,
    }


def part(component):
    """A normalizer or pre-tokenizer as tokenizer.json spells it."""
    return None if component is None else json.loads(component.__getstate__())


def json_cases(model):
    n = len(model["vocab"])
    specials = [
        added("<|bos|>", n, special=True),
        added("<|im_start|>", n + 1, special=True),
        added("<think>", n + 2),
        added("</think>", n + 3),
    ]
    odd = [
        added("<|l|>", n, special=True, lstrip=True),
        added("<|r|>", n + 1, special=True, rstrip=True),
        added("<|lr|>", n + 2, lstrip=True, rstrip=True),
        added("word", n + 3, single_word=True),
        added("<|l|><|l|>", n + 4),
        added("quick", n + 5, normalized=True),
        added("r\u00e9sum\u00e9", n + 6, normalized=True),
        added("e\u0301t\u00e9", n + 7, normalized=True),
        added("   ", n + 8),
        added("fox", n + 9, single_word=True, lstrip=True),
    ]
    prefix = {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            template([("<|bos|>", n)]),
        ],
    }
    whole = dict(model, ignore_merges=True)
    pairs = dict(model, merges=[" ".join(m) for m in model["merges"]])
    nfc = normalizers.NFC()
    rows = [
        ("gpt-2", None, byte_level(regex=True), specials, None, model),
        ("gpt-2 with a prefix space", None, byte_level(prefix=True, regex=True), specials, None, model),
        (
            "llama-3: merges ignored, BOS from a template",
            None,
            sequence(split(LLAMA3), byte_level()),
            specials,
            prefix,
            whole,
        ),
        ("qwen: NFC", nfc, sequence(split(QWEN2), byte_level()), specials, None, model),
        ("qwen3.5", nfc, sequence(split(QWEN35), byte_level()), specials, None, model),
        (
            "deepseek-v3, merges as strings",
            None,
            sequence(split(r"\p{N}{1,3}"), split(CJK), split(DEEPSEEK3), byte_level()),
            specials,
            None,
            pairs,
        ),
        ("gpt-oss", None, sequence(split(O200K), byte_level()), specials, None, whole),
        (
            "smollm: single digits",
            None,
            sequence(pre_tokenizers.Digits(True), byte_level(regex=True)),
            specials,
            None,
            model,
        ),
        (
            "digits together, spaces removed",
            None,
            sequence(pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(False), byte_level()),
            specials,
            None,
            model,
        ),
        (
            "punctuation joins what precedes",
            None,
            sequence(pre_tokenizers.Punctuation("merged_with_previous"), byte_level()),
            specials,
            None,
            model,
        ),
        (
            "matches join what follows",
            None,
            sequence(split(r"\s", "merged_with_next"), byte_level()),
            specials,
            None,
            model,
        ),
        (
            "contiguous, inverted",
            None,
            sequence(split(r"\p{L}", "contiguous", True), byte_level()),
            specials,
            None,
            model,
        ),
        (
            "removed, a literal text",
            None,
            sequence(pre_tokenizers.Split(" ", "removed"), byte_level()),
            specials,
            None,
            model,
        ),
        (
            "a prefix space for each piece",
            None,
            sequence(split(r"\n"), byte_level(prefix=True)),
            specials,
            None,
            model,
        ),
        ("added tokens strip and stand alone", nfc, sequence(split(QWEN2), byte_level()), odd, None, model),
        ("kimi: scripts and class intersections", None, sequence(split(KIMI), byte_level()), specials, None, whole),
        (
            "normalizers in sequence",
            normalizers.Sequence(
                [
                    normalizers.Replace(Regex(r"\s+"), "_"),
                    normalizers.Prepend("<"),
                    nfc,
                    normalizers.Strip(left=False, right=True),
                ]
            ),
            byte_level(),
            specials,
            template([("<|bos|>", n)], [("<think>", n + 2)]),
            model,
        ),
    ]
    return [(name, part(norm), part(pre), tokens, post, m) for name, norm, pre, tokens, post, m in rows]


def ids_of(spec, lines):
    tokenizer = Tokenizer.from_str(json.dumps(spec))
    rows = []
    for line in lines:
        ids = tokenizer.encode(line).ids
        plain = tokenizer.encode(line, add_special_tokens=False).ids
        rows.append({"ids": plain, "decoded": tokenizer.decode(plain, skip_special_tokens=False)})
        if ids != plain:
            rows[-1]["with_special"] = ids
    return rows


def short(rows, lines):
    """Decoded text is left out where it is the text."""
    for row, line in zip(rows, lines):
        if row["decoded"] == line:
            del row["decoded"]
    return rows


def write(name, value):
    with open(os.path.join(HERE, "data", name), "w", encoding="ascii", newline="\n") as f:
        json.dump(value, f, separators=(",", ":"))
        f.write("\n")


def make_tokenizers():
    model = train_bytes(420)
    model = {k: v for k, v in model.items() if k in ("type", "vocab", "merges")}
    lines = [
        t for t in texts(200, seed=11, specials=["<|bos|>", "<|im_start|>", "<think>", "</think>"]) if len(t) < 160
    ]
    lines = lines[:42] + [
        "a <|l|> b  <|r|>  c<|lr|> d",
        "word words sword word.",
        "<|l|><|l|> <|l|>",
        "quick quicker",
        "re\u0301sume\u0301 \u00e9te\u0301 e\u0301t\u00e9",
        "the  fox foxes  fox",
        "x" * 90,
        "1" * 50,
        "ab" * 60,
        " " * 60,
    ]
    decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    cases = []
    for name, norm, pre, tokens, post, m in json_cases(model):
        spec = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": tokens,
            "normalizer": norm,
            "pre_tokenizer": pre,
            "post_processor": post,
            "decoder": decoder,
            "model": m,
        }
        case = {k: spec[k] for k in ("added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder")}
        case.update(
            name=name,
            ignore_merges=m.get("ignore_merges", False),
            string_merges=isinstance(m["merges"][0], str),
            results=short(ids_of(spec, lines), lines),
        )
        cases.append(case)
    write("tokenizers.json", {"model": model, "texts": lines, "cases": cases})
    return model


def make_gguf(model):
    pres = {
        "gpt-2": ([GPT2], False, False),
        "smollm": ([r"\p{N}", GPT2], False, False),
        "llama-bpe": ([LLAMA3], False, True),
        "smaug-bpe": ([LLAMA3], False, False),
        "glm4": ([LLAMA3], False, True),
        "qwen2": ([QWEN2], True, False),
        "deepseek-r1-qwen": ([QWEN2], True, False),
        "qwen35": ([QWEN35], True, False),
        "gpt-4o": ([O200K], False, True),
        "tekken": ([TEKKEN], False, True),
        "kimi-k2": ([KIMI], False, True),
        "bailingmoe": ([BAILING], False, False),
        "deepseek-v3": ([r"\p{N}{1,3}", CJK, DEEPSEEK3], False, False),
        "deepseek-coder": (
            [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}"],
            False,
            False,
        ),
    }
    n = len(model["vocab"])
    tokens = sorted(model["vocab"], key=model["vocab"].get) + ["<|bos|>", "<think>", "[PAD]"]
    lines = [t for t in texts(150, seed=12, specials=["<|bos|>", "<think>"]) if len(t) < 140][20:44]
    rows = []
    for pre, (patterns, nfc, ignore) in pres.items():
        steps = sequence(*[split(p) for p in patterns], byte_level())
        spec = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "post_processor": None,
            "added_tokens": [added("<|bos|>", n, special=True), added("<think>", n + 1)],
            "normalizer": {"type": "NFC"} if nfc else None,
            "pre_tokenizer": part(steps),
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": dict(model, ignore_merges=ignore),
        }
        rows.append({"pre": pre, "ids": [row["ids"] for row in ids_of(spec, lines)]})
    write(
        "gguf.json",
        {
            "tokens": tokens,
            "token_type": [1] * n + [3, 4, 5],
            "merges": [" ".join(m) for m in model["merges"]],
            "texts": lines,
            "cases": rows,
        },
    )


def merges_of_scores(vocab, scores):
    """Pairs by falling score, as transformers derives them from a SentencePiece model."""
    merges = []
    for token, score in scores.items():
        cuts = [
            (token[:i], token[i:], score) for i in range(1, len(token)) if token[:i] in vocab and token[i:] in vocab
        ]
        merges += sorted(cuts, key=lambda cut: (vocab[cut[0]], vocab[cut[1]]))
    merges.sort(key=lambda cut: (cut[2], len(cut[0]), len(cut[1])), reverse=True)
    return [[left, right] for left, right, _ in merges]


def make_characters():
    model, normalizer = train_characters(520)
    vocab = model["vocab"]
    tokens = sorted(vocab, key=vocab.get)
    scores = {token: float(-i) if i >= 259 else 0.0 for i, token in enumerate(tokens)}
    decoder = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    }
    spec = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "normalizer": normalizer,
        "pre_tokenizer": None,
        "post_processor": template([("<s>", 1)]),
        "decoder": decoder,
        "added_tokens": [added(t, i, special=True) for i, t in enumerate(["<unk>", "<s>", "</s>"])],
        "model": dict(model, merges=merges_of_scores(vocab, scores)),
    }
    lines = [t for t in texts(160, seed=13, specials=["<s>", "</s>"]) if len(t) < 120][:40] + [
        "x" * 80,
        "The quick " * 12,
    ]
    write(
        "characters.json",
        {
            "tokenizer": spec,
            "scores": [scores[t] for t in tokens],
            "texts": lines,
            "results": short(ids_of(spec, lines), lines),
        },
    )


if __name__ == "__main__":
    os.makedirs(os.path.join(HERE, "data"), exist_ok=True)
    base = make_tokenizers()
    make_gguf(base)
    make_characters()
