"""Reads the symbols of kernel objects: each may define its table and nothing else that a linker could pick.

A weak function compiled with AVX-512 flags can replace the plain one of another object and crash older CPUs (house
rule 6). Usage: symbols.py NM OBJECT...; objects that are not kernels are skipped.
"""
import re
import subprocess
import sys

KERNEL = re.compile(r"/kernels/(tiles/)?(scalar|avx\w+|neon\w*)\.cpp\.o(bj)?$")
TABLE = re.compile(r"pensee::k[A-Z][A-Za-z0-9]*(Kernels|Tiles|Rows)$")


def main():
    objects = [name for name in sys.argv[2:] if KERNEL.search(name)]
    wrong = [] if objects else ["no kernel objects among the arguments"]
    for name in objects:
        lines = subprocess.run([sys.argv[1], "-C", "--defined-only", name], check=True, capture_output=True, text=True)
        for line in lines.stdout.splitlines():
            _, kind, symbol = line.split(maxsplit=2)
            visible = kind.isupper() or kind in "uvw"
            if visible and not TABLE.search(symbol) and not symbol.startswith("DW.ref."):
                wrong.append(f"{name}: {kind} {symbol}")
    print("\n".join(wrong) if wrong else f"{len(objects)} kernel objects define their tables alone")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
