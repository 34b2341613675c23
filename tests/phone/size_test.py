#!/usr/bin/env python3
"""The core weighs less than 3 MB: the stripped library with every function of pensee.h and the C++ run-time inside, as
an application carries it, and what the archive adds to a program that links it.

    size_test.py LIBRARY PROGRAM EMPTY_PROGRAM
"""

import os
import sys

LIMIT = 3_000_000


def main():
    library, program, empty = (os.path.getsize(path) for path in sys.argv[1:])
    sizes = {"the library, stripped": library, "a program that links the archive, beyond an empty one": program - empty}
    for name, size in sizes.items():
        print(f"{'ok' if 100_000 < size < LIMIT else 'not ok'} - {name}: {size:,} bytes of at most {LIMIT:,}")
    return 0 if all(100_000 < size < LIMIT for size in sizes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
