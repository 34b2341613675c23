// Writing and reading one row block of a packed layout (kernels/tiles.h draws them).
#include <cstring>

#include "backends/native/layouts.h"

namespace pensee::native {
namespace {

int bits_of(Layout layout) {
  switch (layout) {
    case Layout::u4s:
    case Layout::u4m:
    case Layout::u4k:
      return 4;
    case Layout::u5s:
    case Layout::u5m:
    case Layout::u5k:
      return 5;
    case Layout::u6k:
      return 6;
    default:
      return 8;
  }
}
bool has_k_scales(Layout layout) { return layout == Layout::u4k || layout == Layout::u5k; }
bool has_minima(Layout layout) { return layout == Layout::u4m || layout == Layout::u5m; }
int offset_of(Layout layout) {
  return layout == Layout::u4s ? 8 : layout == Layout::u5s ? 16 : layout == Layout::u6k ? 32 : 0;
}
int64_t plane_bytes(Layout layout) {
  const int bits = bits_of(layout);
  return bits == 8 ? 512 : 256 + 64 * (bits - 4);
}

// Where the scales of a group stand in a row block; at.d is shared by eight groups in k layouts.
struct ScalePlace {
  int64_t d, m, scale, min;
};
ScalePlace scale_place(Layout layout, int64_t group, int r) {
  if (has_k_scales(layout)) {
    const int64_t super = group / kSuperGroups * 320, entry = super + 64 + group % kSuperGroups * 32;
    return {super + 2 * r, super + 32 + 2 * r, entry + r, entry + 16 + r};
  }
  if (layout == Layout::u6k) {
    const int64_t super = group / kSuperGroups * 288;
    return {super + 2 * r, 0, super + 32 + group % kSuperGroups * 32 + r, 0};
  }
  const int64_t size = has_minima(layout) ? 64 : 32;
  return {group * size + 2 * r, group * size + 32 + 2 * r, 0, 0};
}

void put_scales(Layout layout, const StoredGroup& g, const ScalePlace& at, uint8_t* block) {
  std::memcpy(block + at.d, &g.d, 2);
  if (has_minima(layout) || has_k_scales(layout)) std::memcpy(block + at.m, &g.m, 2);
  if (has_k_scales(layout)) {
    block[at.scale] = g.scale[0];
    block[at.min] = g.min;
  }
  if (layout == Layout::u6k) {
    block[at.scale] = g.scale[0];
    block[at.scale + 16] = g.scale[1];
  }
}

StoredGroup get_scales(Layout layout, const ScalePlace& at, const uint8_t* block) {
  StoredGroup g = {};
  std::memcpy(&g.d, block + at.d, 2);
  if (has_minima(layout) || has_k_scales(layout)) std::memcpy(&g.m, block + at.m, 2);
  if (has_k_scales(layout)) {
    g.scale[0] = block[at.scale];
    g.min = block[at.min];
  }
  if (layout == Layout::u6k) {
    g.scale[0] = block[at.scale];
    g.scale[1] = block[at.scale + 16];
  }
  return g;
}

// Nibble of number i of a word, and the bit where its high bits stand in the word that serves word w.
constexpr int nibble_of(int i) { return i / 2 + 4 * (i % 2); }
constexpr int high_bit_of(int p, int high, int w) {
  return 16 * (p / 4) + 8 * (p % 4 / 2) + 4 * (p % 2) + high * (w % (4 / high));
}
constexpr int kByteOf[4] = {0, 2, 1, 3};

template <int kBits>
void put_numbers(const uint8_t* q, int r, uint8_t* planes) {
  if constexpr (kBits == 8) {
    for (int i = 0; i < kGroup; ++i) planes[64 * (i / 4) + 4 * r + kByteOf[i % 4]] = q[i];
  } else {
    constexpr int kHigh = kBits - 4;
    uint32_t high_words[2] = {0, 0};
    for (int w = 0; w < 4; ++w) {
      uint32_t word = 0;
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const int p = nibble_of(i);
        word |= static_cast<uint32_t>(q[8 * w + i] & 15) << (4 * p);
        if constexpr (kHigh > 0) {
          high_words[w * kHigh / 4] |= static_cast<uint32_t>(q[8 * w + i] >> 4) << high_bit_of(p, kHigh, w);
        }
      }
      std::memcpy(planes + 64 * w + 4 * r, &word, 4);
    }
    for (int h = 0; h < kHigh; ++h) std::memcpy(planes + 256 + 64 * h + 4 * r, &high_words[h], 4);
  }
}
using PutNumbers = void (*)(const uint8_t* q, int r, uint8_t* planes);
PutNumbers put_numbers_of(int bits) {
  return bits == 4 ? put_numbers<4> : bits == 5 ? put_numbers<5> : bits == 6 ? put_numbers<6> : put_numbers<8>;
}

void get_numbers(int bits, const uint8_t* planes, int r, uint8_t* q) {
  if (bits == 8) {
    for (int i = 0; i < kGroup; ++i) q[i] = planes[64 * (i / 4) + 4 * r + kByteOf[i % 4]];
    return;
  }
  const int high = bits - 4;
  for (int w = 0; w < 4; ++w) {
    uint32_t word, high_word = 0;
    std::memcpy(&word, planes + 64 * w + 4 * r, 4);
    if (high) std::memcpy(&high_word, planes + 256 + 64 * (w * high / 4) + 4 * r, 4);
    for (int i = 0; i < 8; ++i) {
      const int p = nibble_of(i);
      uint32_t number = word >> (4 * p) & 15;
      if (high) number |= (high_word >> high_bit_of(p, high, w) & ((1u << high) - 1)) << 4;
      q[8 * w + i] = static_cast<uint8_t>(number);
    }
  }
}

// Where number k of row r stands in a float row block, counted in numbers.
int64_t float_place(Layout layout, int64_t k, int r) {
  return layout == Layout::bf16 ? k / 2 * 32 + 2 * r + k % 2 : k * kTileRows + r;
}

template <class Number>
void pack_numbers(Layout layout, const std::byte* rows, int count, int64_t cols, uint8_t* block) {
  for (int64_t k = 0; k < cols; ++k) {
    for (int r = 0; r < count; ++r) {
      std::memcpy(block + float_place(layout, k, r) * static_cast<int64_t>(sizeof(Number)),
                  rows + (r * cols + k) * static_cast<int64_t>(sizeof(Number)), sizeof(Number));
    }
  }
}

// Stored blocks of a float scale and 32 numbers. A number that is NaN makes its group NaN: read as a half it has a
// value.
void pack_e4m3(const std::byte* rows, int count, int64_t cols, uint8_t* block) {
  const int64_t stride = static_cast<int64_t>(row_bytes(StoredType::f8_e4m3, cols));
  uint8_t* planes = block + planes_at(Layout::f8, cols);
  for (int64_t g = 0; g < cols / kGroup; ++g) {
    for (int r = 0; r < count; ++r) {
      const std::byte* stored = rows + r * stride + g * 36;
      float scale;
      std::memcpy(&scale, stored, sizeof scale);
      scale *= 256.0f;
      for (int i = 0; i < kGroup; ++i) {
        const auto number = static_cast<uint8_t>(stored[4 + i]);
        if ((number & 0x7F) == 0x7F) scale = e4m3_to_float(number);
        planes[(g * kGroup + i) * kTileRows + r] = number;
      }
      std::memcpy(block + (g * kTileRows + r) * 4, &scale, sizeof scale);
    }
  }
}

float e4m3_at(const uint8_t* block, int64_t k, int r, int64_t cols) {
  const uint8_t number = block[planes_at(Layout::f8, cols) + k * kTileRows + r];
  float scale;
  std::memcpy(&scale, block + (k / kGroup * kTileRows + r) * 4, sizeof scale);
  return half_to_float(static_cast<uint16_t>((number & 0x80) << 8 | (number & 0x7F) << 7)) * scale;
}

float float_at(Layout layout, const uint8_t* block, int64_t place) {
  if (layout == Layout::f32) {
    float x;
    std::memcpy(&x, block + place * 4, 4);
    return x;
  }
  uint16_t bits;
  std::memcpy(&bits, block + place * 2, 2);
  return layout == Layout::f16 ? half_to_float(bits) : bfloat_to_float(bits);
}

float value(Layout layout, const StoredGroup& g, int i) {
  const float d = half_to_float(g.d), q = static_cast<float>(g.q[i]);
  if (layout == Layout::i8s) return d * static_cast<float>(static_cast<int8_t>(g.q[i]));
  if (has_minima(layout)) return d * q + half_to_float(g.m);
  if (has_k_scales(layout))
    return d * static_cast<float>(g.scale[0]) * q + half_to_float(g.m) * static_cast<float>(g.min);
  const float centred = static_cast<float>(g.q[i] - offset_of(layout));
  return layout == Layout::u6k ? d * static_cast<float>(static_cast<int8_t>(g.scale[i / 16])) * centred : d * centred;
}

}  // namespace

