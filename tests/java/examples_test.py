#!/usr/bin/env python3
"""The chat in Java prints, byte for byte, what the one in C prints (docs_test.py holds the one in C++ to it), and the
programs in README.md and bindings/java/README.md run as they stand, over the jar alone.

    examples_test.py ROOT LIBPENSEE CC JAVA JAR
"""

import pathlib
import re
import subprocess
import sys
import tempfile

QUESTIONS = 'Is 221 prime?\n\nIs "\U0001f600" \\ prime?\r\nWhy?'.encode()


def run(command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=300, **options)


def run_program(java, page, model, ending):
    (program,) = re.findall(r"^```java\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "Ask.java")
        source.write_text(program, encoding="utf-8")
        done = run([*java, source, model])
    if done.returncode != 0 or not re.search(ending, done.stdout):
        sys.exit(f"not ok - the program of {page} runs: {done}")
    print(f"ok - the program of {page.name} in {page.parent.name} runs")


def main():
    root, library, compiler, java, jar = sys.argv[1:]
    root, library = pathlib.Path(root).resolve(), pathlib.Path(library).resolve()
    java = [java, "-Xcheck:jni", "-cp", jar]
    chat = [*java, root / "examples" / "java" / "Chat.java"]
    model = root / "tests" / "scenarios" / "thinker.gguf"
    with tempfile.TemporaryDirectory() as folder:
        in_c = pathlib.Path(folder, "chat")
        command = [compiler, "-std=c99", f"-I{root}/include", root / "examples" / "c" / "chat.c", library]
        extra = [f"-Wl,-rpath,{library.parent}"] if library.suffix != ".a" else ["-lstdc++", "-lm", "-ldl", "-pthread"]
        built = run([*command, *extra, "-o", in_c])
        if built.returncode != 0:
            sys.exit(f"not ok - the chat in C compiles: {built.stderr.decode()}")
        talks = []
        for program in ([in_c], chat):
            done = run([*program, model, 40, 7], input=QUESTIONS)
            if done.returncode != 0:
                sys.exit(f"not ok - {program[-1]} ends with {done.returncode}: {done.stderr.decode()}")
            talks.append(done.stdout)
    turns = re.findall(rb"^\[(\d+) of (\d+) prompt tokens kept, \d+ of thought, \d+ of answer\]$", talks[0], re.M)
    if len(turns) != 3 or [int(kept) > 0 for kept, _ in turns] != [False, True, True]:
        sys.exit(f"not ok - the chat keeps what it computed: {turns}")
    if talks[0] != talks[1]:
        sys.exit(f"not ok - the chats in C and Java print the same\nC:    {talks[0]!r}\nJava: {talks[1]!r}")
    none = run([*chat, "nowhere.gguf"], input=b"")
    if none.returncode != 1 or b"nowhere.gguf" not in none.stderr:
        sys.exit(f"not ok - the chat says what is wrong with a model: {none.stderr!r}")
    print("ok - the chats in C and Java print the same")
    run_program(java, root / "README.md", model, rb"\n\d+\.\d tokens/s\n$")
    run_program(java, root / "bindings" / "java" / "README.md", model, rb"LENGTH, \d+\.\d tokens/s\n$")
    print("3 passed, 0 failed")


if __name__ == "__main__":
    main()
