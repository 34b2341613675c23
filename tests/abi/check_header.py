#!/usr/bin/env python3
"""pensee.h compiles alone, as its own first line, in every C and C++ dialect, with every warning an error.

  python3 tests/abi/check_header.py INCLUDE_DIR CC CXX        (clang is tried too where it is installed)

pensee.hpp is compiled from C++17 on. A dialect that a compiler does not know is left out and said so.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

C_DIALECTS = ["c99", "c11", "c17", "c23"]
CXX_DIALECTS = ["c++11", "c++14", "c++17", "c++20", "c++23"]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wshadow", "-Wconversion", "-Wundef"]
C_WARNINGS = ["-Wstrict-prototypes", "-Wc++-compat"]
CXX_WARNINGS = ["-Wold-style-cast"]
C_SOURCE = """#include <pensee/pensee.h>
/* Every INIT macro initialises its struct without a warning. */
void use(void);
void use(void) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model_options model_options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_options options = PENSEE_OPTIONS_INIT;
  pensee_event event = PENSEE_EVENT_INIT;
  (void)error; (void)model_options; (void)info; (void)prompt; (void)options; (void)event;
}
"""
HPP_SOURCE = """#include <pensee/pensee.hpp>
std::string use();
std::string use() { return pensee::Model("a").ask("b").answer; }
"""


def knows(compiler: str, dialect: str, language: str) -> bool:
    command = [compiler, f"-std={dialect}", "-x", language, "-fsyntax-only", "-"]
    return subprocess.run(command, input="int x;\n", text=True, capture_output=True).returncode == 0


def compiles(compiler: str, dialect: str, language: str, source: str, flags: list[str], include: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / ("use.c" if language == "c" else "use.cpp")
        path.write_text(source)
        command = [compiler, f"-std={dialect}", *WARNINGS, *flags, f"-I{include}", "-fsyntax-only", str(path)]
        done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode != 0:
        print(f"not ok - {' '.join(command)}\n{done.stderr}")
    return done.returncode == 0


def main() -> int:
    include, cc, cxx = sys.argv[1:4]
    pairs = {"c": [cc, shutil.which("clang")], "c++": [cxx, shutil.which("clang++")]}
    passed = failed = 0
    for language, compilers in pairs.items():
        for compiler in dict.fromkeys(filter(None, compilers)):
            for dialect in C_DIALECTS if language == "c" else CXX_DIALECTS:
                if not knows(compiler, dialect, language):
                    print(f"# {compiler} does not know {dialect}")
                    continue
                warnings = C_WARNINGS if language == "c" else CXX_WARNINGS
                sources = [("pensee.h", C_SOURCE, warnings)]
                if dialect in ("c++17", "c++20", "c++23"):
                    sources.append(("pensee.hpp", HPP_SOURCE, CXX_WARNINGS))
                for header, source, flags in sources:
                    good = compiles(compiler, dialect, language, source, flags, include)
                    print(f"{'ok' if good else 'not ok'} - {header} as {dialect} by {compiler}")
                    passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
