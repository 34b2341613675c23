#!/usr/bin/env python3
"""Whether the core compiles for systems that this machine is not: with the clang of zig (pip install ziglang==0.13.0:
clang 18, as in the NDK 27), which carries the headers of macOS and of musl. Finds what only glibc or only gcc has.

    portable.py [TARGET...]      aarch64-macos and aarch64-linux-musl by default
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FLAGS = ["-std=c++20", "-O0", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-fvisibility=hidden"]
CPUS = {"neon_dotprod": "generic+v8_2a+dotprod", "neon_i8mm": "generic+v8_2a+dotprod+i8mm"}
ELSEWHERE = ("avx2", "avx2_vnni", "avx512", "avx512_bf16")  # another CPU's
OPTIONAL = ("backends/onednn", "backends/blas", "backends/foreign")


def sources():
    for path in sorted((ROOT / "lib").rglob("*.cpp")):
        name = path.relative_to(ROOT / "lib").as_posix()
        if path.stem not in ELSEWHERE and not name.startswith(OPTIONAL):
            yield path


def compile_one(folder, target, path):
    cpu = [f"-mcpu={CPUS[path.stem]}"] if path.stem in CPUS else []
    command = [sys.executable, "-m", "ziglang", "c++", "-target", target, *cpu, *FLAGS, f"-I{ROOT / 'lib'}",
               f"-I{ROOT / 'include'}", "-c", str(path), "-o", f"{folder}/{target}-{path.stem}.o"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.stderr if done.returncode else ""


def main():
    targets = sys.argv[1:] or ["aarch64-macos", "aarch64-linux-musl"]
    jobs = [(target, path) for target in targets for path in sources()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, tempfile.TemporaryDirectory() as folder:
        for (target, path), wrong in zip(jobs, pool.map(lambda job: compile_one(folder, *job), jobs)):
            if wrong:
                failed += 1
                print(f"not ok - {target}: {path.relative_to(ROOT)}\n{wrong[:3000]}")
    print(f"{len(jobs) - failed} passed, {failed} failed")
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
