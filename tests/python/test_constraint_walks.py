"""Random walks through the masks of random schemas and expressions, against jsonschema and re, with real tokenizers.

Needs what tests/fetch_data.py brings (PENSEE_DATA, else .cache/data), the package `jsonschema` and the C++ tool
tests/sampling/constraint_tool (CONSTRAINT_TOOL, else looked for in the build folders). It needs no binding:
`pytest --noconftest tests/python/test_constraint_walks.py` runs it alone.
"""

import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("jsonschema")
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("PENSEE_DATA", ROOT / ".cache" / "data"))
ORACLE = ROOT / "tests" / "sampling" / "constraint_oracle.py"


def find_tool():
    named = os.environ.get("CONSTRAINT_TOOL")
    found = [pathlib.Path(named)] if named else sorted(ROOT.glob("build*/**/constraint_tool"))
    found = [path for path in found if path.is_file()]
    if not found:
        pytest.skip("constraint_tool is not built")
    return max(found, key=lambda path: path.stat().st_mtime)


@pytest.mark.parametrize("seed, tokenizer", [
    (11, ["--gguf", "SmolLM2-135M-Instruct.Q4_1.gguf"]),
    (12, ["tokenizers/qwen3/tokenizer.json"]),
    (13, ["tokenizers/deepseek_v3/tokenizer.json"]),
])
def test_walks_are_valid_and_valid_texts_are_taken(seed, tokenizer):
    files = [word if word.startswith("--") else str(DATA / word) for word in tokenizer]
    if not os.path.isfile(files[-1]):
        pytest.skip(f"{files[-1]} is not here")
    run = subprocess.run([sys.executable, str(ORACLE), str(find_tool()), "60", str(seed), *files],
                         capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert " 0 differences" in run.stdout
