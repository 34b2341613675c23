#!/usr/bin/env python3
"""Installs a build into an empty prefix, moves it, and uses it as a stranger would.

    install_test.py CMAKE BUILD_FOLDER BACKENDS

BACKENDS: comma-separated; NAME:fetched where its library is ours to install.

Checks: programs in C99 and C++17, by find_package and by pkg-config, linked with the shared library and with the
archive, start without any path set in the environment and generate the same tokens; so do those of a build without a
shared library (configured here, with the archive of this build); the library exports pensee_* alone, each with a symbol
version, and needs neither oneDNN nor OpenBLAS to start; programs with the archive inside need no libpensee, and their
C++ names never meet the archive's; a default model in share/pensee is found, and its absence is said; what was fetched
for the backends lies where they look.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODEL = ROOT / "tests/goldens/data/gguf_qwen2_tied_q4_1/model.gguf"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "PKG_CONFIG"))}
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
CC, CXX = os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")


def run(*command, env=None):
    command = [str(c) for c in command]
    return subprocess.run(command, capture_output=True, text=True, env=env or ENVIRONMENT)


def call(*command, env=None):
    done = run(*command, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def check(condition, text):
    if not condition:
        sys.exit(text)


def needed(binary):
    return re.findall(r"NEEDED.*\[(.*)\]", call("readelf", "-d", binary))


def check_library(library):
    exported = call("nm", "-D", "--defined-only", library).split("\n")
    names = [line.split()[-1] for line in exported if " T " in line or " D " in line or " B " in line or " W " in line]
    check(names, f"{library} exports nothing")
    for name in names:
        right = re.fullmatch(r"pensee_\w+@@PENSEE_(1|EXPERIMENTAL)", name)
        check(right, f"{library} exports {name}; only pensee_* with a version may be seen (cmake/pensee.map)")
    for name in needed(library):
        check(not re.search("dnnl|blas|gomp", name), f"{library} needs {name} to start; backends load it on demand")


def check_backends(prefix, private, backends):
    for backend, part, licences in (("onednn", "dnnl", "onednn"), ("blas", "openblas", "openblas")):
        if f"{backend}:fetched" in backends:
            check(list(private.glob(f"*{part}*")), f"the library of backend {backend} is not in {private}")
            check(list(prefix.glob(f"share/doc/pensee/{licences}/*")), f"the licence of {part} is missing")


class Outside:
    """Builds programs against a prefix, and holds what they print against each other."""

    def __init__(self, cmake, folder):
        self.cmake, self.folder = cmake, folder
        self.printed = {}

    def by_cmake(self, name, prefix, *options):
        build = self.folder / name
        call(self.cmake, "-S", HERE / "app", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}", *options)
        call(self.cmake, "--build", build)
        return {program.name: program for program in build.glob("c*") if program.is_file() and program.suffix == ""}

    def by_pkg_config(self, name, prefix, source, *options):
        """pkg-config's flags and no other, but where the shared library lies."""
        compiler, dialect = (CC, "c99") if source.endswith(".c") else (CXX, "c++17")
        place = next(prefix.glob("lib*/**/pensee.pc")).parent
        found = {**ENVIRONMENT, "PKG_CONFIG_PATH": str(place)}
        flags = call("pkg-config", "--cflags", "--libs", *options, "pensee", env=found).split()
        rpath = [f"-Wl,-rpath,{place.parent}"] if any(place.parent.glob("*.so")) else []
        program = self.folder / name
        call(compiler, f"-std={dialect}", *WARNINGS, HERE / "app" / source, "-o", program, *flags, *rpath)
        return program

    def try_out(self, program, carries_pensee, model=str(MODEL)):
        libraries = [name for name in needed(program) if "pensee" in name]
        check(bool(libraries) != carries_pensee, f"{program} needs {libraries or 'no libpensee'}")
        self.printed[str(program.relative_to(self.folder))] = call(program, model)


def check_apart(prefix, build):
    """A function that program and archive both define would be linked once: the wrong one of the two, for one side."""
    names = []
    for path in (next(build.glob("**/cpp_static.dir/app.cpp.o")), next(prefix.glob("lib*/**/libpensee.a"))):
        rows = [line.split() for line in call("nm", "--defined-only", path).splitlines()]
        names.append({row[2] for row in rows if len(row) == 3 and row[1] in "TWVDBu" and "pensee" in row[2]})
    both = names[0] & names[1]
    check(names[0] and not both, f"pensee.hpp and the archive define the same: {sorted(both)[:5]} ({len(both)})")


