#!/usr/bin/env python3
"""Makes the files under data/ that formats_test.cpp reads, with the `gguf` and `safetensors` packages, and
data/expected.json: what those packages put into them. Run it beside this file:
pip install numpy gguf "safetensors>=0.8"; ./make_formats.py
"""
import json
import pathlib

import gguf
import numpy as np
import safetensors
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value

DATA = pathlib.Path(__file__).parent / "data"
BLOCK_TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]


def stored(name, rows, cols, rng):
    """Bytes of `rows` rows in a block type, with small scales where the halves lie."""
    elements, size = gguf.GGML_QUANT_SIZES[Type[name]]
    blocks = rng.integers(0, 256, (rows * cols // elements, size), dtype=np.uint8)
    for at in {"Q6_K": [208], "Q8_0": [0], "Q4_0": [0], "Q5_0": [0]}.get(name, [0, 2]):
        blocks[:, at : at + 2] = rng.uniform(-1, 1, len(blocks)).astype(np.float16)[:, None].view(np.uint8)
    return blocks.reshape(rows, -1)


def tensor_record(name, type_name, shape, values):
    return {"name": name, "type": type_name, "shape": list(shape), "values": [float(v) for v in np.ravel(values)]}


METADATA = [
    ("test.uint8", 255, Value.UINT8), ("test.int8", -128, Value.INT8), ("test.uint16", 65535, Value.UINT16),
    ("test.int16", -32768, Value.INT16), ("test.uint32", 2**32 - 1, Value.UINT32),
    ("test.int32", -(2**31), Value.INT32),
    ("test.uint64", 2**63 - 1, Value.UINT64), ("test.uint64_large", 2**64 - 1, Value.UINT64),
    ("test.int64", -(2**63), Value.INT64), ("test.float32", 0.5, Value.FLOAT32), ("test.float64", 0.1, Value.FLOAT64),
    ("test.bool", True, Value.BOOL), ("test.string", "na\u00efve \U0001f600", Value.STRING),
    ("test.strings", ["a", "", "\u4e2d"], Value.ARRAY), ("test.integers", [1, -2, 3], Value.ARRAY),
    ("test.reals", [0.5, -0.25], Value.ARRAY), ("test.bools", [True, False], Value.ARRAY),
    ("test.nested", [[1, 2], [3]], Value.ARRAY),
]


def write_gguf(path, tensors, metadata=(), **options):
    writer = gguf.GGUFWriter(path, "test", **options)
    for key, value, kind in metadata:
        writer.add_key_value(key, value, kind)
    if options.get("alignment"):
        writer.add_custom_alignment(options["alignment"])
    for name, data, raw in tensors:
        writer.add_tensor(name, data, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_gguf(expected):
    rng = np.random.default_rng(7)
    tensors, records = [], []
    for name in BLOCK_TYPES:
        data = stored(name, 3, 256, rng)
        tensors.append((f"block.{name}", data, Type[name]))
        records.append(tensor_record(f"block.{name}", name, (3, 256), gguf.dequantize(data, Type[name])))
    f32 = rng.standard_normal((2, 3, 5)).astype(np.float32)
    f16 = rng.standard_normal(7).astype(np.float16)
    bf16 = (rng.standard_normal((2, 4)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    tensors += [("plain.F32", f32, None), ("plain.F16", f16, None), ("plain.BF16", bf16.view(np.uint8), Type.BF16)]
    records += [tensor_record("plain.F32", "F32", f32.shape, f32), tensor_record("plain.F16", "F16", f16.shape, f16),
                tensor_record("plain.BF16", "BF16", bf16.shape, (bf16.astype(np.uint32) << 16).view(np.float32))]
    tensors.append(("other.Q2_K", rng.integers(0, 256, (1, 84), dtype=np.uint8), Type.Q2_K))
    tensors.append(("other.I32", np.arange(6, dtype=np.int32), None))
    write_gguf(DATA / "all.gguf", tensors, METADATA)
    expected["gguf_metadata"] = {"general.architecture": "test"} | {k: v for k, v, _ in METADATA}
    expected["gguf_metadata"]["test.uint64_large"] = float(2**64 - 1)
    expected["gguf_tensors"] = records

    small = [(f"t{i}", np.arange(8 * i, 8 * i + 8, dtype=np.float32).reshape(2, 4), None) for i in range(3)]
    mixed = [("n", [[1], [2, 3]], Value.ARRAY), ("s", ["ab", "c"], Value.ARRAY), ("u", 5, Value.UINT64)]
    write_gguf(DATA / "small.gguf", small + [("q", stored("Q8_0", 1, 32, rng), Type.Q8_0)], mixed)
    write_gguf(DATA / "split.gguf", small, split_max_tensors=2)
    version2 = bytearray((DATA / "small.gguf").read_bytes())
    version2[4] = 2  # versions 2 and 3 differ in endianness alone
    (DATA / "version2.gguf").write_bytes(version2)


def spec(dtype, shape, array):
    return dtype, list(shape), np.ascontiguousarray(array)


def serialize(specs, metadata=None):
    """The arrays in `specs` stay alive while the specs that point to them are used."""
    tensors = {
        name: safetensors.TensorSpec(dtype=dtype, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes)
        for name, (dtype, shape, array) in specs.items()
    }
    return safetensors.serialize(tensors, metadata)


def make_safetensors(expected):
    rng = np.random.default_rng(8)
    f32 = rng.standard_normal((2, 3, 5)).astype(np.float32)
    f16 = rng.standard_normal((4, 2)).astype(np.float16)
    bf16 = (rng.standard_normal((3, 3)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    widened = (bf16.astype(np.uint32) << 16).view(np.float32)
    specs = {
        "a.f32": spec("float32", f32.shape, f32), "b.f16": spec("float16", f16.shape, f16),
        "c.bf16": spec("bfloat16", bf16.shape, bf16), "scalar": spec("float32", (), np.float32(2.5)),
        "other.i64": spec("int64", (3,), np.arange(3, dtype=np.int64)),
        "other.f8": spec("float8_e4m3fn", (2, 2), np.arange(4, dtype=np.uint8)),
        "other.empty": spec("float32", (0, 4), np.zeros((0, 4), np.float32)),
        "other.five_dims": spec("float32", (1, 1, 2, 1, 1), np.ones(2, np.float32)),
    }
    (DATA / "all.safetensors").write_bytes(serialize(specs, {"format": "pt"}))
    expected["safetensors_tensors"] = [
        tensor_record("a.f32", "F32", f32.shape, f32), tensor_record("b.f16", "F16", f16.shape, f16),
        tensor_record("c.bf16", "BF16", bf16.shape, widened), tensor_record("scalar", "F32", (), [2.5]),
    ]
    small = {"x": spec("float32", (2, 2), np.arange(4, dtype=np.float32)), "y": spec("int64", (1,), np.int64(3)),
             "z": spec("bfloat16", (2,), np.array([0x3F80, 0x4000], np.uint16))}
    (DATA / "small.safetensors").write_bytes(serialize(small))

    sharded = DATA / "sharded"
    sharded.mkdir(exist_ok=True)
    shards = {"model-00001-of-00002.safetensors": ["x", "y"], "model-00002-of-00002.safetensors": ["z"]}
    for shard, names in shards.items():
        (sharded / shard).write_bytes(serialize({n: small[n] for n in names}))
    weight_map = {n: shard for shard, names in shards.items() for n in names}
    index = {"metadata": {"total_size": 28}, "weight_map": weight_map}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    DATA.mkdir(exist_ok=True)
    expected = {}
    make_gguf(expected)
    make_safetensors(expected)
    (DATA / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
