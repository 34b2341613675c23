#!/usr/bin/env python3
"""What libpensee exports and imports: the header's functions and no other; nothing that prints, exits, asserts, handles
signals, reads the environment or makes files [P8]. In the archive, which a program links into itself, every other name
that could meet one of the program's is in the C++ namespace pensee.

  python3 tests/abi/check_exports.py LIBPENSEE.so PENSEE_H [LIBPENSEE.a]
"""

import re
import subprocess
import sys

BANNED = {
    "getenv", "secure_getenv", "putenv", "setenv", "environ",
    "printf", "vprintf", "puts", "putchar", "perror", "__printf_chk", "__vprintf_chk", "stdout", "stderr",
    "fprintf", "vfprintf", "__fprintf_chk", "__vfprintf_chk", "fputs", "fputc", "fwrite", "syslog",
    "exit", "_exit", "_Exit", "quick_exit", "abort", "__assert_fail", "__assert_rtn", "atexit",
    "signal", "sigaction", "raise", "kill", "setlocale", "chdir", "fesetround", "fesetenv",
    "socket", "connect", "getaddrinfo", "system", "popen", "fork", "execve", "sched_setaffinity",
    "pthread_setaffinity_np",
    "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog",
    # What makes or changes files, but open, which silence.c watches, and rename and unlink of what was opened.
    "fopen", "fopen64", "freopen", "freopen64", "fdopen", "creat", "creat64", "openat", "openat64", "open64",
    "__open_2", "mkstemp", "mkstemp64", "mkostemp", "mkdtemp", "tmpfile", "tmpnam", "mkdir", "mkdirat", "symlink",
    "link", "truncate",
    "_ZNSt13basic_filebufIcSt11char_traitsIcEE4openEPKcSt13_Ios_Openmode",
}  # fmt: skip


def symbols(library: str, *flags: str) -> list[str]:
    done = subprocess.run(["nm", "-D", *flags, library], check=True, text=True, capture_output=True)
    return [line.split()[-1] for line in done.stdout.splitlines() if line.strip()]


def foreign_names(archive: str) -> list[str]:
    """Strong external names that are neither pensee_* nor of the namespace pensee or a struct
    pensee_*. Weak ones are C++'s inline functions:
    the linker keeps one of equals."""
    done = subprocess.run(["nm", "-g", "--defined-only", archive], check=True, text=True, capture_output=True)
    rows = [line.split() for line in done.stdout.splitlines() if len(line.split()) == 3]
    if len(rows) < 100:
        return [f"only {len(rows)} names were found"]
    strong = [name for _, kind, name in rows if kind not in "WVu"]
    return sorted({name for name in strong if not re.match(r"pensee_|_Z[A-Z]*\d+pensee", name)})


def main() -> int:
    library, header = sys.argv[1:3]
    archive = sys.argv[3] if len(sys.argv) > 3 else None
    with open(header, encoding="utf-8") as file:
        declared = set(re.findall(r"PENSEE_API[^;(]*?\b(pensee_\w+)\(", file.read()))
    exported = symbols(library, "--defined-only")
    names = {name.split("@")[0] for name in exported} - {"PENSEE_1", "PENSEE_EXPERIMENTAL"}
    checks = [
        ("the header declares functions", [] if len(declared) > 30 else ["too few: " + str(len(declared))]),
        ("every function of the header is exported", sorted(declared - names)),
        (
            "only the header's functions are exported",
            sorted(name for name in names - declared if not name.startswith("pensee_experimental_")),
        ),
        (
            "functions of the header carry the version PENSEE_1",
            sorted(name for name in exported if name.split("@")[0] in declared and not name.endswith("@@PENSEE_1")),
        ),
        (
            "nothing is imported that prints, exits, signals, reads the environment or makes files",
            sorted({name.split("@")[0] for name in symbols(library, "--undefined-only")} & BANNED),
        ),
    ]
    if archive:
        checks.append(("a static library brings no name of its own but pensee's", foreign_names(archive)))
    for number, (sentence, wrong) in enumerate(checks, 1):
        print(f"{'not ok' if wrong else 'ok'} {number} - {sentence}" + (": " + ", ".join(wrong) if wrong else ""))
    failed = sum(bool(wrong) for _, wrong in checks)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
