#!/usr/bin/env python3
"""The core weighs less than 3 MB: the library stripped, and what the archive adds to a program that links it.

    size_test.py STRIP LIBRARY [PROGRAM EMPTY_PROGRAM]
"""

import os
import subprocess
import sys
import tempfile

LIMIT = 3_000_000


def stripped_size(strip, library):
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "library")
        subprocess.run([strip, "-o", copy, library], check=True)
        return os.path.getsize(copy)


def main():
    strip, library, *programs = sys.argv[1:]
    sizes = {"the library, stripped": stripped_size(strip, library)}
    if programs:
        program, empty = map(os.path.getsize, programs)
        sizes["a program that links the archive, beyond an empty one"] = program - empty
    for name, size in sizes.items():
        print(f"{'ok' if 100_000 < size < LIMIT else 'not ok'} - {name}: {size:,} bytes of at most {LIMIT:,}")
    return 0 if all(100_000 < size < LIMIT for size in sizes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
