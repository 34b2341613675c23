#!/usr/bin/env python3
"""The Android example compiles against the real binding, warnings are errors, and its view model streams the expected
thought and answer on this machine's VM (ChatTest.kt).

    kotlin_test.py CLASSES NATIVE_FOLDER     CLASSES: jar or folder of org.pensee; NATIVE_FOLDER: of libpensee_java

Needs a JDK and Maven, which brings Kotlin's compiler. Android's classes are stubs.py's.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
COMPILER = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"

sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
import stubs  # noqa: E402


def call(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode or "warning:" in done.stderr:
        sys.exit(f"not ok - {' '.join(map(str, command))[:200]} ...\n{done.stdout[-4000:]}{done.stderr[-8000:]}")
    return done.stdout


def kotlinc(jars, classpath, to, sources):
    compiler = os.pathsep.join(str(jar) for jar in jars)
    call("java", "-Xmx1g", "-cp", compiler, COMPILER, "-no-stdlib", "-no-reflect", "-jvm-target", "17", "-Werror",
         "-classpath", os.pathsep.join(map(str, classpath)), "-d", to, *sources)  # fmt: skip


def main():
    classes, natives = sys.argv[1:]
    case = next(r for r in json.loads((ROOT / "tests/scenarios/scenarios.json").read_text(encoding="utf-8"))["replies"]
                if r["name"] == "budget")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        call("mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:copy-dependencies",
             f"-DoutputDirectory={folder}/jars")  # fmt: skip
        jars = sorted((folder / "jars").glob("*.jar"))
        run_time = [jar for jar in jars if jar.name.startswith(("kotlin-stdlib", "kotlinx-coroutines", "annotations"))]
        java, kotlin = stubs.write(folder / "stubs")
        call("javac", "-d", folder / "android", *java)
        kotlinc(jars, [*run_time, folder / "android"], folder / "androidx", kotlin)
        example = sorted((ROOT / "examples/android/app/src/main/kotlin").rglob("*.kt"))
        classpath = [*run_time, folder / "android", folder / "androidx", classes]
        kotlinc(jars, classpath, folder / "app", example)
        print(f"ok - the {len(example)} files of examples/android compile without a warning")
        kotlinc(jars, [*classpath, folder / "app"], folder / "test", [HERE / "ChatTest.kt"])
        for part in ("thought", "answer"):
            (folder / part).write_text(case["expected"][part], encoding="utf-8", newline="")
        done = subprocess.run(
            ["java", "--add-opens", "java.base/java.io=ALL-UNNAMED", f"-Dpensee.library={natives}", "-cp",
             os.pathsep.join(map(str, [*classpath, folder / "app", folder / "test"])), "ChatTestKt",
             str(ROOT / "tests/scenarios/thinker.gguf"), case["prompt"], str(case["options"]["max_tokens"]),
             str(case["options"]["think_budget"]), str(folder / "thought"), str(folder / "answer")],
            timeout=300,
        )  # fmt: skip
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
