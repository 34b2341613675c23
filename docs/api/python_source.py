#!/usr/bin/env python3
"""Copies the Python package for pydoctor, which reads source and runs nothing: what help() makes at run time from the
rows of _keywords.py (the line {options}, the meaning of each keyword) is written into the copy.

    python_source.py PACKAGE COPY
"""

import ast
import pathlib
import re
import shutil
import sys
import textwrap
from typing import NamedTuple


class Row(NamedTuple):
    sentence: str
    node: ast.AnnAssign


def rows_of(tree: ast.Module) -> dict[str, dict[str, Row]]:
    """TypedDict -> keyword -> its row, with those that it inherits."""
    found: dict[str, dict[str, Row]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        rows: dict[str, Row] = {}
        for base in node.bases:
            rows |= found.get(ast.unparse(base), {})
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and ast.unparse(item.annotation).startswith("Annotated["):
                row = item.annotation.slice.elts[1]  # type: ignore[attr-defined]
                rows[ast.unparse(item.target)] = Row(ast.literal_eval(row.args[1]), item)
        if rows:
            found[node.name] = rows
    return found


def plain(source: str, rows: dict[str, dict[str, Row]]) -> str:
    """Each row as a documented attribute: name, type, and the sentence as its docstring."""
    lines = source.split("\n")
    nodes = {row.node.lineno: row for keywords in rows.values() for row in keywords.values()}
    for first in sorted(nodes, reverse=True):
        node = nodes[first].node
        kind = ast.unparse(node.annotation.slice.elts[0])  # type: ignore[attr-defined]
        lines[first - 1 : node.end_lineno] = [f"    {ast.unparse(node.target)}: {kind}",
                                              f"    {nodes[first].sentence!r}"]  # fmt: skip
    return "\n".join(lines)


def table(rows: dict[str, Row]) -> str:
    width = max(map(len, rows)) + 2
    return "\n".join(
        textwrap.fill(name.ljust(width) + row.sentence, 110, subsequent_indent=" " * width)
        for name, row in rows.items()
    )


def main() -> None:
    package, copy = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyi", "bin"))
    source = (copy / "_keywords.py").read_text(encoding="utf-8")
    rows = rows_of(ast.parse(source))
    (copy / "_keywords.py").write_text(plain(source, rows), encoding="utf-8")

    def told(match: re.Match[str]) -> str:
        # A backslash in the copied docstring would be an escape.
        return match.group(1) + textwrap.indent(table(rows[match.group(2)]), " " * 8).replace("\\", "\\\\")

    model = (copy / "_model.py").read_text(encoding="utf-8")
    place = r"(@takes\((\w+), told=True\)(?:(?!\{options\}).)*\n) *\{options\}"
    model, count = re.subn(place, told, model, flags=re.S)
    if count < 2 or "{options}" in model:
        sys.exit(f"{count} tables of keywords were written: _model.py is not what it was")
    (copy / "_model.py").write_text(model, encoding="utf-8")


if __name__ == "__main__":
    main()
