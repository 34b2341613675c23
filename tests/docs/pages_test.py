#!/usr/bin/env python3
"""The API pages are made without a warning, and nothing is missing in them.

    pages_test.py ROOT FOLDER LANGUAGE...       of: c csharp python java

Checks: docs/api/build.sh succeeds; every function, struct and enumerator of pensee.h has its place, every function a
description; every name that Python's package exports has a page, and its keywords are told; so have C#'s and Java's
public types.
Then the check's own test: a function without a comment, and a doubtful reference, are seen.
"""

import ast
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

BROKEN = """namespace Pensee {
  /// <summary>A class.</summary>
  public class Broken {
    /// <summary>A method.</summary>
    /// <param name="nothing">Is not there.</param>
    public void Some(int thing) {}
  }
}
"""
failures = 0


def check(condition, sentence, details=""):
    global failures
    print(f"{'ok' if condition else 'not ok'} - {sentence}" + ("" if condition or not details else f"\n# {details}"))
    failures += not condition
    return condition


def build(root, out, language):
    command = ["sh", root / "docs/api/build.sh", out, language]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit status {done.returncode}"


def members(xml_folder):
    """(kind, name) -> description."""
    found = {}
    for path in xml_folder.glob("*.xml"):
        for node in xml.etree.ElementTree.parse(path).iter():
            if node.tag in ("memberdef", "compounddef", "enumvalue"):
                name = node.findtext("name") or node.findtext("compoundname")
                text = "".join("".join(part.itertext()) for part in node if part.tag.endswith("description"))
                key = (node.get("kind") or node.tag, name)
                found[key] = found.get(key, "") + text.strip()
    return found


def missing_in_c(root, out):
    header = re.sub(r"/\*.*?\*/", "", (root / "include/pensee/pensee.h").read_text(encoding="utf-8"), flags=re.S)
    found = members(out / "c/xml")
    functions = re.findall(r"PENSEE_API\s+[^;(]*?\b(pensee_\w+)\(", header)
    structs = re.findall(r"struct (pensee_\w+) \{", header)
    values = re.findall(r"\b(PENSEE_[A-Z0-9_]+) = ", header)
    missing = [name for name in functions if not found.get(("function", name))]
    missing += [name for name in structs if ("struct", name) not in found]
    missing += [name for name in values if ("enumvalue", name) not in found]
    return len(functions) + len(structs) + len(values), missing


def copy_of(root, folder, *parts):
    """What the pages of `parts` are made from, to be broken."""
    copy = folder / "broken"
    shutil.rmtree(copy, ignore_errors=True)
    for part in ("docs/api", *parts):
        shutil.copytree(root / part, copy / part)
    shutil.copy(root / "CMakeLists.txt", copy)
    return copy


def check_c(root, out, folder):
    count, missing = missing_in_c(root, out)
    check(not missing and count > 150, f"all {count} names of pensee.h are told of", ", ".join(missing))
    broken = copy_of(root, folder, "include")
    header = broken / "include/pensee/pensee.h"
    text = header.read_text(encoding="utf-8")
    end = text.rindex("#ifdef __cplusplus")
    header.write_text(text[:end] + "PENSEE_API void pensee_untold(void);\n\n" + text[end:], encoding="utf-8")
    complaint = build(broken, "out", "c")
    check(not complaint and missing_in_c(broken, broken / "out")[1] == ["pensee_untold"],
          "a function without a comment is seen", complaint)  # fmt: skip


def check_python(root, out):
    tree = ast.parse((root / "bindings/python/pensee/__init__.py").read_text(encoding="utf-8"))
    names = next(ast.literal_eval(node.value) for node in tree.body
                 if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")  # fmt: skip
    html = out / "python/html"
    index = (html / "index.html").read_text(encoding="utf-8") + (html / "pensee.html").read_text(encoding="utf-8")
    missing = [name for name in names if not (html / f"pensee.{name}.html").exists() and f">{name}<" not in index]
    check(not missing and len(names) > 30, f"all {len(names)} names of the package are told of", ", ".join(missing))
    pages = [(html / f"pensee.{name}.html").read_text(encoding="utf-8") for name in ("Model", "GenerateOptions")]
    check(all("tokens of thought; at the limit" in page or "the CPUs that this process may use" in page
              for page in pages), "the pages say what the keywords mean")  # fmt: skip


def check_csharp(root, out, folder):
    source = "".join(path.read_text(encoding="utf-8") for path in root.glob("bindings/csharp/*/*.cs"))
    names = set(re.findall(r"^ *public (?:\w+ )*(?:class|struct|interface|enum) (\w+)", source, re.M))
    told = {name.split("::")[-1] for _, name in members(out / "csharp/xml") if name}
    check(len(names) > 10 and names <= told, f"all {len(names)} public types are told of", ", ".join(names - told))
    broken = copy_of(root, folder, "bindings/csharp")
    (broken / "bindings/csharp/Pensee/Broken.cs").write_text(BROKEN, encoding="utf-8")
    check("Broken.cs" in build(broken, "out", "csharp"), "a comment on a parameter that is not there is an error")


def check_java(root, out):
    sources = (root / "bindings/java/pensee/src/main/java/org/pensee").glob("*.java")
    names = [path.stem for path in sources
             if re.search(rf"^public .*\b{path.stem}\b", path.read_text(encoding="utf-8"), re.M)]  # fmt: skip
    missing = [name for name in names if not (out / f"java/html/org/pensee/{name}.html").exists()]
    check(len(names) > 20 and not missing, f"all {len(names)} public types are told of", ", ".join(missing))


def main():
    root, folder = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2]).absolute()
    out = folder / "pages"
    for language in sys.argv[3:]:
        complaint = build(root, out, language)
        if not check(not complaint, f"the pages for {language} are made without a warning", complaint):
            continue
        if language == "c":
            check_c(root, out, folder)
        elif language == "python":
            check_python(root, out)
        elif language == "csharp":
            check_csharp(root, out, folder)
        else:
            check_java(root, out)
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
