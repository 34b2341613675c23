#!/usr/bin/env python3
"""The chat in C# prints, byte for byte, what the one in C prints (docs_test.py holds the one in C++ to it), and the
program in README.md runs as it stands.

    examples_test.py ROOT LIBPENSEE CC MCS MONO BUILD/csharp
"""

import pathlib
import re
import subprocess
import sys
import tempfile

QUESTIONS = 'Is 221 prime?\n\nIs "\U0001f600" \\ prime?\r\nWhy?'.encode()


def run_readme(root, mcs, mono, build, model):
    readme = pathlib.Path(root, "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```cs\n(.*?)^```$", readme, re.M | re.S)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "ask.cs").write_text(program, encoding="utf-8")
        for item in ("Pensee.dll", "libpensee_csharp.so"):
            (folder / item).symlink_to(pathlib.Path(build, item).resolve())
        subprocess.run([mcs, f"-r:{folder}/Pensee.dll", f"-out:{folder}/ask.exe", folder / "ask.cs"], check=True)
        done = subprocess.run([mono, folder / "ask.exe", model], capture_output=True, timeout=300)
    if done.returncode != 0 or not re.search(rb"\n\d+\.\d tokens/s\n$", done.stdout):
        sys.exit(f"not ok - README.md's program runs: {done}")
    print("ok - README.md's program runs")


def main():
    root, library, compiler, mcs, mono, build = sys.argv[1:]
    library, chat = pathlib.Path(library), f"{build}/chat.exe"
    arguments = [str(pathlib.Path(root, "tests", "scenarios", "thinker.gguf")), "40", "7"]
    with tempfile.TemporaryDirectory() as folder:
        in_c = pathlib.Path(folder, "chat")
        command = [compiler, "-std=c99", f"-I{root}/include", f"{root}/examples/c/chat.c", str(library)]
        extra = [f"-Wl,-rpath,{library.parent}"] if library.suffix != ".a" else ["-lstdc++", "-lm", "-ldl", "-pthread"]
        subprocess.run([*command, *extra, "-o", str(in_c)], check=True)
        talks = []
        for program in ([str(in_c)], [mono, chat]):
            done = subprocess.run([*program, *arguments], input=QUESTIONS, capture_output=True, timeout=300)
            if done.returncode != 0:
                sys.exit(f"not ok - {program[0]} ends with {done.returncode}: {done.stderr.decode()}")
            talks.append(done.stdout)
    turns = re.findall(rb"^\[(\d+) of (\d+) prompt tokens kept, \d+ of thought, \d+ of answer\]$", talks[0], re.M)
    if len(turns) != 3 or [int(kept) > 0 for kept, _ in turns] != [False, True, True]:
        sys.exit(f"not ok - the chat keeps what it computed: {turns}")
    if talks[0] != talks[1]:
        sys.exit(f"not ok - the chats in C and C# print the same\nC:  {talks[0]!r}\nC#: {talks[1]!r}")
    none = subprocess.run([mono, chat, "nowhere.gguf"], input=b"", capture_output=True, timeout=300)
    if none.returncode != 1 or b"nowhere.gguf" not in none.stderr:
        sys.exit(f"not ok - the chat says what is wrong with a model: {none.stderr!r}")
    print("ok - the chats in C and C# print the same")
    run_readme(root, mcs, mono, build, arguments[0])
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main()
