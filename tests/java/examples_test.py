#!/usr/bin/env python3
"""The chat in Java prints what the one in C prints, and the programs in README.md and bindings/java/README.md run as
they stand, over the jar alone.

    examples_test.py ROOT LIBPENSEE CC JAVA JAR
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "docs"))
import examples  # noqa: E402


def main():
    root, library, compiler, java, jar = sys.argv[1:]
    root, library = pathlib.Path(root).resolve(), pathlib.Path(library).resolve()
    java = [java, "-Xcheck:jni", "-cp", jar]
    examples.compare_chats(root, library, compiler, "Java", [*java, root / "examples" / "java" / "Chat.java"])
    for page, ending in (
        (root / "README.md", rb"\n\d+\.\d tokens/s\n$"),
        (root / "bindings" / "java" / "README.md", rb"LENGTH, \d+\.\d tokens/s\n$"),
    ):
        examples.run_program(
            page, "java", "Ask.java", lambda source: [*java, source], root / examples.MODEL, ending
        )
    print("3 passed, 0 failed")


if __name__ == "__main__":
    main()
