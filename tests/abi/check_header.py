#!/usr/bin/env python3
"""pensee.h compiles alone, as its own first line, in every C and C++ dialect, with every warning an error.

  python3 tests/abi/check_header.py INCLUDE_DIR CC CXX        (gcc and clang are tried too where they are installed)

clang compiles with -Weverything but for the few that CLANG_EXCEPTIONS gives reasons for. pensee.hpp is compiled from
C++17 on. A dialect that a compiler does not know is left out and said so.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

C_DIALECTS = ["c99", "c11", "c17", "c23"]
CXX_DIALECTS = ["c++11", "c++14", "c++17", "c++20", "c++23"]
OTHER_NAMES = {"c23": "c2x", "c++23": "c++2b"}  # of compilers older than the standard
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wshadow", "-Wconversion", "-Wsign-conversion", "-Wundef",
            "-Wcast-qual", "-Wdouble-promotion", "-Wmissing-declarations", "-Wredundant-decls"]  # fmt: skip
C_WARNINGS = ["-Wstrict-prototypes", "-Wc++-compat", "-Wmissing-prototypes"]
CXX_WARNINGS = ["-Wold-style-cast", "-Wnon-virtual-dtor", "-Wextra-semi"]
CLANG_EXCEPTIONS = [
    "-Wno-padded",  # padding where a 4-byte field stands before one of 8 is part of the ABI
    "-Wno-unknown-warning-option",  # the next ones are of newer clangs
    "-Wno-declaration-after-statement", "-Wno-pre-c11-compat", "-Wno-pre-c2x-compat", "-Wno-pre-c23-compat",
    "-Wno-c++98-compat", "-Wno-c++98-compat-pedantic", "-Wno-c++20-compat", "-Wno-pre-c++14-compat",
    "-Wno-pre-c++17-compat", "-Wno-pre-c++20-compat", "-Wno-c++98-c++11-compat",  # a dialect was chosen: warnings about
    "-Wno-pre-c++14-compat-pedantic", "-Wno-pre-c++17-compat-pedantic",  # others say nothing
    "-Wno-pre-c++20-compat-pedantic",
    "-Wno-unsafe-buffer-usage",  # arrays with their lengths are what a C interface has
    "-Wno-weak-vtables",  # pensee.hpp is header-only: its one exception class has no file of its own
]  # fmt: skip
# The INIT macros set all fields by position, pointers by NULL, which is what C99 and C++11 both take; what warns of
# that is about the caller's line, not about the header.
INIT_EXCEPTIONS = ["-Wno-zero-as-null-pointer-constant"]


def c_source(header: str) -> str:
    """A use of every INIT macro: it initialises its struct without a warning."""
    names = re.findall(r"^#define (PENSEE_(\w+)_INIT) ", header, re.M)
    lines = [f"  const pensee_{name.lower()} v{i} = {macro};\n  (void)v{i};" for i, (macro, name) in enumerate(names)]
    return "#include <pensee/pensee.h>\nvoid use(void);\nvoid use(void) {\n" + "\n".join(lines) + "\n}\n"


HPP_SOURCE = """#include <pensee/pensee.hpp>
std::string use();
std::string use() { return pensee::Model("a").ask("b").answer; }
"""


def dialect_of(compiler: str, dialect: str, language: str) -> str | None:
    """What the compiler calls the dialect; None: it does not know it."""
    for name in (dialect, OTHER_NAMES.get(dialect)):
        command = [compiler, f"-std={name}", "-x", language, "-fsyntax-only", "-"]
        if name and subprocess.run(command, input="int x;\n", text=True, capture_output=True).returncode == 0:
            return name
    return None


def is_clang(compiler: str) -> bool:
    done = subprocess.run([compiler, "--version"], text=True, capture_output=True)
    return "clang" in done.stdout


def compiles(compiler: str, dialect: str, language: str, source: str, flags: list[str], include: str) -> str:
    """"" or the compiler's complaint."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / ("use.c" if language == "c" else "use.cpp")
        path.write_text(source)
        # The folder's headers are the program's own: no -isystem, so that their warnings count.
        command = [compiler, f"-std={dialect}", *WARNINGS, *flags, f"-I{include}", "-fsyntax-only", str(path)]
        done = subprocess.run(command, text=True, capture_output=True)
    return "" if done.returncode == 0 else f"{' '.join(command)}\n{done.stderr}"


def cases(include: str, compilers: dict[str, list[str]]):
    """(sentence, arguments of compiles) of all dialects that the compilers know."""
    header = (pathlib.Path(include) / "pensee" / "pensee.h").read_text(encoding="utf-8")
    for language, names in compilers.items():
        for compiler in names:
            every = ["-Weverything", *CLANG_EXCEPTIONS, *INIT_EXCEPTIONS] if is_clang(compiler) else []
            for standard in C_DIALECTS if language == "c" else CXX_DIALECTS:
                dialect = dialect_of(compiler, standard, language)
                if dialect is None:
                    print(f"# {compiler} does not know {standard}")
                    continue
                flags = (C_WARNINGS if language == "c" else CXX_WARNINGS) + every
                yield (f"pensee.h as {dialect} by {compiler}",
                       (compiler, dialect, language, c_source(header), flags, include))  # fmt: skip
                if standard in ("c++17", "c++20", "c++23"):
                    yield (f"pensee.hpp as {dialect} by {compiler}",
                           (compiler, dialect, language, HPP_SOURCE, CXX_WARNINGS + every, include))  # fmt: skip


def main() -> int:
    include, cc, cxx = sys.argv[1:4]
    found = {
        "c": [cc, shutil.which("gcc"), shutil.which("clang")],
        "c++": [cxx, shutil.which("g++"), shutil.which("clang++")],
    }
    compilers = {}
    for language, names in found.items():  # cc and gcc are one compiler
        compilers[language] = list({os.path.realpath(name): name for name in names if name}.values())
    if not any(is_clang(name) for name in compilers["c"]):
        print("# clang is not installed")
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = [(sentence, pool.submit(compiles, *arguments)) for sentence, arguments in cases(include, compilers)]
        for sentence, task in tasks:
            complaint = task.result()
            print(f"{'not ok' if complaint else 'ok'} - {sentence}" + (f"\n{complaint}" if complaint else ""))
            passed, failed = passed + (not complaint), failed + bool(complaint)
    # The test's own test: a header that warns is seen.
    warns = "#include <stddef.h>\nsize_t bad(int x);\nsize_t bad(int x) { return x; }\n"
    blind = [name for name in compilers["c"] if not compiles(name, "c99", "c", warns, [], include)]
    print(f"{'not ok' if blind else 'ok'} - a doubtful conversion is an error{': not by '.join(['', *blind])}")
    failed += bool(blind)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
