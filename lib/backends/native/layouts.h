// From stored types to packed layouts and back. kernels/tiles.h draws the layouts; here is which stored type goes into
// which, how large it gets, and how one row block of 16 rows is written and one row read back. Packing moves numbers,
// it never rounds: every scale and every integer of the file survives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/tiles.h"
#include "quants/quants.h"

namespace pensee::native {

// Of all layouts together, in packed files: whoever changes one, as kernels/tiles.h draws it or in its size, raises it.
// Every ISA reads the same layouts.
constexpr int kLayoutsVersion = 1;

// A group of 32 numbers of one row, taken out of its stored block.
//   layout s   x = half(d) * (q - offset)         m   x = half(d) * q + half(m)
//   layout k   x = half(d) * scale[0] * q + half(m) * min, d and m shared by eight groups
//   layout 6k  x = half(d) * int8(scale[i / 16]) * (q - 32)
struct StoredGroup {
  uint8_t q[kGroup];
  uint16_t d;
  uint16_t m;
  uint8_t scale[2];
  uint8_t min;
};

struct LayoutInfo {
  Layout layout;
  std::string_view name;
  // Group `group` of a stored row; nullptr for float layouts.
  void (*unpack)(const std::byte* row, int64_t group, StoredGroup* out);
};

const LayoutInfo& layout_of(StoredType type);

// Bytes of a row block: its scales, then its planes (of which `planes_at` says where they begin).
int64_t planes_at(Layout layout, int64_t cols);
int64_t row_block_bytes(Layout layout, int64_t cols);

// Packs `count` <= 16 stored rows; missing rows become zeros.
void pack_row_block(StoredType type, const std::byte* rows, int count, int64_t cols, uint8_t* block);
// Row r (0..15) of a row block as floats.
void unpack_row(Layout layout, const uint8_t* block, int r, int64_t cols, float* out);

}  // namespace pensee::native
