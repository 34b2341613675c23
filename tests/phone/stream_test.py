#!/usr/bin/env python3
"""The tokens that a phone streams are those of tests/scenarios, whatever kernels its CPU can run.

    stream_test.py PHONE_STREAM MODELS_TEST [QEMU SYSROOT]

Without qemu the programs run on this CPU. With it, they run on aarch64 CPUs that have and lack dotprod and i8mm, and
the library must have chosen the kernels that each can run. The model lies inside a larger file, as an asset in an APK.
On each CPU transformers' logits are met as well (a case of MODELS_TEST).
"""

import json
import pathlib
import subprocess
import sys
import tempfile

SCENARIOS = pathlib.Path(__file__).resolve().parent.parent / "scenarios"
CPUS = {"cortex-a53": "neon", "neoverse-n1": "neon_dotprod", "max": "neon_i8mm"}
BEFORE, AFTER = b"\x50\x4b\x03\x04" + bytes(4093), bytes(77)  # no multiple of anything
GOLDEN = "decoder: logits equal transformers'*"

failures = []


def check(condition, sentence, details=""):
    print(f"{'ok' if condition else 'not ok'} - {sentence}", flush=True)
    if not condition:
        failures.append(sentence)
        print(f"# {details}")


def scenarios():
    """Those replies that a question and a budget make: [(name, question, options, token ids)]."""
    known = {"temperature", "max_tokens", "think_budget"}
    for reply in json.loads((SCENARIOS / "scenarios.json").read_text(encoding="utf-8"))["replies"]:
        if set(reply) <= {"name", "prompt", "options", "expected"} and set(reply["options"]) <= known:
            if reply["options"]["temperature"] == 0:
                yield reply["name"], reply["prompt"], reply["options"], reply["expected"]["token_ids"]


def stream(command, asset, int8, question, options):
    numbers = [len(BEFORE), len(asset[1]), int(int8), options["max_tokens"], options.get("think_budget", -1)]
    done = subprocess.run([*command, asset[0], *map(str, numbers), question], capture_output=True, timeout=300)
    return json.loads(done.stdout) if done.returncode == 0 else {"isa": "", "token_ids": done.stderr.decode()}


def main():
    program, models_test, *qemu = sys.argv[1:]
    cases = list(scenarios())
    check(len(cases) >= 2, f"scenarios.json has {len(cases)} replies to stream")
    with tempfile.TemporaryDirectory() as folder:
        model = (SCENARIOS / "thinker.gguf").read_bytes()
        asset = (f"{folder}/app.apk", model)
        pathlib.Path(asset[0]).write_bytes(BEFORE + model + AFTER)
        coarse = {}  # tokens with 8-bit activations: no oracle, but every CPU must agree
        for cpu, isa in CPUS.items() if qemu else [("this CPU", None)]:
            emulator = [qemu[0], "-L", qemu[1], "-cpu", cpu] if qemu else []
            for name, question, options, expected in cases:
                got = stream([*emulator, program], asset, False, question, options)
                check(got["token_ids"] == expected, f"{cpu}: '{name}' streams the expected tokens", got)
                check(isa in (None, got["isa"]), f"{cpu}: the kernels are {isa or got['isa']}", got)
            got = stream([*emulator, program], asset, True, *cases[0][1:3])
            coarse[cpu] = got["token_ids"]
            if qemu:
                done = subprocess.run([*emulator, models_test, f"-tc={GOLDEN}"], capture_output=True, timeout=600)
                check(done.returncode == 0, f"{cpu}: transformers' logits", done.stdout.decode()[-1000:])
        same = all(ids == coarse[next(iter(coarse))] and len(ids) > 10 for ids in coarse.values())
        check(same, f"8-bit activations give the same tokens on {len(coarse)} CPUs", coarse)
        got = subprocess.run([*emulator, program, asset[0], "0", "0", "0", "1", "-1", "?"], capture_output=True)
        check(got.returncode and b"GGUF" in got.stderr, "the file from its first byte on is no model", got)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
