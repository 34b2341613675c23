#!/usr/bin/env python3
"""Hands the sources to mono's compiler, which speaks C# 7: copies them without the annotations of nullable references
and leaves out the files named *.Modern.cs, which need the .NET SDK.

    for_mono.py OUTDIR FILE...

An annotation is a `?` right after a reference type and before a space or closing mark, or the `!` that says "not null".
Value types keep theirs. Lines keep their numbers, so that the compiler's complaints point into the sources.
"""

import pathlib
import re
import sys

VALUE_TYPES = {"bool", "byte", "int", "uint", "long", "ulong", "float", "double", "TimeSpan"}
ANNOTATION = re.compile(r"(\w+|[\]>])\?(?=[ ,;)>\]])")
FORGIVING = re.compile(r"(?<=[\w)\]])!(?=[.,;) ])")


def downlevel(line: str) -> str:
    if line.lstrip().startswith("//"):
        return line
    line = ANNOTATION.sub(lambda found: found[0] if found[1] in VALUE_TYPES else found[1], line)
    return FORGIVING.sub("", line)


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.cs"):
        old.unlink()
    for name in sys.argv[2:]:
        source = pathlib.Path(name)
        if not source.name.endswith(".Modern.cs"):
            lines = source.read_text(encoding="utf-8").split("\n")
            (out / source.name).write_text("\n".join(map(downlevel, lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
