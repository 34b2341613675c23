#!/usr/bin/env python3
"""Doxygen's INPUT_FILTER: turns the plain comments of pensee.h and pensee.hpp into ones that Doxygen reads, line by
line, so that its line numbers stay those of the file. C# has documentation comments already and passes as it is.

    filter.py FILE

A comment above a declaration documents it, one behind a field or enumerator that. "---- 3 model ----" begins a group.
Comments are plain text: what would be a command or a tag of Doxygen's is escaped.
"""

import re
import sys

SECTION = re.compile(r"/\* ---- (\d+) ([\w ,]+?) -+ \*/")


def escape(text: str) -> str:
    return re.sub(r"[\\@<>&#%$\"]|::", lambda match: "\\" + match.group(0), text)


def enclose(comment: str, opening: str) -> str:
    """`comment` from its /* to its */ as a documentation comment."""
    inner = comment[2:-2]
    return opening + "\n".join(escape(line) for line in inner.split("\n")) + "*/"


def filter_c(text: str) -> str:
    out, at, group = [], 0, False
    for match in re.finditer(r"/\*.*?\*/", text, re.S):
        comment = match.group(0)
        before = text[at : match.start()]
        out.append(before)
        at = match.end()
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        rest = text[at : text.find("\n", at)].strip()
        section = SECTION.fullmatch(comment)
        if section:
            name, title = re.sub(r"\W+", "_", section.group(2)), f"{section.group(1)} {section.group(2)}"
            out.append(f"{'/** @} */ ' if group else ''}/** @defgroup {name} {title}\n@{{ */")
            at += 1  # the line that was empty
            group = True
        elif match.start() == 0:  # the preface: the first page, shown as it is
            lines = comment[2:-2].split("\n")
            lines = ["/** @mainpage pensee.h"] + [re.sub(r"^ \* ?", "", part) for part in lines[1:]]
            lines[1] = "@verbatim " + lines[1]
            out.append("\n".join(lines) + " @endverbatim */")
        elif line.lstrip().startswith("#"):
            out.append(comment)
        elif opening := re.search(r"(?:typedef struct \w+|enum) \{ $", line):  # about the whole: before it
            out[-1] = before[: len(before) - len(opening.group(0))]
            out.append(enclose(comment, "/**") + " " + opening.group(0))
        elif line.strip() and not rest.startswith("("):
            out.append(enclose(comment, "/**<"))
        else:
            out.append(enclose(comment, "/**"))
    out.append(text[at:])
    filtered = "".join(out)
    if group:
        end = filtered.rindex("#ifdef __cplusplus")
        filtered = filtered[:end].rstrip("\n") + "\n/** @} */\n" + filtered[end:]
    return filtered


def filter_cpp(text: str) -> str:
    lines = text.split("\n")
    preface = next(number for number, line in enumerate(lines) if not line.startswith("//"))
    shown = [line[3:] for line in lines[:preface]]
    lines[:preface] = ["/** @file", "@verbatim " + shown[1], *shown[2:-1], shown[-1] + " @endverbatim */"]
    for number, line in enumerate(lines):
        if number < preface or line.lstrip().startswith("#"):
            continue
        if match := re.match(r"(\s*)// ?(.*)$", line):
            lines[number] = f"{match.group(1)}/// {escape(match.group(2))}"
        elif match := re.match(r"(.*\S)\s+// (.*)$", line):
            lines[number] = f"{match.group(1)}  ///< {escape(match.group(2))}"
    return "\n".join(lines)


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    if sys.argv[1].endswith(".h"):
        text = filter_c(text)
    elif sys.argv[1].endswith(".hpp"):
        text = filter_cpp(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