def check_shipped_model(prefix):
    shipped = (prefix / "share/pensee/pensee-mini.gguf").exists()
    wanted = (ROOT / "share/pensee/pensee-mini.gguf").exists()
    check(shipped == wanted, f"the default model was {'' if shipped else 'not '}installed into {prefix}")


def check_default_model(place, program):
    """`place`: where the default model of what is linked belongs: beside a program that carries pensee."""
    model = place / "pensee-mini.gguf"
    if not model.exists():
        done = run(program, "")
        check(done.returncode == 1 and "pensee-mini.gguf" in done.stderr, f"no default model, and it says: {done}")
        place.mkdir(exist_ok=True)
        shutil.copy(MODEL, model)
        check(call(program, "") == call(program, MODEL), f"{program} did not open the default model in {place}")
        model.unlink()
    else:
        call(program, "")


def install(cmake, build, folder, name):
    call(cmake, "--install", build, "--prefix", folder / "first")
    return shutil.move(folder / "first", folder / name)


def configure_static(cmake, build, folder):
    """The build without a shared library: configured, and given the objects of `build` instead of compiling them."""
    static = folder / "build"
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    kept = re.findall(r"^((?:CMAKE_BUILD_TYPE|PENSEE_ONEDNN|PENSEE_BLAS|CMAKE_INSTALL_LIBDIR|PENSEE_DEPS_DIR):\w+=.*)$",
                      cache, re.M)  # fmt: skip
    call(cmake, "-S", ROOT, "-B", static, "-DBUILD_SHARED_LIBS=OFF", "-DPENSEE_TESTS=OFF", "-DPENSEE_CLI=OFF",
         *[f"-D{entry}" for entry in kept])  # fmt: skip
    (static / "lib").mkdir(exist_ok=True)
    shutil.copy(build / "lib/libpensee.a", static / "lib")
    return static


def main():
    cmake, build, backends = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3].split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        outside = Outside(cmake, folder)
        shared = list((build / "lib").glob("libpensee.so"))
        prefixes = {"static": install(cmake, configure_static(cmake, build, folder), folder, "moved_static")}
        if shared:
            prefixes["shared"] = prefix = install(cmake, build, folder, "moved")
            library = next(iter(prefix.glob("lib*/**/libpensee.so")), None)
            check(library, "no libpensee.so was installed")
            check_library(library)
            check_backends(prefix, library.parent / "pensee", backends)
        for kind, prefix in prefixes.items():
            check(list(prefix.glob("lib*/**/libpensee.a")), f"{kind}: no libpensee.a was installed")
            check_shipped_model(prefix)
            programs = outside.by_cmake(f"cmake_{kind}", prefix)
            for program in programs.values():
                outside.try_out(program, kind == "static" or program.name.endswith("_static"))
            check(len(programs) == 4, f"only {sorted(programs)} were built")
            check_apart(prefix, folder / f"cmake_{kind}")
            check_default_model(programs["c_static"].parent, programs["c_static"])
            if kind == "shared":
                check_default_model(prefix / "share/pensee", programs["cpp_pensee"])
            if shutil.which("pkg-config"):
                for source in ("app.c", "app.cpp"):
                    program = outside.by_pkg_config(f"pc_{kind}_{source[4:]}", prefix, source)
                    outside.try_out(program, kind == "static")
                    # Where both lie, the linker takes the shared one: these flags must do for either.
                    program = outside.by_pkg_config(f"pc_{kind}_private_{source[4:]}", prefix, source, "--static")
                    outside.try_out(program, kind == "static")
        if shared:
            prefix = prefixes["shared"]
            alone = outside.by_cmake("cmake_c_alone", prefix, "-DWITH_CXX=OFF")["c_alone"]
            outside.try_out(alone, False)
            # The archive of an installation that has both, chosen as Debian's packages let one choose.
            for path in prefix.glob("lib*/**/libpensee.so*"):
                path.rename(path.with_name("gone-" + path.name))
            if shutil.which("pkg-config"):
                outside.try_out(outside.by_pkg_config("pc_archive", prefix, "app.c", "--static"), True)
        different = set(outside.printed.values())
        check(len(different) == 1, f"programs print different tokens: {outside.printed}")
        words = different.pop().split()
        check(len(words) == 9, f"the programs print {words}")
        print(f"installed, moved, found by {len(outside.printed)} programs: {' '.join(words)}")


if __name__ == "__main__":
    main()
