#!/usr/bin/env python3
"""Makes thinker.gguf, a thinking model of random weights in 120 kB, and scenarios.json: what the tests of every binding
do with it, and the tokens that must come out of each. The expected values come from the Python package, whose own tests
hold the library to transformers and tokenizers; tests/python/test_scenarios.py makes them again and compares.

    PYTHONPATH=build/python python3 tests/scenarios/make.py            (needs numpy)
    PYTHONPATH=build/python python3 tests/scenarios/make.py --model    the model too; all tokens change with it

A reply row is (name, request) and gets its `expected`; the names in `options` are Python's keywords. The other rows
are told in README.md.
"""

from __future__ import annotations

import json
import pathlib
import struct
import sys
from typing import TYPE_CHECKING, Any

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

import tiny  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

    import pensee

HIDDEN_SIZE, NUM_LAYERS, CONTEXT_MAX = 32, 1, 2048
GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip

TOOLS = [{"type": "function", "function": {
    "name": "lookup",
    "description": "Looks a word up.",
    "parameters": {
        "type": "object",
        "properties": {"word": {"enum": ["cat", "dog"]}, "times": {"enum": [1, 2, 3]}},
        "required": ["word", "times"],
        "additionalProperties": False,
    },
}}]  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"prime": {"type": "boolean"}, "kind": {"enum": ["odd", "even"]}},
    "required": ["prime", "kind"],
    "additionalProperties": False,
}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Is 221 prime?"},
    {"role": "assistant", "content": "No: 13 * 17.", "reasoning_content": "221 = 13 * 17"},
    {"role": "user", "content": "And 223? \U0001f600 \\ \"q\""},
]
ENDS = {str(tiny.END): 1000.0}  # ends an answer as soon as it may
SAMPLE = {"temperature": 1.0, "think_budget": 8, "max_tokens": 300}
IDS = list(b"Talks go on and on, a turn after the other.")

REPLIES: list[dict[str, Any]] = [
    {"name": "ask", "prompt": "Is 221 prime?", "options": {"temperature": 0, "max_tokens": 40}},
    {"name": "budget", "prompt": "Is 221 prime?", "options": {"temperature": 0, "max_tokens": 48, "think_budget": 12}},
    {"name": "no thought", "prompt": "Hi", "system": "Be brief.",
     "options": {"temperature": 0, "max_tokens": 16, "think_budget": 0}},
    {"name": "a seed", "prompt": "Tell a story.",
     "options": {"temperature": 0.8, "top_k": 40, "top_p": 0.9, "min_p": 0.01, "seed": 7, "max_tokens": 40}},
    {"name": "messages", "messages": TALK, "options": {"temperature": 0, "max_tokens": 24, "think_budget": 8}},
    {"name": "raw ids", "ids": IDS, "options": {"temperature": 0, "max_tokens": 16}},
    {"name": "penalties", "prompt": "Hi",
     "options": {"temperature": 0, "max_tokens": 24, "repetition_penalty": 1.3, "logit_bias": {"65": 6.0, "66": 5.5}}},
    {"name": "json schema", "prompt": "Hi", "options": {**SAMPLE, "seed": 1, "json_schema": json.dumps(SCHEMA)}},
    {"name": "regex", "prompt": "Hi", "options": {**SAMPLE, "seed": 2, "regex": "[0-9]{3}-[a-c]{2}"}},
    {"name": "grammar", "prompt": "Hi",
     "options": {**SAMPLE, "seed": 3, "grammar": 'root ::= word ("," word){2}\nword ::= "cat" | "dog"\n'}},
    {"name": "tool call", "prompt": "Hi", "tools": TOOLS,
     "options": {**SAMPLE, "seed": 5, "tool_choice": "required", "answer_sampling": {"logit_bias": ENDS}}},
    {"name": "prefixes", "prompt": "Hi",
     "options": {"temperature": 0, "max_tokens": 40, "think_budget": 10, "thought_prefix": "Well \u2014 ",
                 "answer_prefix": "So: ", "budget_text": "Enough."}},
]  # fmt: skip
TEXTS = ["", "Is 221 prime?", "caf\u00e9 \u20ac \U0001f600", "a\u0000b", "<think>no</think><|end|>", " \n\r\n x"]
ERRORS = [
    {"name": "no such file", "open": "nowhere.gguf", "status": "FILE_NOT_FOUND"},
    {"name": "no model", "open": "scenarios.json", "status": "FILE_CORRUPT"},
    {"name": "an id that is none", "ids": [1, 99999], "options": {}, "status": "BAD_ARGUMENT"},
    {"name": "a wrong expression", "prompt": "Hi", "options": {"regex": "(a"}, "status": "BAD_ARGUMENT"},
    {"name": "a wrong number", "prompt": "Hi", "options": {"top_p": 1.5}, "status": "BAD_ARGUMENT"},
    {"name": "too long a prompt", "ids": [65] * (CONTEXT_MAX + 1), "options": {}, "status": "CONTEXT_FULL"},
]


