// Packed layouts and the dot tiles that read them. A tile multiplies row blocks (16 output rows, interleaved: each row
// is one 32-bit lane) with any number of activation rows. Integer sums are exact, float sums run group by group
// in the order of K, so a result depends on its row alone and is the same on every ISA.
//
// Quantised layouts: a row block is [scales, padded to 64 bytes][planes]. Planes, for each group of 32 of K:
//
//   u4 u5 u6   4 words of 8 numbers:  word w  = 16 lanes x uint32, nibble p of lane r = low 4 bits of number
//                                     8 w + (p < 4 ? 2 p : 2 (p - 4) + 1) of row r
//   u5 u6      1 or 2 words of high bits: with B = 1 or 2 bits a number and 4 / B words served by each, the bits of
//                                     nibble p of word w stand from bit 16 (p >= 4) + 8 (p & 2) / 2 + 4 (p & 1) + B (w
//                                     mod 4 / B)
//   i8         8 words of 4 numbers:  bytes of lane r = numbers 4 w + (0, 2, 1, 3)
//
// so that masks and shifts inside a 16-bit half leave pairs of neighbours for int16 products, and the same words'
// bytes quadruples for int8 products. Scales, by the layout's last letter (half = IEEE binary16):
//
//   s   per group          half scale[16]                                     w = scale * (q - offset)
//   m   per group          half scale[16], half min[16]                       w = scale * q + min
//   k   per 8 groups       half d[16], half minus_dmin[16], then per group
//                          uint8 scale[16], uint8 min[16]                     w = d * scale * q + minus_dmin * min
//   6k  per 8 groups       half d[16], then per group int8 scale[2][16],      w = d * scale * (q - 32)
//                          one for each half of the group
//
// Float layouts: f32 and f16 are [K][16]; bf16 is [K / 2][16][2], K rounded up to even. f8 is, like the quantised ones,
// [scales][planes]: float scale[16] for each 32 of K, and e4m3 [K][16], read as halves with the same exponent field, so
// that w = (256 scale) * half; the scales stand multiplied.
#pragma once

#include <stdint.h>

namespace pensee {

constexpr int kTileRows = 16;
constexpr int kGroup = 32;       // numbers of K that share an activation scale
constexpr int kSuperGroups = 8;  // groups of a k layout's super-block

enum class Layout : uint8_t { f32, f16, bf16, f8, u4s, u4m, u4k, u5s, u5m, u5k, u6k, i8s, count };
constexpr int kLayouts = static_cast<int>(Layout::count);
constexpr int kFloatLayouts = 4, kQuantisedLayouts = kLayouts - kFloatLayouts;
static constexpr bool is_float(Layout l) { return static_cast<int>(l) < kFloatLayouts; }

// A group of quantised activations, x[i] = scale * q[i]. A group that holds an infinity or NaN has q = 0 and
// scale = NaN; one whose largest magnitude is below 1e-30 counts as zero.
struct Group16 {
  int16_t q[kGroup];
  float scale;
  float scaled_sum;  // scale * sum of q
  int32_t start[2];  // see Start
};
struct Group8 {
  int8_t q[kGroup];  // in the order that the layout's words want: ByteOrder
  float scale;
  float scaled_sum;
  int32_t start[2];
};
// Activations in BF16, two numbers a word; what is behind the last of a row counts only beside a weight of zero.
struct GroupBf16 {
  uint32_t pairs[kGroup / 2];
};
// What the integer sums of a group begin with, so that weights may be multiplied as they are stored: minus the offset
// of the weights times the sum of q. start[0] is of the whole group, or with `halves` of its first half and start[1] of
// its second.
struct Start {
  int offset;
  bool halves;
};
enum class ByteOrder : uint8_t { nibbles, bytes };  // of u4, u5 and u6 layouts; of i8

struct TileArgs {
  const uint8_t* scales;  // where the first row block begins
  const uint8_t* planes;
  int64_t block_bytes;  // from one row block to the next
  int64_t row_blocks;
  int64_t cols;       // K
  const void* x;      // [tokens] float, Group16 or Group8 rows
  int64_t x_stride;   // bytes from one to the next
  float* const* y;    // [tokens] where the outputs of the row blocks go
  int64_t tokens;
  int rows;  // 1..16: outputs that exist, of the last row block
};

// The start that a layout's tile wants.
static constexpr Start start_of(Layout l, int byte_offset) {
  if (l == Layout::u4s) return {8, false};
  if (l == Layout::u5s) return {16, false};
  if (l == Layout::u6k) return {32, true};
  return {l == Layout::i8s ? byte_offset : 0, false};
}

using Tile = void (*)(const TileArgs&);

struct SharedTiles {  // what an ISA's extensions may take from it
  Tile floats[kFloatLayouts];
  Tile with_int16[kQuantisedLayouts];
  void (*quantise16)(const float* x, int64_t cols, Start start, Group16* out);
  void (*quantise8)(const float* x, int64_t cols, ByteOrder order, Start start, Group8* out);
};
// BF16 weights by BF16 activations, where a CPU multiplies such pairs faster than floats.
struct Bf16Tiles {
  Tile tile;
  void (*round)(const float* x, int64_t cols, GroupBf16* out);
};
struct TileTable {
  const SharedTiles* shared;
  const Tile* with_int16;
  Tile with_int8[kQuantisedLayouts];
  int byte_offset8;  // what with_int8 adds to the weights of i8s
  const Bf16Tiles* bf16 = nullptr;
};
static constexpr Tile tile_of(const TileTable& table, Layout l, bool int8) {
  const int i = static_cast<int>(l);
  if (is_float(l)) return table.shared->floats[i];
  return (int8 ? table.with_int8 : table.with_int16)[i - kFloatLayouts];
}

extern const TileTable kScalarTiles;
extern const SharedTiles kAvx2SharedTiles;  // x86-64 builds only
extern const TileTable kAvx2Tiles;         // x86-64 builds only
extern const TileTable kAvx2VnniTiles;     // x86-64 builds only
extern const TileTable kAvx512Tiles;       // x86-64 builds only
extern const Bf16Tiles kAvx512Bf16Tiles;   // x86-64 builds only
extern const TileTable kAvx512AndBf16Tiles;  // x86-64 builds only
extern const SharedTiles kNeonSharedTiles;  // aarch64 builds only
extern const TileTable kNeonTiles;         // aarch64 builds only
extern const TileTable kNeonDotprodTiles;  // aarch64 builds only
extern const TileTable kNeonI8mmTiles;     // aarch64 builds only

}  // namespace pensee
