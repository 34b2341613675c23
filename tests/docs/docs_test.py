#!/usr/bin/env python3
"""What the documentation shows is true: its programs compile without a warning and run, and what it names is there.

    docs_test.py ROOT LIBPENSEE CC CXX [--sanitize FLAGS]

Checks: the C blocks of README.md and of docs/embedding.md (called by embedding.c) and the program in pensee.h's preface
(C99), examples/c and examples/cpp (C99, C++17) compile under -Wall -Wextra -Werror against LIBPENSEE (shared or static)
and answer a question with a tiny model that is made here; ask.c stays short; commands in sh blocks name files that
exist; so do links and paths in backticks.
Standard library alone. Python's programs are run by tests/python/test_examples.py.
"""

import argparse
import array
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "python"))
import tiny  # noqa: E402

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
QUESTION = "Is 221 prime?"
QUESTIONS = 'Is 221 prime?\n\nIs "\U0001f600" \\ prime?\r\nWhy?'.encode()
CHAT_PATTERN = r"(?s)> \x1b\[2m.*\[0 of (\d+) prompt .*> > .*\[[1-9]\d* of .*> .*\[[1-9]\d* of \d+ prompt [^\n]*\n> \n"
ASK_LINES_MAX = 79
TIMEOUT = 300  # seconds; sanitizers and busy machines are slow
PATH = re.compile(r"([\w.-]+)/[\w./-]*|[\w-]+\.(?:md|sh|toml)")  # of what stands in backticks

failures = []


def check(condition, sentence, details=""):
    print(f"{'ok' if condition else 'not ok'} - {sentence}")
    if not condition:
        failures.append(sentence)
        print("\n".join("# " + line for line in details.splitlines()))
    return condition


def write_model(folder):
    """The thinking model of tests/python/tiny.py in a size that needs no numpy: it writes until its context is full."""
    folder.mkdir()
    tiny.write_config(folder, hidden_size=32, num_layers=1, context_max=2048)
    tiny.write_tokenizer(folder)
    generator = random.Random(20)
    header, data = {}, array.array("f")
    for name, shape in tiny.shapes(hidden_size=32, num_layers=1).items():
        begin = 4 * len(data)
        scale = (5 if name == "lm_head.weight" else 1.3) * shape[-1] ** -0.5
        for row in range(shape[0]):
            if len(shape) == 1:
                data.append(1.0 if name.endswith("norm.weight") else generator.gauss(0, 0.1))
            elif name == "lm_head.weight" and row >= 256:  # special tokens are next to never drawn
                data.extend([0.0] * shape[1])
            else:
                data.extend(generator.gauss(0, scale) for _ in range(shape[1]))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, 4 * len(data)]}
    if sys.byteorder == "big":
        data.byteswap()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data.tobytes())


class Builder:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.common = [f"-I{options.root / 'include'}", "-g"]
        if options.sanitize:
            self.common.append(f"-fsanitize={options.sanitize}")

    def build(self, name, source, dialect):
        """The program's path, or None. A static library brings C++ along: then the C++ compiler links."""
        options, library = self.options, self.options.library
        compiler = options.cc if dialect.startswith("c9") else options.cxx
        shared = library.suffix != ".a"
        program, object_file = self.folder / name, self.folder / f"{name}.o"
        compiled = subprocess.run(
            [compiler, f"-std={dialect}", *WARNINGS, *self.common, "-c", source, "-o", object_file],
            capture_output=True, text=True,
        )  # fmt: skip
        if not check(compiled.returncode == 0, f"{name} compiles as {dialect}", compiled.stderr):
            return None
        linker = compiler if shared else options.cxx
        extra = [f"-Wl,-rpath,{library.parent}"] if shared else ["-ldl"]
        linked = subprocess.run(
            [linker, *self.common, object_file, library, "-pthread", *extra, "-o", program],
            capture_output=True, text=True,
        )  # fmt: skip
        return program if check(linked.returncode == 0, f"{name} links", linked.stderr) else None


def run(program, name, arguments, expected, folder, stdin=b""):
    """Runs in `folder`, wants exit status 0 and the pattern `expected` in what is printed; returns what is printed."""
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, timeout=TIMEOUT, input=stdin,
        env={k: v for k, v in os.environ.items() if not k.startswith("LD_")},
    )  # fmt: skip
    text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    right = done.returncode == 0 and re.search(expected, text)
    check(right, f"{name} runs and prints /{expected}/", f"exit status {done.returncode}\n{text[-1500:]}")
    return done.stdout


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def preface_program(header):
    """The program in the first comment of pensee.h: its indented lines, with a main around them."""
    comment = re.match(r"/\*(.*?)\*/", header, re.S).group(1)
    lines = [match.group(1) for match in re.finditer(r"^ \*   (.*)$", comment.split("Said once")[0], re.M)]
    body = "\n".join("  " + line for line in lines)
    return f"#include <pensee/pensee.h>\n#include <stdio.h>\n\nint main(void) {{\n{body}\n  return err.status;\n}}\n"


