#!/usr/bin/env python3
"""The rules of the house as a test: prints 'N rules, N files checked' and fails with 'file:line: rule: what to do'.

    python3 tests/tidy.py [ROOT]

Each rule is one function that yields complaints; docs/testing.md says why the rules are what they are. Two markers
exist, both with a reason after them: `tidy: generated` in the first lines of a file lifts its limit of length, and
`tidy: allow RULE` at the end of a line silences one rule there.
"""

import pathlib
import re
import subprocess
import sys

LINE_MAX, FILE_MAX, HEADER_MAX, FUNCTION_MAX = 120, 500, 900, 70

# Which folders of lib/ a folder may include, beside itself. Arrows run only downwards.
LOW = {"base", "quants", "kernels"}
ARROWS = {
    "base": set(),
    "quants": {"base"},
    "kernels": {"base"},
    "text": {"base"},
    "formats": {"base", "quants"},
    "cache": LOW,
    "backends": LOW,
    "nn": LOW | {"cache", "backends"},
    "reasoning": {"base", "text"},
    "sampling": LOW | {"text", "nn"},
    "models": LOW | {"cache", "backends", "nn", "text", "formats"},
}
ARROWS["engine"] = set(ARROWS)
ARROWS["api"] = set(ARROWS)
PRIVATE = {"backends": {"foreign"}}  # subfolders of backends/ that its other subfolders may include

BANNED = {
    "abort": "return a Status",
    "exit": "return a Status",
    "_exit": "return a Status",
    "terminate": "return a Status",
    "assert": "PENSEE_DCHECK for our own invariants, a Status for input",
    "printf": "the log callback (base/log.h)",
    "fprintf": "the log callback (base/log.h)",
    "puts": "the log callback (base/log.h)",
    "sprintf": "snprintf or pensee::format",
    "strcpy": "std::string",
    "strcat": "std::string",
    "atoi": "std::from_chars",
    "atof": "std::from_chars",
    "getenv": "an option field",
    "setenv": "an option field",
    "signal": "nothing: the library installs no handlers",
    "rand": "an explicit generator with a seed",
}
BANNED_NAMES = {"cout": "the log callback (base/log.h)", "cerr": "the log callback (base/log.h)"}

TOP = set(
    "include lib share bindings examples tests docs cmake .ci .github CMakeLists.txt CMakePresets.json pyproject.toml "
    "README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE NOTICE Package.swift .clang-format .clang-tidy "
    ".gitignore .gitattributes .editorconfig".split()
)
C_LIKE = {".h", ".hpp", ".c", ".cpp", ".i", ".inc"}
CODE = C_LIKE | {".py", ".pyi", ".java", ".cs", ".cmake", ".kt", ".swift", ".map", ".sh"}
# Written so that this file does not complain about itself.
MACHINE = re.compile(r"(?<![\w.])/(?:[w]ork|[r]oot|[f]arm|[h]ome/\w+|[U]sers/\w+)(?:/|\b)|[p]ypi\.org|[p]ythonhosted|"
                     r"registry\.[n]pmjs")


class File:
    def __init__(self, root, path):
        self.path = path  # relative, with forward slashes
        self.name = path.rsplit("/", 1)[-1]
        self.suffix = pathlib.PurePosixPath(path).suffix
        raw = (root / path).read_bytes()
        self.binary = b"\0" in raw[:8192]
        self.text = "" if self.binary else raw.decode("utf-8", "replace")
        self.lines = self.text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.is_c = self.suffix in C_LIKE
        self.is_code = self.suffix in CODE or self.name == "CMakeLists.txt"
        parts = path.split("/")
        self.folder = parts[1] if parts[0] == "lib" and len(parts) > 2 else None
        self.subfolder = parts[2] if self.folder and len(parts) > 3 else None
        self.generated = any("tidy: generated" in line for line in self.lines[:8])
        self._bare = None

    @property
    def bare(self):
        """The lines without comments and without what stands in strings."""
        if self._bare is None:
            self._bare = strip(self.text).split("\n")
        return self._bare


def strip(text):
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S
    )

    def blank(match):
        found = match.group(0)
        keep = re.sub(r"[^\n]", " ", found)
        return '"' + keep[2:] + '"' if found[0] in "\"'R" and "\n" not in found else keep

    return pattern.sub(blank, text)


def numbered(lines):
    return enumerate(lines, 1)


def check_top_names(files, _):
    seen = set()
    for f in files:
        top = f.path.split("/")[0]
        if top not in TOP and top not in seen:
            seen.add(top)
            yield f.path, 1, f"'{top}' has no place at the top; a new one is added to TOP in tests/tidy.py"


