#!/usr/bin/env python3
"""The ABI that a header promises, as a dump of libabigail's: a shared library with an empty function for each of
pensee.h's is compiled with debug information and read by abidw. Such a dump is small and the same wherever it is made,
and abidiff compares it with any real libpensee that has debug information.

    python3 tests/abi/abi_dump.py      at a release: freezes pensee.h in tests/abi/old, with its dump beside it
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADER = ROOT / "include" / "pensee" / "pensee.h"
OLD = HERE / "old"
FUNCTION = re.compile(r"PENSEE_API\s+([^;{}]*?)\b(pensee_\w+)(\([^;{}]*\))\s*;")


def call(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def code_of(header: str) -> str:
    """Without comments and preprocessor lines."""
    code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", "", code, flags=re.M)


def make_library(header: str, folder: pathlib.Path, cc: str = "cc") -> pathlib.Path:
    """A shared library with the functions of `header`, which do nothing."""
    (folder / "pensee.h").write_text(header, encoding="utf-8")
    source = ['#include "pensee.h"']
    for kind, name, parameters in FUNCTION.findall(code_of(header)):
        body = "" if kind.split() == ["void"] else "return 0;"
        source.append(f"{kind}{name}{parameters} {{ {body} }}")
    (folder / "pensee.c").write_text("\n".join(source) + "\n", encoding="utf-8")
    library = folder / "libpensee.so"
    soname = f"-Wl,-soname,libpensee.so.{version_of(header).split('.')[0]}"
    call(cc, "-std=c99", "-g", "-O0", "-w", "-fPIC", "-shared", "-fvisibility=hidden", soname,
         f"-Wl,--version-script={ROOT / 'cmake' / 'pensee.map'}", folder / "pensee.c", "-o", library)  # fmt: skip
    return library


def dump_of(header: str, cc: str = "cc") -> str:
    with tempfile.TemporaryDirectory() as folder:
        library = make_library(header, pathlib.Path(folder), cc)
        text = call("abidw", "--no-comp-dir-path", "--no-corpus-path", "--no-show-locs", library)
    return re.sub(r" path='[^']*'", "", text)


def version_of(header: str) -> str:
    match = re.search(r'#define PENSEE_VERSION_TEXT "([\d.]+)"', header)
    if match is None:
        sys.exit("the header has no PENSEE_VERSION_TEXT")
    return match.group(1)


def main() -> None:
    paths = [pathlib.Path(path) for path in sys.argv[1:]] or [HEADER]  # other headers: those of earlier releases
    for path in paths:
        header = path.read_text(encoding="utf-8")
        base = OLD / f"pensee-{version_of(header)}"
        base.with_name(base.name + ".h").write_text(header, encoding="utf-8")
        base.with_name(base.name + ".abi").write_text(dump_of(header), encoding="utf-8")
        print(f"wrote {base}.h and {base}.abi")


if __name__ == "__main__":
    main()
