#!/usr/bin/env python3
"""Installs a build into an empty prefix, moves it, and uses it as a stranger would.

    install_test.py CMAKE BUILD_FOLDER BACKENDS

BACKENDS: comma-separated; NAME:fetched where its library is ours to install.

Checks: a C program by find_package and one by pkg-config start without any path set in the environment; the library
exports pensee_* alone, each with a symbol version; it needs neither oneDNN nor OpenBLAS to start; what was fetched for
the backends lies where they look, with licences.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def call(*command, env=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def check(condition, text):
    if not condition:
        sys.exit(text)


def check_library(library):
    exported = call("nm", "-D", "--defined-only", library).split("\n")
    names = [line.split()[-1] for line in exported if " T " in line or " D " in line or " B " in line or " W " in line]
    check(names, f"{library} exports nothing")
    for name in names:
        right = re.fullmatch(r"pensee_\w+@@PENSEE_(1|EXPERIMENTAL)", name)
        check(right, f"{library} exports {name}; only pensee_* with a version may be seen (cmake/pensee.map)")
    needed = re.findall(r"NEEDED.*\[(.*)\]", call("readelf", "-d", library))
    for name in needed:
        check(not re.search("dnnl|blas|gomp", name), f"{library} needs {name} to start; backends load it on demand")


def main():
    cmake, build, backends = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3].split(",")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "PKG_CONFIG"))}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        call(cmake, "--install", build, "--prefix", folder / "first")
        prefix = shutil.move(folder / "first", folder / "moved")
        libraries = list(prefix.glob("lib*/**/libpensee.so")) + list(prefix.glob("lib*/**/libpensee.a"))
        check(libraries, "no libpensee was installed")
        shared = libraries[0].suffix == ".so"
        if shared:
            check_library(libraries[0])
        private = libraries[0].parent / "pensee"
        for backend, part, licences in (("onednn", "dnnl", "onednn"), ("blas", "openblas", "openblas")):
            if f"{backend}:fetched" in backends:
                check(list(private.glob(f"*{part}*")), f"the library of backend {backend} is not in {private}")
                check(list(prefix.glob(f"share/doc/pensee/{licences}/*")), f"the licence of {part} is missing")

        app = folder / "app"
        call(cmake, "-S", HERE / "c_app", "-B", app, f"-DCMAKE_PREFIX_PATH={prefix}", env=environment)
        call(cmake, "--build", app)
        version = call(app / "app", env=environment).strip()

        if shutil.which("pkg-config"):
            found = {**environment, "PKG_CONFIG_PATH": str(libraries[0].parent / "pkgconfig")}
            flags = call("pkg-config", "--cflags", "--libs", "pensee", env=found).split()
            run_path = [f"-Wl,-rpath,{libraries[0].parent}"] if shared else []
            call("cc", HERE / "c_app/app.c", "-o", folder / "by_pkg_config", *flags, *run_path)
            check(call(folder / "by_pkg_config", env=environment).strip() == version, "two versions were found")
    print(f"installed, moved, found twice: {version}")


if __name__ == "__main__":
    main()
