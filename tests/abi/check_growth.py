#!/usr/bin/env python3
"""Held against every release that tests/abi/old/ keeps, pensee.h has only grown [P7]. Three tools look:

  abidiff        no function is gone, no parameter, return type or fixed struct changed (growth.abignore)
  the dumps      every field of an old struct is where it was, with the type that it had
  the compiler   every enumerator has the value that it had

    python3 tests/abi/check_growth.py PENSEE_H CC [LIBRARY]

LIBRARY: a real libpensee with debug information of lib/api. Then the checks themselves are tested: headers with one
change each must pass or fail, and the report must name what was changed. Needs abidw and abidiff (abigail-tools).
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import abi_dump

IGNORED = abi_dump.HERE / "growth.abignore"
ABIDIFF = ["abidiff", "--no-show-locs", "--no-added-syms", "--suppressions", IGNORED]
ENUMERATOR = re.compile(r"\b(PENSEE_[A-Z0-9_]+) = -?\d+")

failures = 0
number = 0


def check(condition: object, sentence: str, details: str = "") -> None:
    global failures, number
    number += 1
    print(f"{'ok' if condition else 'not ok'} {number} - {sentence}")
    if not condition:
        failures += 1
        print("\n".join("# " + line for line in details.splitlines()))


class Dump:
    """The structs of a dump: {struct: {field: (bit, type)}}."""

    def __init__(self, text: str):
        self.root = ElementTree.fromstring(text)
        self.types = {node.get("id"): node for node in self.root.iter() if node.get("id")}
        self.structs = {}
        for node in self.root.iter("class-decl"):
            fields = {}
            for member in node.findall("data-member"):
                variable = member.find("var-decl")
                assert variable is not None
                fields[variable.get("name")] = (int(member.get("layout-offset-in-bits", "0")),
                                                self.spell(variable.get("type-id")))  # fmt: skip
            if fields:
                self.structs[node.get("name")] = fields

    def spell(self, type_id: str | None) -> str:
        node = self.types.get(type_id)
        if node is None:
            return "?"
        inner = node.get("type-id")
        if node.tag == "pointer-type-def":
            return self.spell(inner) + "*"
        if node.tag == "qualified-type-def":
            return self.spell(inner) + (" const" if node.get("const") == "yes" else "")
        if node.tag == "array-type-def":
            return f"{self.spell(inner)}[{node.get('dimensions')} of {node.get('size-in-bits')} bits]"
        if node.tag == "function-type":
            parts = [self.spell(part.get("type-id")) for part in node.findall("parameter")]
            returned = node.find("return")
            return f"{self.spell(returned.get('type-id') if returned is not None else None)}({', '.join(parts)})"
        name = node.get("name", "")
        if node.tag == "typedef-decl" and not name.startswith("pensee_"):  # int32_t: what it stands for counts
            return f"{name}:{self.spell(inner)}"
        return name + (f":{node.get('size-in-bits')}" if node.tag == "type-decl" else "")


def moved_fields(old: Dump, new: Dump) -> list[str]:
    wrong = []
    for struct, fields in old.structs.items():
        if struct not in new.structs:
            wrong.append(f"struct {struct} is gone")
            continue
        for field, (bit, kind) in fields.items():
            now = new.structs[struct].get(field)
            if now != (bit, kind):
                is_now = f"is now {now[1]} at bit {now[0]}" if now else "is gone"
                wrong.append(f"{struct}.{field}: was {kind} at bit {bit}, {is_now}")
    return wrong


def changed_values(old: str, new: str, cc: str, folder: pathlib.Path) -> list[str]:
    """What the compiler says of `new` where it is asked for the old values."""
    (folder / "values.h").write_text(new, encoding="utf-8")
    lines = ['#include "values.h"']
    for text, name in {(match.group(0), match.group(1)): None for match in ENUMERATOR.finditer(abi_dump.code_of(old))}:
        lines.append(f"typedef char {name}_is_what_it_was[{text.replace(' = ', ' == ')} ? 1 : -1];")
    (folder / "values.c").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = subprocess.run([cc, "-std=c99", "-fsyntax-only", folder / "values.c"], capture_output=True, text=True)
    named = sorted(set(re.findall(r"error:[^\n]*?\b(PENSEE_[A-Z0-9_]+?)(?:_is_what_it_was)?\W", done.stderr)))
    return [f"{name} has another value or is gone" for name in named] or ([done.stderr] if done.returncode else [])


def breaks(version: str, header: str, cc: str, library: pathlib.Path | None = None) -> list[str]:
    """How `header` (or a real library) breaks programs that were built against the release `version`."""
    old = abi_dump.OLD / f"pensee-{version}"
    old_dump, old_header = old.with_name(old.name + ".abi"), old.with_name(old.name + ".h")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        wrong = changed_values(old_header.read_text(encoding="utf-8"), header, cc, folder)
        subject = library or abi_dump.make_library(header, folder, cc)
        compared = subprocess.run([*ABIDIFF, old_dump, subject], capture_output=True, text=True)
        if compared.returncode != 0:
            wrong.append(compared.stdout + compared.stderr)
        if library is None:
            new = folder / "new.abi"
            abi_dump.call("abidw", "--no-show-locs", "--out-file", new, subject)
            wrong += moved_fields(Dump(old_dump.read_text("utf-8")), Dump(new.read_text("utf-8")))
    return wrong


def versions() -> list[str]:
    found = [path.name.removeprefix("pensee-").removesuffix(".abi") for path in abi_dump.OLD.glob("pensee-*.abi")]
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


# What is done to the last release's header, whether it may be, and what the report must name. Patterns of re.sub, the
# first match alone.
MUTATIONS = [
    ("a function is gone", r"PENSEE_API void pensee_session_cancel\(.*?;", "", "pensee_session_cancel"),
    ("a parameter has another type", r"(pensee_session_rewind\(pensee_session \*session, )size_t", r"\1int32_t",
     "pensee_session_rewind"),
    ("a parameter came", r"(pensee_session_rewind\(pensee_session \*session, size_t tokens)", r"\1, int32_t more",
     "pensee_session_rewind"),
    ("a result has another type", r"int32_t pensee_reply_finish_reason", "int64_t pensee_reply_finish_reason",
     "pensee_reply_finish_reason"),
    ("two fields changed places", r"(struct pensee_options \{.*?)float top_p(.*?)float min_p",
     r"\1float min_p\2float top_p", "pensee_options.top_p"),
    ("a field came between others", r"(struct pensee_options \{.*?)(uint64_t seed)", r"\1int64_t between;\n\2",
     "pensee_options.seed"),
    ("a field has another type", r"(struct pensee_model_info \{.*?)int64_t n_routed_experts",
     r"\1double n_routed_experts", "pensee_model_info.n_routed_experts"),
    ("a field is gone", r"int32_t trace_experts;", "", "pensee_options.trace_experts"),
    ("a field has another name", r"int32_t trace_experts;", "int32_t traces;", "pensee_options.trace_experts"),
    ("a callback has another parameter", r"(\(\*progress\)\(void \*user, )float", r"\1double",
     "pensee_model_options.progress"),
    ("a struct that never grows has grown", r"\} pensee_tool_call;", "int64_t more; } pensee_tool_call;",
     "pensee_tool_call"),
    ("the error's message is shorter", r"message\[512\]", "message[256]", "pensee_error.message"),
    ("an enumerator has another value", r"PENSEE_CANCELLED = 60", "PENSEE_CANCELLED = 61", "PENSEE_CANCELLED"),
    ("an enumerator is gone", r"PENSEE_SAMPLER_TYPICAL = 8,", "", "PENSEE_SAMPLER_TYPICAL"),
    ("a field came between others and one at the end",
     r"(struct pensee_event \{.*?)(int64_t position.*?)(\} pensee_event;)",
     r"\1int64_t between; \2int64_t more; \3", "pensee_event.position"),
    ("options grew at their end", r"\} pensee_options;", "int64_t more; } pensee_options;", None),
    ("an event grew at its end", r"\} pensee_event;", "int32_t a; double more; } pensee_event;", None),
    ("a function came", r"(PENSEE_API void pensee_session_free)",
     r"PENSEE_API int32_t pensee_new(const pensee_session *session, double x);\n\1", None),
    ("an enumerator came", r"PENSEE_EVENT_END = 4", "PENSEE_EVENT_END = 4, PENSEE_EVENT_NEW = 5", None),
]  # fmt: skip


def check_the_checks(cc: str) -> None:
    version = versions()[-1]
    header = (abi_dump.OLD / f"pensee-{version}.h").read_text(encoding="utf-8")
    for sentence, pattern, replacement, named in MUTATIONS:
        changed, count = re.subn(pattern, replacement, header, count=1, flags=re.S)
        if count == 0:
            check(False, f"{sentence}: the pattern finds nothing in {version}'s header")
            continue
        report = "\n".join(breaks(version, changed, cc))
        if named is None:
            check(not report, f"{sentence}: may be", report)
        else:
            check(named in report, f"{sentence}: is a break, and {named} is named", report or "no break was seen")


def main() -> int:
    path, cc = pathlib.Path(sys.argv[1]), sys.argv[2]
    library = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    header = path.read_text(encoding="utf-8")
    sized = set(re.findall(r"struct (pensee_\w+) \{\s*size_t struct_size;", abi_dump.code_of(header)))
    listed = re.search(r"\^pensee_\((.*)\)\$", IGNORED.read_text("utf-8"))
    names = {"pensee_" + name for name in listed.group(1).split("|")} if listed else set()
    check(names == sized, "growth.abignore names the structs that begin with struct_size", f"differ: {names ^ sized}")
    check(versions(), "old releases are kept in tests/abi/old")
    for version in versions():
        wrong = breaks(version, header, cc)
        check(not wrong, f"pensee.h has only grown since {version}", "\n".join(wrong))
        if library:
            wrong = breaks(version, header, cc, library)
            check(not wrong, f"{library.name} has only grown since {version}", "\n".join(wrong))
    check_the_checks(cc)
    print(f"{number - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
