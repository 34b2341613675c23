#!/usr/bin/env python3
"""Makes the data of quants_test.cpp: blocks of every stored type with the floats that the `gguf` package (F8_E4M3:
torch) decodes them to, and checksums of numpy's float16 conversions. Run it beside this file: pip install numpy gguf
torch; ./make_quants.py

decoded/<TYPE>.bin is: uint32 blocks, the blocks, then blocks * block_elements floats; all little-endian.
"""
import json
import pathlib

import gguf
import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
SPECIAL_HALVES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF,
                  0x7C00, 0xFC00, 0x7E00]
# Where a block holds its halves; the rest of a block is arbitrary bits.
HALVES_AT = {"F16": [0], "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
             "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def blocks_of(name, rng):
    elements, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if name == "F32":
        special = [0, 0x80000000, 1, 0x7FFFFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00001, 0x3F800000]
        return np.array(special, np.uint32).view(np.uint8).reshape(-1, 4)
    if name in ("F16", "BF16"):
        return np.arange(0x10000, dtype=np.uint16).view(np.uint8).reshape(-1, 2)[::13].copy()
    ordinary = 12 if elements == 256 else 40
    halves = [[h] * len(HALVES_AT[name]) for h in SPECIAL_HALVES]
    if len(HALVES_AT[name]) == 2:
        halves += [[0x7BFF, 0x0001], [0x0001, 0x7BFF], [0x7C00, 0x7C00], [0x0000, 0x3C00]]
    scales = rng.uniform(-0.1, 0.1, (ordinary, len(HALVES_AT[name]))).astype(np.float16).view(np.uint16)
    halves = np.array(halves + scales.tolist(), np.uint16)
    blocks = rng.integers(0, 256, (len(halves) + 2, size), dtype=np.uint8)
    blocks[-2:] = [[0], [255]]
    for column, at in enumerate(HALVES_AT[name]):
        blocks[:-2, at : at + 2] = halves[:, column : column + 1].view(np.uint8)
    return blocks


def write_e4m3():
    """Every number of e4m3 with each of some scales: a float scale, then 32 numbers."""
    scales = np.array([1, 0, -0.0, 0.0123, -3.1e-5, 1.7, 448, 1e-40, 1e30, np.inf, np.nan], np.float32)
    numbers = np.tile(np.arange(256, dtype=np.uint8).reshape(-1, 32), (len(scales), 1))
    scales = scales.repeat(8).reshape(-1, 1)
    floats = scales * torch.from_numpy(numbers).view(torch.float8_e4m3fn).float().numpy()
    blocks = np.concatenate([scales.view(np.uint8).reshape(-1, 4), numbers], axis=1)
    data = np.uint32(len(blocks)).tobytes() + blocks.tobytes() + floats.astype(np.float32).tobytes()
    (HERE / "decoded" / "F8_E4M3.bin").write_bytes(data)


def checksum(bits):
    """Sum of bits[i] * (2 i + 1) modulo 2^64."""
    weights = np.arange(len(bits), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return f"{int((bits.astype(np.uint64) * weights).sum(dtype=np.uint64)):016x}"


def main():
    np.seterr(all="ignore")
    rng = np.random.default_rng(20240607)
    (HERE / "decoded").mkdir(exist_ok=True)
    for name in ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]:
        blocks = blocks_of(name, rng)
        floats = gguf.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float32)
        data = np.uint32(len(blocks)).tobytes() + blocks.tobytes() + floats.tobytes()
        (HERE / "decoded" / f"{name}.bin").write_bytes(data)

    write_e4m3()

    # Every 4099th float, and every float16; a NaN counts as one bit pattern.
    floats = (np.arange(1 << 20, dtype=np.uint64) * 4099 & 0xFFFFFFFF).astype(np.uint32).view(np.float32)
    halves = floats.astype(np.float16).view(np.uint16)
    halves[np.isnan(floats)] = 0x7E00
    widened = np.arange(0x10000, dtype=np.uint16).view(np.float16).astype(np.float32).view(np.uint32)
    widened[np.isnan(widened.view(np.float32))] = 0x7FC00000
    sums = {"float_to_half": checksum(halves), "half_to_float": checksum(widened)}
    (HERE / "conversions.json").write_text(json.dumps(sums, indent=2) + "\n")


if __name__ == "__main__":
    main()
