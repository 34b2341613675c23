"""The command `pensee`: runs the native program that lies inside the package, where the build put one."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from . import version

_NAME = "pensee.exe" if sys.platform == "win32" else "pensee"


def native_program() -> pathlib.Path | None:
    """The native command, beside this module or in its bin folder; None where the package has none."""
    here = pathlib.Path(__file__).resolve().parent
    for path in (here / "bin" / _NAME, here / _NAME):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    return None


def main() -> int:
    program = native_program()
    if program is None:
        print(
            f"pensee {version()}: this package was built without the native command "
            "(CMake option PENSEE_CLI). From Python: import pensee; help(pensee.Model)",
            file=sys.stderr,
        )
        return 1
    arguments = [str(program), *sys.argv[1:]]
    if sys.platform == "win32":
        return subprocess.call(arguments)
    os.execv(program, arguments)