def check_arrows(files, _):
    for f in files:
        if not f.folder:
            continue
        for number, line in numbered(f.lines):
            if re.match(r'\s*#\s*include\s*[<"]pensee/', line):
                if f.folder != "api":
                    yield f.path, number, "only api/ knows pensee.h"
                continue
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match:
                continue
            parts = match.group(1).split("/")
            target = parts[0]
            if len(parts) == 1 or target not in ARROWS:
                yield f.path, number, f'"{match.group(1)}" is no path relative to lib/'
            elif target != f.folder and target not in ARROWS.get(f.folder, set()):
                yield f.path, number, f"{f.folder}/ may not include {target}/: arrows run only downwards"
            elif target != f.folder and "detail" in parts:
                yield f.path, number, f"{target}/'s detail is its own"
            elif (
                target == "backends"
                and f.subfolder
                and len(parts) > 2
                and parts[1] not in {f.subfolder} | PRIVATE["backends"]
            ):
                yield f.path, number, f"one backend may not include another's files ({parts[1]}/)"


def check_function_length(files, _):
    for f in files:
        if not f.is_c or f.folder == "kernels" or f.generated:
            continue
        for first, last in functions(f.bare):
            if last - first + 1 > FUNCTION_MAX:
                yield f.path, first, f"function of {last - first + 1} lines; at most {FUNCTION_MAX}"


def functions(bare):
    """(first line, last line) of each outermost function body, its signature included."""
    depth, inside, start, head, kept = 0, None, 1, "", []
    for number, line in numbered(bare):
        if line.lstrip().startswith("#"):
            continue
        for char in line:
            if char == "{":
                # A brace that starts a member (`S() : a_{1} {`) is no body: the signature goes on after it.
                member = ")" in head and re.search(r"(?<!:)[:,]\s*\w+\s*$", head)
                kept.append(head + "()" if member else "")
                if inside is None and not member and is_function(head):
                    inside, first = depth, start
                depth += 1
                head = ""
            elif char == "}":
                depth -= 1
                head = kept.pop() if kept else ""
                if inside == depth:
                    yield first, number
                    inside = None
            elif char == ";":
                head = ""
            else:
                if not head.strip() and not char.isspace():
                    start = number
                head += char
        head += "\n"


def is_function(head):
    head = head.strip()
    if not head or re.match(r"(namespace|class|struct|union|enum|extern|export|typedef)\b", head):
        return False
    if re.search(r"=\s*$", head) or re.match(r"(if|for|while|switch|do|else|try|catch|case|default)\b", head):
        return False
    return ")" in head


def check_file_length(files, _):
    for f in files:
        limit = HEADER_MAX if f.path.startswith(("include/", "tests/abi/old/")) else FILE_MAX
        if f.is_code and not f.generated and len(f.lines) > limit:
            yield f.path, len(f.lines), f"{len(f.lines)} lines; at most {limit}"


def check_line_length(files, _):
    for f in files:
        if f.is_code and not f.generated:
            for number, line in numbered(f.lines):
                if len(line) > LINE_MAX:
                    yield f.path, number, f"{len(line)} columns; at most {LINE_MAX}"


def check_banned(files, _):
    calls = re.compile(r"(?<![\w.>])(?<!::)(?:std::|::)?(" + "|".join(BANNED) + r")\s*\(")
    names = re.compile(r"\bstd::(" + "|".join(BANNED_NAMES) + r")\b")
    for f in files:
        if not (f.is_c and f.folder):
            continue
        for number, line in numbered(f.bare):
            for match in calls.finditer(line):
                if not re.search(r"(\w|>|\*|&)\s+$", line[: match.start()]) or "return" in line[: match.start()]:
                    yield f.path, number, f"{match.group(1)}: use {BANNED[match.group(1)]}"
            for match in names.finditer(line):
                yield f.path, number, f"std::{match.group(1)}: use {BANNED_NAMES[match.group(1)]}"


def check_throw(files, _):
    for f in files:
        if f.is_c and f.folder and f.folder != "base":
            for number, line in numbered(f.bare):
                if re.search(r"\bthrow\b", line):
                    yield f.path, number, "throw: return a Status"


