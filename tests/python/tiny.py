"""Makes a small thinking model of random weights, with a byte tokenizer and a chat template in R1's manner.

It knows no language, but everything around the weights is real: text becomes tokens (one a byte), the template opens a
thought, tags split it from the answer. The rows of special tokens in lm_head are zero, so greedy decoding never picks
one and runs until it is told to stop: what tests of budgets, cancelling and time need. Only write_model and the
functions on tensors need numpy; tests/docs writes weights of its own without it.
"""

from __future__ import annotations

import json
import pathlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

SPECIAL = ["<|end|>", "<think>", "</think>", "<|User|>", "<|Assistant|>"]
END, THINK, END_THINK, USER, ASSISTANT = range(256, 261)
VOCAB_SIZE = 264
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% elif message['role'] == 'user' %}<|User|>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}<|Assistant|>{{ message['content'] }}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
)


def byte_characters() -> list[str]:
    """The printable stand-in of each byte in byte-level BPE (GPT-2's table)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    out, moved = [], 0
    for byte in range(256):
        if byte in printable:
            out.append(chr(byte))
        else:
            out.append(chr(256 + moved))
            moved += 1
    return out


def write_safetensors(path: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    header: dict[str, object] = {}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.tobytes())


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors of a file that holds float32 and int64 alone, as the goldens do."""
    import numpy as np

    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        dtype = {"F32": "<f4", "I64": "<i8"}[entry["dtype"]]
        out[name] = np.frombuffer(data[begin:end], dtype).reshape(entry["shape"])
    return out


def write_tokenizer(folder: pathlib.Path) -> None:
    split = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    added = [
        {"id": 256 + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": text not in ("<think>", "</think>")}
        for i, text in enumerate(SPECIAL)
    ]  # fmt: skip
    tokenizer: dict[str, object] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False},
                byte_level,
            ],
        },
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {text: byte for byte, text in enumerate(byte_characters())}, "merges": [],
        },
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|end|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def write_config(folder: pathlib.Path, hidden_size: int, num_layers: int, context_max: int) -> None:
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "vocab_size": VOCAB_SIZE,
        "hidden_size": hidden_size, "intermediate_size": 3 * hidden_size, "num_hidden_layers": num_layers,
        "num_attention_heads": hidden_size // 16, "num_key_value_heads": hidden_size // 32,
        "max_position_embeddings": context_max, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "rope_scaling": None,
        "tie_word_embeddings": False, "use_sliding_window": False, "sliding_window": None, "eos_token_id": END,
        "torch_dtype": "float32",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def shapes(hidden_size: int, num_layers: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of the model, in the order of the file."""
    kv_dim, intermediate = hidden_size // 32 * 16, 3 * hidden_size
    out: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB_SIZE, hidden_size)}
    for layer in range(num_layers):
        p = f"model.layers.{layer}."
        out[p + "input_layernorm.weight"] = (hidden_size,)
        for name, rows in (("q", hidden_size), ("k", kv_dim), ("v", kv_dim)):
            out[p + f"self_attn.{name}_proj.weight"] = (rows, hidden_size)
            out[p + f"self_attn.{name}_proj.bias"] = (rows,)
        out[p + "self_attn.o_proj.weight"] = (hidden_size, hidden_size)
        out[p + "post_attention_layernorm.weight"] = (hidden_size,)
        out[p + "mlp.gate_proj.weight"] = (intermediate, hidden_size)
        out[p + "mlp.up_proj.weight"] = (intermediate, hidden_size)
        out[p + "mlp.down_proj.weight"] = (hidden_size, intermediate)
    out["model.norm.weight"] = (hidden_size,)
    out["lm_head.weight"] = (VOCAB_SIZE, hidden_size)
    return out


def write_model(folder: pathlib.Path, hidden_size: int = 64, num_layers: int = 2, context_max: int = 2048) -> None:
    """Qwen2, about `12 * num_layers * hidden_size ** 2` parameters in float32."""
    import numpy as np

    write_config(folder, hidden_size, num_layers, context_max)
    write_tokenizer(folder)
    random = np.random.default_rng(20)
    tensors = {}
    for name, shape in shapes(hidden_size, num_layers).items():
        if name.endswith("norm.weight"):
            tensors[name] = np.ones(shape, np.float32)
            continue
        scale = 1.0 if "embed" in name else 0.1 if name.endswith("bias") else 1.3 * shape[-1] ** -0.5
        tensors[name] = random.standard_normal(shape, np.float32) * np.float32(scale)
    tensors["lm_head.weight"][256:] = 0
    write_safetensors(folder / "model.safetensors", tensors)