int64_t planes_at(Layout layout, int64_t cols) {
  const int64_t groups = cols / kGroup;
  if (layout == Layout::f8) return groups * kTileRows * 4;
  if (is_float(layout)) return 0;
  int64_t bytes = groups * (has_minima(layout) ? 64 : 32);
  if (has_k_scales(layout)) bytes = groups / kSuperGroups * 320;
  if (layout == Layout::u6k) bytes = groups / kSuperGroups * 288;
  return (bytes + 63) / 64 * 64;
}

int64_t row_block_bytes(Layout layout, int64_t cols) {
  if (layout == Layout::f32) return cols * kTileRows * 4;
  if (layout == Layout::f16) return (cols * kTileRows * 2 + 63) / 64 * 64;
  if (layout == Layout::bf16) return (cols + 1) / 2 * kTileRows * 4;
  if (layout == Layout::f8) return planes_at(layout, cols) + cols * kTileRows;
  return planes_at(layout, cols) + cols / kGroup * plane_bytes(layout);
}

void pack_row_block(StoredType type, const std::byte* rows, int count, int64_t cols, uint8_t* block) {
  const LayoutInfo& target = layout_of(type);
  std::memset(block, 0, static_cast<size_t>(row_block_bytes(target.layout, cols)));
  if (target.layout == Layout::f32) return pack_numbers<float>(target.layout, rows, count, cols, block);
  if (target.layout == Layout::f8) return pack_e4m3(rows, count, cols, block);
  if (is_float(target.layout)) return pack_numbers<uint16_t>(target.layout, rows, count, cols, block);
  const int64_t stride = static_cast<int64_t>(row_bytes(type, cols));
  const PutNumbers put = put_numbers_of(bits_of(target.layout));
  uint8_t* planes = block + planes_at(target.layout, cols);
  for (int64_t g = 0; g < cols / kGroup; ++g) {
    for (int r = 0; r < count; ++r) {
      StoredGroup group;
      target.unpack(rows + r * stride, g, &group);
      put_scales(target.layout, group, scale_place(target.layout, g, r), block);
      put(group.q, r, planes + g * plane_bytes(target.layout));
    }
  }
}

void unpack_row(Layout layout, const uint8_t* block, int r, int64_t cols, float* out) {
  if (layout == Layout::f8) {
    for (int64_t k = 0; k < cols; ++k) out[k] = e4m3_at(block, k, r, cols);
    return;
  }
  if (is_float(layout)) {
    for (int64_t k = 0; k < cols; ++k) out[k] = float_at(layout, block, float_place(layout, k, r));
    return;
  }
  const uint8_t* planes = block + planes_at(layout, cols);
  for (int64_t g = 0; g < cols / kGroup; ++g) {
    StoredGroup group = get_scales(layout, scale_place(layout, g, r), block);
    get_numbers(bits_of(layout), planes + g * plane_bytes(layout), r, group.q);
    for (int i = 0; i < kGroup; ++i) out[g * kGroup + i] = value(layout, group, i);
  }
}

}  // namespace pensee::native
