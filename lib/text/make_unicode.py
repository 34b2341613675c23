#!/usr/bin/env python3
"""Writes unicode_data.cpp and unicode_nfc_data.cpp: what tokenizers ask of Unicode, packed into short strings.

Needs `pip install unicodedata2==16.0.0 tokenizers`. General categories are those of Unicode 16, which the regex engine
inside `tokenizers` 0.23 knows; a check below proves it. Its NFC is older (Unicode 9): marks and pairs that it does not
know are left out here, because a tokenizer must normalise as the library does, not as the newest standard says.
Scripts are asked of the library itself. Usage: make_unicode.py [output directory]
"""

import os
import sys

import unicodedata2 as ud
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = [
    "Cc",
    "Cf",
    "Cn",
    "Co",
    "Cs",
    "Ll",
    "Lm",
    "Lo",
    "Lt",
    "Lu",
    "Mc",
    "Me",
    "Mn",
    "Nd",
    "Nl",
    "No",
    "Pc",
    "Pd",
    "Pe",
    "Pf",
    "Pi",
    "Po",
    "Ps",
    "Sc",
    "Sk",
    "Sm",
    "So",
    "Zl",
    "Zp",
    "Zs",
]
SCRIPTS = [
    "Arabic",
    "Cyrillic",
    "Devanagari",
    "Greek",
    "Han",
    "Hangul",
    "Hebrew",
    "Hiragana",
    "Katakana",
    "Latin",
    "Thai",
]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZghij"  # one a category, none of them a digit of the run length


def members(pattern):
    """Every code point that the library's regex engine finds in `pattern`."""
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set()
    for i in range(0, len(CODES), 4096):
        chunk = CODES[i : i + 4096]
        left = set()
        for word, _ in split.pre_tokenize_str("".join(map(chr, chunk))):
            left |= set(map(ord, word))
        found |= set(chunk) - left
    return found


def runs(codes):
    """Sorted codes as (first, count)."""
    out = []
    for c in sorted(codes):
        if out and out[-1][0] + out[-1][1] == c:
            out[-1][1] += 1
        else:
            out.append([c, 1])
    return out


def pack_ranges(codes):
    """'<gap> <count>' in hex, separated by ','; a gap counts from the end of the range before; count 1 is left out."""
    out, end = [], 0
    for first, count in runs(codes):
        out.append("%x" % (first - end) + (" %x" % count if count > 1 else ""))
        end = first + count
    return ",".join(out)


def pack_categories():
    out, start = [], 0
    category = [ud.category(chr(c)) for c in range(0x110000)]
    for c in range(1, 0x110001):
        if c == 0x110000 or category[c] != category[start]:
            count = c - start
            out.append(("%x" % count if count > 1 else "") + LETTERS[CATEGORIES.index(category[start])])
            start = c
    return "".join(out)


def fold(c):
    """Simple case folding: one code point to one."""
    for mapped in (chr(c).casefold(), chr(c).lower()):
        if len(mapped) == 1:
            return ord(mapped)
    return c


def pack_folds():
    """'<gap> <target - code>' in hex, the second signed."""
    out, last = [], 0
    for c in CODES:
        if fold(c) != c:
            d = fold(c) - c
            out.append("%x %s%x" % (c - last, "-" if d < 0 else "", abs(d)))
            last = c
    return ",".join(out)


NFC = normalizers.NFC()


def same(text):
    return NFC.normalize_str(text) == ud.normalize("NFC", text)


def known_mark(c):
    return same("q\u0334%c\u0327x" % c) and same("q\u0345%c\u0301\u0334" % c)


def pack_marks():
    """'<gap> <count> <combining class>' in hex."""
    out, end = [], 0
    classes = {c: ud.combining(chr(c)) for c in CODES if ud.combining(chr(c)) and known_mark(c)}
    for c in sorted(classes):
        if out and c == end and classes[c] == out[-1][2]:
            out[-1][1] += 1
        else:
            out.append([c - end, 1, classes[c]])
        end = c + 1
    return ",".join("%x %x %x" % tuple(x) for x in out)


def pack_decompositions():
    """'<gap> <first> [<second>]' in hex; '!' before the gap when the pair never composes again."""
    out, last = [], 0
    for c in CODES:
        text = ud.decomposition(chr(c))
        if not text or text.startswith("<") or not same(ud.normalize("NFD", chr(c))):
            continue
        parts = [int(x, 16) for x in text.split()]
        again = ud.normalize("NFC", chr(c)) == chr(c)
        out.append("%s%x %s" % ("" if again else "!", c - last, " ".join("%x" % p for p in parts)))
        last = c
    return ",".join(out)


def literal(name, text):
    lines = ["const char %s[] =" % name]
    lines += ['    "%s"' % text[i : i + 112] for i in range(0, len(text), 112)]
    return "\n".join(lines) + ";\n"


def write(path, prose, parts):
    with open(path, "w", encoding="ascii", newline="\n") as f:
        f.write(prose + '#include "text/unicode_data.h"\n\nnamespace pensee::unicode_data {\n\n')
        f.write(
            "// clang-format off\n"
            + "\n".join(parts)
            + "// clang-format on\n\n}  // namespace pensee::unicode_data\n"
        )


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for category in CATEGORIES:
        if category != "Cs":
            assert members(r"\p{%s}" % category) == {c for c in CODES if ud.category(chr(c)) == category}, category
    words = ("L", "M", "N")
    word_extra = {c for c in members(r"\w") if ud.category(chr(c))[0] not in words or ud.category(chr(c)) == "No"}
    parts = [
        literal("categories", pack_categories()),
        literal("folds", pack_folds()),
        literal("word_extra", pack_ranges(word_extra)),
    ]
    parts += ["static " + literal(s.lower(), pack_ranges(members(r"\p{%s}" % s))) for s in SCRIPTS]
    rows = "".join('    {"%s", %s},\n' % (x.lower(), x.lower()) for x in SCRIPTS)
    parts.append("const Script scripts[%d] = {\n%s};\n" % (len(SCRIPTS), rows))
    write(
        os.path.join(out, "unicode_data.cpp"),
        "// Generated by make_unicode.py from Unicode 16: general categories as runs, simple case folding, what \\w\n"
        "// knows beyond categories, and scripts. unicode_data.h says how each string is packed.\n",
        parts,
    )
    write(
        os.path.join(out, "unicode_nfc_data.cpp"),
        "// Generated by make_unicode.py: combining classes and canonical decompositions, for NFC as the tokenizers\n"
        "// library does it. unicode_data.h says how each string is packed.\n",
        [literal("marks", pack_marks()), literal("decompositions", pack_decompositions())],
    )


if __name__ == "__main__":
    main()
