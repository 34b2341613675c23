// Stored blocks taken apart, one function a type: integers, scales and minima as the file has them. The layouts of the
// blocks are drawn in quants/<type>.cpp; tests hold what comes out here against the decoders there.
#include <bit>
#include <cstring>

#include "backends/native/layouts.h"

namespace pensee::native {
namespace {

const uint8_t* bytes_of(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }
uint16_t half_at(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
uint32_t word_at(const uint8_t* p) { return half_at(p) | static_cast<uint32_t>(half_at(p + 2)) << 16; }
uint16_t negated(uint16_t half) { return half ^ 0x8000; }

// 16 bytes of nibbles: numbers 0..15 are the low ones, 16..31 the high ones.
void split_nibbles(const uint8_t* n, uint8_t* q) {
  for (int i = 0; i < 16; ++i) {
    q[i] = n[i] & 15;
    q[16 + i] = n[i] >> 4;
  }
}
void add_fifth_bits(uint32_t bits, uint8_t* q) {
  for (int i = 0; i < kGroup; ++i) q[i] = static_cast<uint8_t>(q[i] | (bits >> i & 1) << 4);
}

void unpack_q8_0(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group * 34;
  out->d = half_at(block);
  std::memcpy(out->q, block + 2, kGroup);
}
void unpack_q4_0(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group * 18;
  out->d = half_at(block);
  split_nibbles(block + 2, out->q);
}
void unpack_q4_1(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group * 20;
  out->d = half_at(block);
  out->m = half_at(block + 2);
  split_nibbles(block + 4, out->q);
}
void unpack_q5_0(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group * 22;
  out->d = half_at(block);
  split_nibbles(block + 6, out->q);
  add_fifth_bits(word_at(block + 2), out->q);
}
void unpack_q5_1(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group * 24;
  out->d = half_at(block);
  out->m = half_at(block + 2);
  split_nibbles(block + 8, out->q);
  add_fifth_bits(word_at(block + 4), out->q);
}

// d, dmin and the 6-bit scale and minimum of sub-block s, common to Q4_K and Q5_K.
void unpack_k_scales(const uint8_t* block, int s, StoredGroup* out) {
  const uint8_t* k = block + 4;
  out->d = half_at(block);
  out->m = negated(half_at(block + 2));
  if (s < 4) {
    out->scale[0] = k[s] & 63;
    out->min = k[s + 4] & 63;
  } else {
    out->scale[0] = static_cast<uint8_t>((k[s + 4] & 15) | k[s - 4] >> 6 << 4);
    out->min = static_cast<uint8_t>(k[s + 4] >> 4 | k[s] >> 6 << 4);
  }
}
void unpack_q4_k(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group / 8 * 144;
  const int s = static_cast<int>(group % 8);
  unpack_k_scales(block, s, out);
  const uint8_t* n = block + 16 + s / 2 * 32;
  for (int i = 0; i < kGroup; ++i) out->q[i] = s % 2 ? n[i] >> 4 : n[i] & 15;
}
void unpack_q5_k(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group / 8 * 176;
  const int s = static_cast<int>(group % 8);
  unpack_k_scales(block, s, out);
  const uint8_t* high = block + 16;
  const uint8_t* n = block + 48 + s / 2 * 32;
  for (int i = 0; i < kGroup; ++i)
    out->q[i] = static_cast<uint8_t>((s % 2 ? n[i] >> 4 : n[i] & 15) | (high[i] >> s & 1) << 4);
}
// Halves of 128 numbers: 64 bytes of nibbles (numbers 0..63 low, 64..127 high), 32 bytes of pairs of high bits.
void unpack_q6_k(const std::byte* row, int64_t group, StoredGroup* out) {
  const uint8_t* block = bytes_of(row) + group / 8 * 210;
  const int s = static_cast<int>(group % 8), half = s / 4, quarter = s % 4;
  const uint8_t* low = block + 64 * half + 32 * (quarter % 2);
  const uint8_t* high = block + 128 + 32 * half;
  for (int i = 0; i < kGroup; ++i)
    out->q[i] = static_cast<uint8_t>((quarter / 2 ? low[i] >> 4 : low[i] & 15) | (high[i] >> 2 * quarter & 3) << 4);
  out->scale[0] = block[192 + 2 * s];
  out->scale[1] = block[192 + 2 * s + 1];
  out->d = half_at(block + 208);
}

const LayoutInfo kLayoutOf[] = {
    {Layout::f32, "f32", nullptr},      // f32
    {Layout::f16, "f16", nullptr},      // f16
    {Layout::bf16, "bf16", nullptr},    // bf16
    {Layout::i8s, "i8s", unpack_q8_0},  // q8_0
    {Layout::u4s, "u4s", unpack_q4_0},  // q4_0
    {Layout::u4m, "u4m", unpack_q4_1},  // q4_1
    {Layout::u5s, "u5s", unpack_q5_0},  // q5_0
    {Layout::u5m, "u5m", unpack_q5_1},  // q5_1
    {Layout::u4k, "u4k", unpack_q4_k},  // q4_k
    {Layout::u5k, "u5k", unpack_q5_k},  // q5_k
    {Layout::u6k, "u6k", unpack_q6_k},  // q6_k
    {Layout::f8, "f8", nullptr},        // f8_e4m3
};
static_assert(std::size(kLayoutOf) == static_cast<size_t>(StoredType::count));

}  // namespace

const LayoutInfo& layout_of(StoredType type) { return kLayoutOf[static_cast<size_t>(type)]; }

}  // namespace pensee::native
