"""What the tests of the examples in Java and C# share: their chat prints, byte for byte, what the one in C prints
(docs_test.py holds the one in C++ to it), and programs on pages run as they stand."""

import pathlib
import re
import subprocess
import sys
import tempfile

QUESTIONS = 'Is 221 prime?\n\nIs "\U0001f600" \\ prime?\r\nWhy?'.encode()
MODEL = pathlib.Path("tests", "scenarios", "thinker.gguf")  # in the repository


def run(command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, timeout=300, **options)


def build(command, what):
    done = run(command)
    if done.returncode != 0:
        sys.exit(f"not ok - {what} compiles: {done.stderr.decode()}")


def compare_chats(root, library, compiler, language, chat):
    """`chat`: the command that starts the one in `language`."""
    with tempfile.TemporaryDirectory() as folder:
        in_c = pathlib.Path(folder, "chat")
        command = [compiler, "-std=c99", f"-I{root}/include", root / "examples" / "c" / "chat.c", library]
        extra = [f"-Wl,-rpath,{library.parent}"] if library.suffix != ".a" else ["-lstdc++", "-lm", "-ldl", "-pthread"]
        build([*command, *extra, "-o", in_c], "the chat in C")
        talks = []
        for program in ([in_c], chat):
            done = run([*program, root / MODEL, 40, 7], input=QUESTIONS)
            if done.returncode != 0:
                sys.exit(f"not ok - {program[-1]} ends with {done.returncode}: {done.stderr.decode()}")
            talks.append(done.stdout)
    turns = re.findall(rb"^\[(\d+) of (\d+) prompt tokens kept, \d+ of thought, \d+ of answer\]$", talks[0], re.M)
    if len(turns) != 3 or [int(kept) > 0 for kept, _ in turns] != [False, True, True]:
        sys.exit(f"not ok - the chat keeps what it computed: {turns}")
    if talks[0] != talks[1]:
        sys.exit(f"not ok - the chats in C and {language} print the same\nC: {talks[0]!r}\n{language}: {talks[1]!r}")
    none = run([*chat, "nowhere.gguf"], input=b"")
    if none.returncode != 1 or b"nowhere.gguf" not in none.stderr:
        sys.exit(f"not ok - the chat says what is wrong with a model: {none.stderr!r}")
    print(f"ok - the chats in C and {language} print the same")


def run_program(page, language, name, command_of, model, ending):
    """The one program in `language` on `page`, written to a file `name`; command_of(file) makes a command of it, which
    takes the model and must print what ends with `ending`."""
    (program,) = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, name)
        source.write_text(program, encoding="utf-8")
        done = run([*command_of(source), model])
    if done.returncode != 0 or not re.search(ending, done.stdout):
        sys.exit(f"not ok - the program of {page} runs: {done}")
    print(f"ok - the program of {page.name} in {page.parent.name} runs")
