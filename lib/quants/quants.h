// Stored types: how a tensor's numbers lie in a file. One row a type: its block, and a scalar decoder that is the
// oracle for every packed layout. One source file a type beside this header; kernels never see these, only the
// compute layouts that backends/ packs them into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pensee {

enum class StoredType : uint8_t { f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, f8_e4m3, count };

struct StoredTypeInfo {
  StoredType type;
  std::string_view name;   // "Q4_K", as people and GGUF files say it
  int32_t gguf_id;         // ggml type number in a GGUF file; -1: not in any
  int32_t block_elements;  // numbers a block holds; a row is a whole number of blocks
  int32_t block_bytes;
  // Decodes `blocks` consecutive blocks into blocks * block_elements floats.
  void (*decode)(const std::byte* in, float* out, int64_t blocks);
};

const StoredTypeInfo& info(StoredType type);
const StoredTypeInfo* stored_type_by_gguf_id(int32_t id);  // nullptr when we do not read it
inline uint64_t row_bytes(StoredType type, int64_t cols) {
  const StoredTypeInfo& t = info(type);
  return static_cast<uint64_t>(cols / t.block_elements) * static_cast<uint64_t>(t.block_bytes);
}

float e4m3_to_float(uint8_t bits);
float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);  // rounds to nearest even
float bfloat_to_float(uint16_t bits);
uint16_t float_to_bfloat(float value);  // rounds to nearest even

}  // namespace pensee
