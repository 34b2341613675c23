#!/usr/bin/env python3
"""Writes tests/text/data/patterns.json and nfc.json: patterns with the pieces that the regex engine of the `tokenizers`
library cuts, and texts with their NFC. Needs tokenizers 0.23."""
import random

from tokenizers import Regex, normalizers, pre_tokenizers

from make_tokenizer_cases import BAILING, CJK, DEEPSEEK3, GPT2, KIMI, LLAMA3, O200K, QWEN35, write

PATTERNS = [
    GPT2,
    LLAMA3,
    QWEN35,
    O200K,
    KIMI,
    DEEPSEEK3,
    BAILING,
    CJK,
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r"(?=(\d{3})+(?!\d))",
    r"\d{1,3}(?=(?:\d{3})*\b)",
    r"x*",
    r"(?:ab|a)*b?",
    r"(a|ab)(c|bcd)(d*)",
    r"(?>a+)b|a",
    r"(?i)stra\u00DFe|K+",
    r"a(?i)b|c",
    r"(?<=a)b|(?<!b)a",
    r"^.+$",
    r"\bs?\w+\b",
    r"(a*)*b",
    r"(?:a|b*)+?c",
    r"[^\S\n]+|\n{2,}?",
    r"(?m:a.b)",
    r"[a-c[x-z]&&[^b]]+",
    r"\R|\h{2}",
    r"[\w&&[^\d]]+",
    r"(?:(?:a?)*b)+",
    r"a{,2}b",
    r"a{2}?b",
    r"a{2,}?b",
    r"(?i:[^a-k])+",
    r"(?i:\p{Lu})+",
    r"\A\s+|\s+\z|\s+\Z",
    r"\p{^L}+|\P{Ll}",
    r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}",
    r"[[:digit:]]+|[^[:space:]b]+|\p{Any}",
    r"a++b|a*+|(?:ab)++c|(?:ab)?+",
    r"\s{16}(?!\S)|\s{8}(?!\S)|\s{1,2}(?!\S)|\s{1}",
    r"[a\-z]+|[-b]+|[\]]",
    r"[]a]+",
    r"(?:a{1,2}){2,3}",
    r"(?:x|ab){1,3}?c",
    r"\x41|\x{1F600}|\u00e9|[\x61-\x63]",
]
POOLS = [
    "abcABCxyz",
    "aab bc cabd x",
    "''''stremvdlSTREMVDL\u017fK",
    "   \t\n\r\u00a0\u2003\u3000",
    "0123456789\u0663\u00bd\u00b2\u2167",
    ".,!?-_()[]{}/\\<>|$+^~`\"'",
    "\u00e9\u00c0\u00df\u00f1\u0141\u03b2\u03a3\u042f",
    "\u4e2d\u6587\u304b\u306a\u30ab\u30ca\ud55c\uad6d",
    "\u0627\u0644\u0639\u05e2\u05d1",
    "\u0939\u093f\u0928\u094d\u0e17\u0e33",
    "\u0301\u0327\u200d\ufe0f\U0001f600",
    "\u01c5\u01c8\u02b0\u00aa\u2081",
]


def make_patterns():
    rng = random.Random(5)
    rows = []
    for pattern in PATTERNS:
        oracle = pre_tokenizers.Split(Regex(pattern), "isolated")
        row = {"pattern": pattern, "pieces": []}
        for _ in range(25):
            pools = rng.sample(POOLS, rng.randrange(1, 5))
            text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randrange(1, 24)))
            row["pieces"].append([piece for piece, _ in oracle.pre_tokenize_str(text)])
        rows.append(row)
    write("patterns.json", rows)


def make_nfc():
    rng = random.Random(6)
    nfc = normalizers.NFC()
    marks = [
        0x300,
        0x301,
        0x323,
        0x327,
        0x334,
        0x345,
        0x31B,
        0x302,
        0x5B0,
        0x64B,
        0x651,
        0x93C,
        0xE38,
        0xF71,
        0xF74,
        0x3099,
        0x1D165,
    ]
    bases = [ord(c) for c in "aeoAqZ"] + [
        0xE9,
        0x1EA0,
        0x212B,
        0x2126,
        0x958,
        0xFB1D,
        0xF73,
        0x344,
        0x1100,
        0x1161,
        0x11A8,
        0xAC00,
        0xAC01,
        0x304B,
        0x9C7,
        0x9BE,
        0x1D15E,
        0xF900,
        0x2F800,
    ]
    rows = []
    for _ in range(400):
        text = "".join(chr(rng.choice(marks if rng.random() < 0.6 else bases)) for _ in range(rng.randrange(1, 9)))
        rows.append([text, nfc.normalize_str(text)])
    write("nfc.json", rows)


if __name__ == "__main__":
    make_patterns()
    make_nfc()
