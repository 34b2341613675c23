"""Published tokenizers, text for text against the `tokenizers` library: ids and what they decode to.

Needs the files that tests/fetch_data.py brings (PENSEE_DATA, else .cache/data), the libraries `tokenizers` and `gguf`,
and the C++ tool tests/text/tokenize_tool (TOKENIZE_TOOL, else looked for in the build folders). It needs no binding:
`pytest --noconftest tests/python/test_tokenizers.py` runs it alone.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from tokenizer_texts import texts  # noqa: E402

tokenizers = pytest.importorskip("tokenizers")

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("PENSEE_DATA", ROOT / ".cache" / "data"))
FAMILIES = ["deepseek_v3", "qwen3", "llama3_1", "gptoss", "deepseek"]
GGUF_FILES = ["SmolLM2-135M-Instruct.Q4_1.gguf", "R1-Distill-Qwen-7B.part-0000.gguf"]
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def find_tool():
    named = os.environ.get("TOKENIZE_TOOL")
    found = [pathlib.Path(named)] if named else sorted(ROOT.glob("build*/**/tokenize_tool"))
    found = [path for path in found if path.is_file()]
    if not found:
        pytest.skip("tokenize_tool is not built")
    return max(found, key=lambda path: path.stat().st_mtime)


def path_of(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there; tests/fetch_data.py fetches it")
    return path


def run(arguments, lines):
    given = "".join(json.dumps(line) + "\n" for line in lines)
    result = subprocess.run(
        [find_tool(), *arguments], input=given, capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.split("\n")[:-1]]


def compare(arguments, library, lines, add_special=True):
    answers = run(arguments, lines)
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers):
        ids = library.encode(line, add_special_tokens=add_special).ids
        assert answer["ids"] == ids, ascii(line)
        assert answer["text"] == library.decode(ids, skip_special_tokens=False), ascii(line)


def looks_like_control(token):
    content = token["content"]
    return token["special"] or (content[:1] + content[-1:]) in ("<>", "[]")


@pytest.mark.parametrize("family", FAMILIES)
def test_published_tokenizer(family):
    path = path_of(f"tokenizers/{family}/tokenizer.json")
    added = [token["content"] for token in json.loads(path.read_text(encoding="utf-8"))["added_tokens"]]
    shown = added[:10] + [t for t in added if "reserved" not in t and "place" not in t][:80] + added[-10:]
    library = tokenizers.Tokenizer.from_file(str(path))
    compare(["--add-special", path], library, texts(1000, seed=7, specials=shown))


@pytest.mark.parametrize("family", FAMILIES)
def test_text_cannot_forge_control_tokens(family):
    """Without parse_special a text is as if each control token were marked special and encode_special_tokens set."""
    path = path_of(f"tokenizers/{family}/tokenizer.json")
    spec = json.loads(path.read_text(encoding="utf-8"))
    controls = [token for token in spec["added_tokens"] if looks_like_control(token)]
    for token in controls:
        token["special"] = True
    library = tokenizers.Tokenizer.from_str(json.dumps(spec))
    library.encode_special_tokens = True
    lines = texts(300, seed=8, specials=[token["content"] for token in controls][:100])
    compare(["--plain", path], library, lines, add_special=False)


def library_of_gguf(path):
    gguf = pytest.importorskip("gguf")

    # The reader wants whole tensors; the metadata of a cut file is whole all the same.
    class MetadataReader(gguf.GGUFReader):
        def _build_tensors(self, start_offs, fields):
            pass

    fields = MetadataReader(str(path)).fields
    value = {name: fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges", "token_type", "pre")}
    vocab = {token: i for i, token in enumerate(value["tokens"])}
    merges = [tuple(merge.split(" ")) for merge in value["merges"]]
    library = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=merges))
    pre = tokenizers.pre_tokenizers
    if value["pre"] == "smollm":
        steps = [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False, use_regex=True)]
    else:
        library.normalizer = tokenizers.normalizers.NFC()
        steps = [
            pre.Split(tokenizers.Regex(QWEN2), "isolated"),
            pre.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    library.pre_tokenizer = pre.Sequence(steps)
    library.decoder = tokenizers.decoders.ByteLevel()
    specials = []
    for token, kind in zip(value["tokens"], value["token_type"]):
        if kind in (2, 3, 4):
            added = tokenizers.AddedToken(token, normalized=False, special=kind != 4)
            (library.add_tokens if kind == 4 else library.add_special_tokens)([added])
            specials.append(token)
    return library, specials


@pytest.mark.parametrize("name", GGUF_FILES)
def test_gguf_vocabulary(name):
    path = path_of(name)
    library, specials = library_of_gguf(path)
    compare(["--gguf", path], library, texts(500, seed=9, specials=specials[:60]), add_special=False)