def check_programs(root, builder, folder):
    write_model(folder / "model")
    model = [str(folder / "model"), QUESTION]
    readme = blocks((root / "README.md").read_text(encoding="utf-8"), "c")
    check(readme, "README.md shows a program in C")
    for number, source in enumerate(readme, 1):
        (folder / f"readme{number}.c").write_text(source)
        if program := builder.build(f"readme{number}", folder / f"readme{number}.c", "c99"):
            run(program, f"README.md's program {number}", model, r"\n-> ", folder)

    header = (root / "include/pensee/pensee.h").read_text(encoding="utf-8")
    source = preface_program(header)
    named = re.search(r'pensee_model_open\("([^"/]+)"', source)
    if check(named, "the program in pensee.h's preface opens a file in this folder", source):
        (folder / named.group(1)).symlink_to(folder / "model")  # a folder will do where a file is named
        (folder / "preface.c").write_text(source)
        if program := builder.build("preface", folder / "preface.c", "c99"):
            run(program, "pensee.h's program", [], r"\n-> ", folder)

    page = blocks((root / "docs/embedding.md").read_text(encoding="utf-8"), "c")
    check(len(page) >= 5, "docs/embedding.md shows code")
    (folder / "embedding_page.h").write_text("\n".join(page), encoding="utf-8")
    shutil.copy(HERE / "embedding.c", folder)
    if program := builder.build("embedding", folder / "embedding.c", "c99"):
        thinker = str(root / "tests/scenarios/thinker.gguf")
        run(program, "docs/embedding.md's code", [thinker], r"\n0 failed\n", folder)

    expected = {"c/ask.c": r"\d+ thought \+ \d+ answer tokens", "c/pull.c": r"\[finish reason [12], \d+ tokens\]",
                "cpp/ask.cpp": r"\d+\.\d tokens/s",
                "cpp/branches.cpp": r"restored: the same tokens as the first\n2 samples; \d of 4 replies"}  # fmt: skip
    talks = []
    for path in sorted([*root.glob("examples/c/*.c"), *root.glob("examples/cpp/*.cpp")]):
        name = path.relative_to(root / "examples").as_posix()
        dialect = "c99" if path.suffix == ".c" else "c++17"
        if program := builder.build(name.replace("/", "_").replace(".", "_"), path, dialect):
            if path.stem == "chat":
                arguments = [model[0], "40", "7"]
                talks.append(run(program, f"examples/{name}", arguments, CHAT_PATTERN, folder, QUESTIONS))
                continue
            run(program, f"examples/{name}", model, expected.get(name, "."), folder)
            if name == "c/calculator.c":
                run(program, f"examples/{name}, required", [*model, "required"], r"\[calculate\(\{[^}]*\}\) = ", folder)
    check(len(talks) == 2 and talks[0] == talks[1], "the chats in C and C++ print the same")
    lines = len((root / "examples/c/ask.c").read_text(encoding="utf-8").splitlines())
    check(lines <= ASK_LINES_MAX, f"examples/c/ask.c has at most {ASK_LINES_MAX} lines (it has {lines})")


def names_a_file(text, bases):
    """A word with an ending of ours, or a path that begins in a folder of ours."""
    match = PATH.fullmatch(text)
    first = match and match.group(1)
    ours = first not in ("build", "..") and any((base / (first or "")).is_dir() for base in bases)
    return bool(match) and ours


def check_names(root):
    pages = [root / "README.md", *sorted(root.glob("docs/*.md")), root / "examples/README.md",
             root / "tests/goldens/README.md"]  # fmt: skip
    for page in pages:
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(root)
        commands = "\n".join(blocks(text, "sh"))
        named = {(root, path) for path in re.findall(r"(?<![\w./-])(?:[\w.-]+/)*[\w-]+\.(?:sh|py|c|cpp)\b", commands)}
        named |= {(root, path) for path in re.findall(r"cmake -S (\S+)", commands)}
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if not re.match(r"\w+:|#", link):
                named.add((page.parent, link.split("#")[0]))
        for quoted in re.findall(r"`([^`\n]+)`", prose):
            path = quoted.split(": ")[0]
            if names_a_file(path, (root, page.parent)):
                named.add((root, path))
        gone = sorted(path for base, path in named if not (base / path).exists() and not (page.parent / path).exists())
        check(not gone, f"{name}: all {len(named)} files that it names are there", "missing: " + ", ".join(gone))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("cc")
    parser.add_argument("cxx")
    parser.add_argument("--sanitize", default="")
    options = parser.parse_args()
    options.root, options.library = options.root.absolute(), options.library.absolute()
    with tempfile.TemporaryDirectory() as folder:
        check_programs(options.root, Builder(options, pathlib.Path(folder)), pathlib.Path(folder))
    check_names(options.root)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