def gguf_name(name: str) -> str:
    stem, end = name.rsplit(".", 1)
    parts = stem.split(".", 3)
    if parts[:2] == ["model", "layers"]:
        return f"blk.{parts[2]}.{GGUF_NAMES[parts[3]]}.{end}"
    return f"{GGUF_NAMES[stem]}.{end}"


def gguf_string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(value: object) -> bytes:
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_string(value)
    assert isinstance(value, list)
    items = [gguf_value(item) for item in value]
    head = items[0][:4] if items else struct.pack("<I", 8)
    return struct.pack("<I", 9) + head + struct.pack("<Q", len(items)) + b"".join(item[4:] for item in items)


def write_model(path: pathlib.Path) -> None:
    """tiny's model, with other weights, as a GGUF."""
    import numpy as np

    random = np.random.default_rng(221)
    unused = [f"[unused{i}]" for i in range(tiny.END + len(tiny.SPECIAL), tiny.VOCAB_SIZE)]
    kinds = [1] * 256 + [4 if text in ("<think>", "</think>") else 3 for text in tiny.SPECIAL] + [5] * len(unused)
    metadata: dict[str, object] = {
        "general.architecture": "qwen2", "general.name": "thinker", "qwen2.context_length": CONTEXT_MAX,
        "qwen2.embedding_length": HIDDEN_SIZE, "qwen2.block_count": NUM_LAYERS,
        "qwen2.feed_forward_length": 3 * HIDDEN_SIZE, "qwen2.attention.head_count": HIDDEN_SIZE // 16,
        "qwen2.attention.head_count_kv": HIDDEN_SIZE // 32, "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": 10000.0, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*tiny.byte_characters(), *tiny.SPECIAL, *unused],
        "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.merges": [], "tokenizer.ggml.eos_token_id": tiny.END,
        "tokenizer.chat_template": tiny.TEMPLATE,
    }  # fmt: skip
    tensors: dict[str, np.ndarray] = {}
    for name, shape in tiny.shapes(HIDDEN_SIZE, NUM_LAYERS).items():
        scale = 1.0 if "embed" in name else 0.1 if name.endswith("bias") else 1.3 * shape[-1] ** -0.5
        drawn = random.standard_normal(shape, np.float32) * np.float32(scale)
        tensors[gguf_name(name)] = np.ones(shape, np.float32) if name.endswith("norm.weight") else drawn
    tensors["output.weight"][tiny.END :] = 0  # nothing ends by itself

    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    out += b"".join(gguf_string(key) + gguf_value(value) for key, value in metadata.items())
    offset = 0
    for name, tensor in tensors.items():
        out += gguf_string(name) + struct.pack(f"<I{tensor.ndim}Q", tensor.ndim, *reversed(tensor.shape))
        out += struct.pack("<IQ", 0, offset)
        offset += (tensor.nbytes + 31) // 32 * 32
    out += b"\0" * (-len(out) % 32)
    for tensor in tensors.values():
        out += tensor.tobytes() + b"\0" * (-tensor.nbytes % 32)
    path.write_bytes(out)


def prompt_of(row: dict[str, Any]) -> Any:
    return row.get("prompt", row.get("messages", row.get("ids")))


