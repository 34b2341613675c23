#!/usr/bin/env python3
"""Stores a GGUF's matrices in another type, to compare what the types cost: decodes them, quantises them anew.

Matrices (not vectors, not the router, which files keep in F32) get the type, where their rows are whole blocks;
otherwise the one that the usual quantisers fall back to. K quants are made plainly, by the range of each block: good
enough to compute with, not to publish.

  python3 tests/bench/requantise.py IN.gguf --dir DIR q8_0 q4_k ...      writes DIR/IN-q8_0.gguf (needs numpy and gguf)
"""

import argparse
import pathlib
import sys

import gguf
import numpy as np

Type = gguf.GGMLQuantizationType
FALLBACK = {Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0}
SUPER = 256  # numbers of a K block


def half(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[blocks] as the bytes of halves, and as the numbers that these are."""
    stored = x.astype(np.float16).reshape(-1, 1)
    return stored.view(np.uint8), stored.astype(np.float32)


def safe_divide(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(x, by, out=np.zeros(np.broadcast_shapes(x.shape, by.shape), np.float32), where=by != 0)


def scales_and_integers(x: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Q4_K and Q5_K of [blocks, 256]: d, dmin and 6-bit scales as 16 bytes, and integers [blocks, 8, 32] up to most."""
    x = x.reshape(-1, 8, 32)
    low = -np.minimum(x.min(axis=2), 0)
    step = (x.max(axis=2) + low) / most
    d_bytes, d = half(step.max(axis=1) / 63)
    m_bytes, m = half(low.max(axis=1) / 63)
    scale = np.clip(np.rint(safe_divide(step, d)), 0, 63).astype(np.uint8)
    minimum = np.clip(np.rint(safe_divide(low, m)), 0, 63).astype(np.uint8)
    shifted = x + (m * minimum)[:, :, None]
    q = np.clip(np.rint(safe_divide(shifted, (d * scale)[:, :, None])), 0, most).astype(np.uint8)
    packed = np.concatenate(
        [scale[:, :4] | (scale[:, 4:] >> 4 << 6), minimum[:, :4] | (minimum[:, 4:] >> 4 << 6),
         (scale[:, 4:] & 15) | (minimum[:, 4:] & 15) << 4], axis=1)  # fmt: skip
    return np.concatenate([d_bytes, m_bytes, packed], axis=1), q


def nibbles(q: np.ndarray) -> np.ndarray:
    """[blocks, 8, 32] of 4 bits: neighbouring groups share bytes."""
    return (q[:, 0::2] | q[:, 1::2] << 4).reshape(len(q), 128)


def q4_k(x: np.ndarray) -> np.ndarray:
    head, q = scales_and_integers(x, 15)
    return np.concatenate([head, nibbles(q)], axis=1)


def q5_k(x: np.ndarray) -> np.ndarray:
    head, q = scales_and_integers(x, 31)
    fifth = np.zeros((len(q), 32), np.uint8)
    for group in range(8):
        fifth |= (q[:, group] >> 4) << group
    return np.concatenate([head, fifth, nibbles(q & 15)], axis=1)


def q6_k(x: np.ndarray) -> np.ndarray:
    x = x.reshape(-1, 16, 16)
    step = np.abs(x).max(axis=2) / 31
    d_bytes, d = half(step.max(axis=1) / 127)
    scale = np.clip(np.rint(safe_divide(step, d)), 0, 127).astype(np.int8)
    q = np.clip(np.rint(safe_divide(x, (d * scale)[:, :, None])), -32, 31) + 32
    q = q.astype(np.uint8).reshape(-1, 2, 4, 32)  # halves of four groups
    low = np.stack([(q[:, :, 0] & 15) | (q[:, :, 2] & 15) << 4, (q[:, :, 1] & 15) | (q[:, :, 3] & 15) << 4], axis=2)
    high = q[:, :, 0] >> 4 | (q[:, :, 1] >> 4) << 2 | (q[:, :, 2] >> 4) << 4 | (q[:, :, 3] >> 4) << 6
    blocks = len(q)
    return np.concatenate([low.reshape(blocks, 128), high.reshape(blocks, 64), scale.view(np.uint8), d_bytes], axis=1)


K_QUANTS = {Type.Q4_K: q4_k, Type.Q5_K: q5_k, Type.Q6_K: q6_k}


def quantise(x: np.ndarray, kind: Type) -> np.ndarray:
    if kind not in K_QUANTS:
        return gguf.quantize(x, kind)
    return K_QUANTS[kind](x.reshape(-1, SUPER)).reshape(*x.shape[:-1], -1)


def type_for(name: str, shape: tuple[int, ...], kind: Type) -> Type:
    if len(shape) < 2 or "ffn_gate_inp" in name:
        return Type.F32
    if shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = FALLBACK.get(kind, Type.F16)
    return kind


def requantise(source: pathlib.Path, target: pathlib.Path, kind: Type) -> None:
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        sub = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub)
    for tensor in reader.tensors:
        x = gguf.dequantize(tensor.data, tensor.tensor_type)
        new = type_for(tensor.name, x.shape, kind)
        data = quantise(x, new)
        error = np.abs(gguf.dequantize(data, new) - x).max() / max(float(np.abs(x).max()), 1e-30)
        if error > 0.15:
            raise SystemExit(f"{tensor.name}: {new.name} is off by {error:.0%} of the largest number")
        writer.add_tensor(tensor.name, data, raw_shape=data.shape, raw_dtype=new)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, metavar="IN.gguf")
    parser.add_argument("types", nargs="+", metavar="TYPE", help="f32, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k ...")
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path(".cache/requantised"))
    args = parser.parse_args()
    kinds = {kind.name.lower(): kind for kind in Type}
    if unknown := [name for name in args.types if name not in kinds]:
        parser.error(f"no type called {', '.join(unknown)}")
    args.dir.mkdir(parents=True, exist_ok=True)
    for name in args.types:
        target = args.dir / f"{args.source.stem}-{name}.gguf"
        requantise(args.source, target, kinds[name])
        print(target, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
