#!/usr/bin/env python3
"""What can be said of examples/ios without Swift: the module map makes a module out of pensee.h (clang builds it and
calls every function of CPensee.h), each function, constant and field that the sources name is there, enumerations have
the header's numbers.

    swift_test.py ROOT
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Swift's name of an enumeration: (what its constants begin with, those that the header has besides).
ENUMERATIONS = {
    "Status": ("PENSEE_", {"PENSEE_OK"}),
    "Kind": ("PENSEE_EVENT_", set()),
    "FinishReason": ("PENSEE_FINISH_", set()),
    "Effort": ("PENSEE_EFFORT_", set()),
    "ToolChoice": ("PENSEE_TOOLS_", set()),
    "CacheType": ("PENSEE_CACHE_", set()),
    "Activations": ("PENSEE_ACTIVATIONS_", set()),
    "ThreadPriority": ("PENSEE_THREAD_PRIORITY_", set()),
    "TrimLevel": ("PENSEE_TRIM_", set()),
}

failures = []


def check(condition, sentence, details=""):
    print(f"{'ok' if condition else 'not ok'} - {sentence}")
    if not condition:
        failures.append(sentence)
        print(f"# {details}")


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def header_enumerations(header):
    """Every enumeration of the header as {name: number}."""
    for body in re.findall(r"enum\s*\{(.*?)\};", header, re.S):
        yield {name: int(number) for name, number in re.findall(r"(PENSEE_\w+)\s*=\s*(\d+)", body)}


def swift_numbers(text, name):
    """The numbers of `enum NAME: Int32 { case a = 1, b ... }`, in order."""
    body = re.search(rf"enum {name}: Int32[^{{]*\{{(.*?)\n\s*\}}", text, re.S).group(1)
    numbers, last = [], -1
    for case in re.findall(r"case ([^\n]+)", body):
        for item in case.split(","):
            given = re.search(r"=\s*(\d+)", item)
            last = int(given.group(1)) if given else last + 1
            numbers.append(last)
    return numbers


def check_module(package, include):
    functions = re.findall(r"\b(cpensee_\w+)\(void\)", (package / "Sources/CPensee/CPensee.h").read_text())
    program = "@import CPensee;\nint main(void) {\n" + "".join(f"  (void){name}();\n" for name in functions)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "main.m")
        source.write_text(program + "  return (int)cpensee_options().think_budget;\n}\n")
        done = subprocess.run(
            ["clang", "-fmodules", f"-fmodules-cache-path={folder}/cache", f"-I{package / 'Sources/CPensee'}",
             f"-I{include}", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source],
            capture_output=True, text=True,
        )  # fmt: skip
        check(done.returncode == 0 and len(functions) >= 7, "the module CPensee builds", done.stderr)


def main():
    root = pathlib.Path(sys.argv[1])
    package = root / "examples/ios"
    header = without_comments((root / "include/pensee/pensee.h").read_text(encoding="utf-8"))
    shim = (package / "Sources/CPensee/CPensee.h").read_text(encoding="utf-8")
    sources = {path: without_comments(path.read_text(encoding="utf-8")) for path in package.rglob("*.swift")}
    swift = "\n".join(sources.values())
    known = set(re.findall(r"\bc?pensee_\w+|PENSEE_\w+", header + shim))
    used = set(re.findall(r"\bc?pensee_\w+|\bPENSEE_\w+", swift)) - {"PENSEE_SCENARIOS"}
    check(len(used) > 40 and used <= known, f"the {len(used)} names of the C interface are there", sorted(used - known))
    fields = set(re.findall(r"\w[ *]+(\w+)(?:\[\w+\])?;", header)) | set(re.findall(r"\(\*(\w+)\)\(", header))
    structs = r"\b(?:to|from|native|event|error|prompt)"
    members = set(re.findall(structs + r"\.([a-z]+_[a-z_]+|n|stop|grammar|regex|isa)\b", swift))
    check(len(members) > 40 and members <= fields, f"the {len(members)} fields are there", sorted(members - fields))
    theirs = list(header_enumerations(header))
    for name, (prefix, besides) in ENUMERATIONS.items():
        enumeration = next(e for e in theirs if all(c.startswith(prefix) for c in e) and (besides <= set(e)))
        numbers = sorted(number for constant, number in enumeration.items() if constant not in besides)
        check(sorted(swift_numbers(swift, name)) == numbers, f"{name} has the header's numbers", numbers)
    if shutil.which("clang"):
        check_module(package, root / "include")
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