def check_listed(files, _):
    lists = {f.path.rsplit("/", 1)[0]: f.text for f in files if f.name == "CMakeLists.txt" and "/" in f.path}
    for f in files:
        if f.suffix not in {".c", ".cpp"} or f.path.split("/")[0] not in {"lib", "tests", "bindings", "examples"}:
            continue
        folder, inner, known = f.path.rsplit("/", 1)[0], f.name, False
        while True:
            text = lists.get(folder, "")
            if re.search(rf"(?<![\w/]){re.escape(inner)}\b", text) or (
                inner == f.name and re.search(rf"\(\s*{re.escape(f.name.rsplit('.', 1)[0])}\b", text)
            ):
                known = True
            if known or "/" not in folder:
                break
            folder, last = folder.rsplit("/", 1)
            inner = f"{last}/{inner}"
        built_alone = re.search(r"\bbuilds this alone\b", "\n".join(f.lines[:15]))  # an example with its own build
        if not known and not built_alone:
            yield f.path, 1, "no CMakeLists.txt names this file"


def check_ascii(files, _):
    for f in files:
        if f.is_code and not (f.suffix == ".py" and f.path.startswith("tests/")):  # makers of texts hold texts
            for number, line in numbered(f.lines):
                if not line.isascii():
                    yield f.path, number, "sources are ASCII: write \\u escapes"


def check_merge(files, _):
    for f in files:
        if not f.binary:
            for number, line in numbered(f.lines):
                if line.startswith(("<" * 7 + " ", ">" * 7 + " ")):
                    yield f.path, number, "a merge was left half done"


def check_todo(files, root):
    word = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME)\b(?:\(([^)]*)\))?")
    for f in files:
        if f.is_code:
            for number, line in numbered(f.lines):
                for match in word.finditer(line):
                    page = match.group(2)
                    if not page or not page.startswith("docs/") or not (root / page).is_file():
                        yield f.path, number, f"{match.group(1)} names no page that owns it: {match.group(1)}(docs/...)"


def check_machine(files, _):
    for f in files:
        if f.binary:
            continue
        for number, line in numbered(f.lines):
            if match := MACHINE.search(line):
                yield f.path, number, f"'{match.group(0)}' belongs to one machine or to a registry, not into the tree"


def check_prose(files, _):
    for f in files:
        if f.is_c and (f.folder or f.path.startswith("include/")) and f.lines:
            own = f.path[len("lib/") :].rsplit(".", 1)[0] + ".h"  # its header has the prose
            if not f.lines[0].startswith(("//", "/*", f'#include "{own}"')):
                yield f.path, 1, "a file opens with prose: what it owns, what it refuses, why it is shaped so"


def check_tour(files, root):
    for f in files:
        if f.path != "docs/tour.md":
            continue
        stops = 0
        for number, line in numbered(f.lines):
            for path, name in re.findall(r"`([^\s`]+/[^\s`]+): ([^`]*)`", line):
                stops += 1
                target = root / path
                if not re.fullmatch(r"(\w+::)*~?\w+", name):
                    yield f.path, number, f"'{name}' is no name of a function"
                elif not target.is_file():
                    yield f.path, number, f"{path} does not exist"
                elif not re.search(rf"(?<!\w){name}\b", strip(target.read_text(encoding="utf-8"))):
                    yield f.path, number, f"{path} has no {name}"
        if stops == 0:
            yield f.path, 1, "a tour without stops: `lib/folder/file.cpp: function`"


RULES = {
    "top-names": check_top_names,
    "arrows": check_arrows,
    "function-length": check_function_length,
    "file-length": check_file_length,
    "line-length": check_line_length,
    "banned-call": check_banned,
    "throw": check_throw,
    "unlisted": check_listed,
    "ascii": check_ascii,
    "merge": check_merge,
    "todo": check_todo,
    "machine": check_machine,
    "prose": check_prose,
    "tour": check_tour,
}


def list_files(root):
    """What git tracks or would track; without git, everything but builds and downloads."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, check=True) if (root / ".git").exists() else None
    except (OSError, subprocess.CalledProcessError):
        done = None
    if done:
        names = done.stdout.decode().split("\0")
    else:
        hidden = re.compile(r"(^|/)(\.git|build[^/]*|\.deps|\.venv[^/]*|\.cache|__pycache__|[^/]*\.egg-info|dist)(/|$)")
        names = [p.relative_to(root).as_posix() for p in root.rglob("*")]
        names = [n for n in names if not hidden.search(n)]
    return sorted({n for n in names if n and (root / n).is_file()})


def run(root):
    files = [File(root, path) for path in list_files(root)]
    by_path = {f.path: f for f in files}
    complaints = []
    for rule, check in RULES.items():
        for path, number, text in check(files, root):
            lines = by_path[path].lines
            line = lines[number - 1] if 0 < number <= len(lines) else ""
            if f"tidy: allow {rule}" not in line:
                complaints.append(f"{path}:{number}: {rule}: {text}")
    return complaints, len(files)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    complaints, count = run(root)
    print("\n".join(complaints), end="\n" if complaints else "")
    print(f"{len(RULES)} rules, {count} files checked, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