def keywords_of(row: dict[str, Any]) -> dict[str, Any]:
    return {**row["options"], **{name: row[name] for name in ("system", "tools") if name in row}}


def told(model: pensee.Model, row: dict[str, Any]) -> dict[str, Any]:
    """What of a reply every binding must give alike. Texts as a stream gives them: with the space around the tags."""
    import pensee

    events = list(model.generate(prompt_of(row), **keywords_of(row)))
    reply = pensee.Reply.from_events(events)
    return {
        "token_ids": list(reply.token_ids),
        "thought": "".join(event.text for event in events if event.kind == "thought"),
        "answer": "".join(event.text for event in events if event.kind == "answer"),
        "tool_calls": [{"name": call.name, "arguments": call.arguments_json} for call in reply.tool_calls],
        "finish_reason": reply.finish_reason,
        "prompt_tokens": reply.usage.prompt_tokens,
        "thought_tokens": reply.usage.thought_tokens,
        "answer_tokens": reply.usage.answer_tokens,
    }


def talk_of(model: pensee.Model) -> dict[str, Any]:
    """Two turns in one session; the second is asked again after save and restore, and after fork."""
    session = model.session()
    first = session.ask(IDS, temperature=0, max_tokens=8)
    longer = [*IDS, *first.token_ids, *b" And then?"]
    second = session.ask(longer, temperature=1, seed=3, max_tokens=12)
    return {
        "first": {"ids": IDS, "options": {"temperature": 0, "max_tokens": 8}, "token_ids": list(first.token_ids)},
        "second": {
            "ids": longer,
            "options": {"temperature": 1, "seed": 3, "max_tokens": 12},
            "token_ids": list(second.token_ids),
            "cached_tokens_min": second.usage.cached_tokens,
        },
    }


def scenarios(model: pensee.Model) -> dict[str, Any]:
    """The whole of scenarios.json, with what `model` answers."""
    long: dict[str, Any] = {"prompt": "Is 221 prime?", "options": {"temperature": 0, "loop_guard": "off"}}
    endless = model.ask(long["prompt"], max_tokens=300, **long["options"])
    samples = model.ask("Hi", n=3, temperature=1, seed=11, max_tokens=12)
    vote = model.vote("Hi", n=4, temperature=1, seed=4, max_tokens=20, think_budget=4, all=True)
    ids = IDS[:12]
    return {
        "model": "thinker.gguf",
        "vocab_size": model.info.vocab_size,
        "tokenize": [{"text": text, "ids": model.tokenize(text), "plain_ids": model.tokenize(text, parse_special=False)}
                     for text in TEXTS],
        "render": {"messages": TALK, "text": model.render(TALK)},
        "replies": [{**row, "expected": told(model, row)} for row in REPLIES],
        "samples": {"prompt": "Hi", "options": {"n": 3, "temperature": 1, "seed": 11, "max_tokens": 12},
                    "token_ids": [list(reply.token_ids) for reply in (samples, *samples.others)]},
        "vote": {"prompt": "Hi", "n": 4,
                 "options": {"temperature": 1, "seed": 4, "max_tokens": 20, "think_budget": 4},
                 "token_ids": [list(reply.token_ids) for reply in vote.replies],
                 "answers": [{"answer": row.answer, "votes": row.votes} for row in vote.answers]},
        "endless": {**long, "token_ids": list(endless.token_ids)},
        "talk": talk_of(model),
        "score": {"ids": ids, "argmax": model.logits(ids).argmax(axis=1).tolist(),
                  "logprobs": [round(float(value), 4) for value in model.logprobs(ids)]},
        "errors": ERRORS,
    }  # fmt: skip


def main() -> None:
    if "--model" in sys.argv[1:]:
        write_model(HERE / "thinker.gguf")
    import pensee

    with pensee.Model(HERE / "thinker.gguf") as model:
        text = json.dumps(scenarios(model), indent=1)
    # Lists of numbers on one line each.
    import re

    text = re.sub(r"\[\s+(-?[\d.]+(?:,\s+-?[\d.]+)*)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", text)
    (HERE / "scenarios.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
