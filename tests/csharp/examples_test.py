#!/usr/bin/env python3
"""The chat in C# prints what the one in C prints, and the program in README.md runs as it stands.

    examples_test.py ROOT LIBPENSEE CC MCS MONO BUILD/csharp
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "docs"))
import examples  # noqa: E402


def main():
    root, library, compiler, mcs, mono, build = sys.argv[1:]
    root, library, build = (pathlib.Path(path).resolve() for path in (root, library, build))

    def compiled(source):
        folder = source.parent
        for item in ("Pensee.dll", "libpensee_csharp.so"):
            (folder / item).symlink_to(build / item)
        program = source.with_suffix(".exe")
        examples.build([mcs, f"-r:{folder}/Pensee.dll", f"-out:{program}", source], "the program")
        return [mono, program]

    examples.compare_chats(root, library, compiler, "C#", [mono, build / "chat.exe"])
    examples.run_program(
        root / "README.md", "cs", "ask.cs", compiled, root / examples.MODEL, rb"\n\d+\.\d tokens/s\n$"
    )
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main()
