// Dot tiles in plain C++, for any CPU: numbers are fetched one by one as tiles.h draws them.
// clang-format off
#include "kernels/generic/vec_scalar.h"
// clang-format on

namespace {
constexpr int kFloatBlocks = 1, kFloatTokens = 1;
constexpr int kIntBlocks = 1, kIntTokens = 1;
constexpr int kByteOffset8 = 0;
}  // namespace

#include "kernels/tiles/tile.h"

namespace {

// Number i of a group, row r.
template <int kBits>
inline int number(const uint8_t* planes, int i, int r) {
  uint32_t word;
  if constexpr (kBits == 8) {
    const int kByte[4] = {0, 2, 1, 3};
    return static_cast<int8_t>(planes[64 * (i / 4) + 4 * r + kByte[i % 4]]);
  }
  const int w = i / 8, p = i % 8 / 2 + 4 * (i % 2);
  memcpy(&word, planes + 64 * w + 4 * r, 4);
  const int low = static_cast<int>(word >> (4 * p) & 15);
  if constexpr (kBits == 4) return low;
  constexpr int kHigh = kBits - 4, kServed = 4 / (kHigh ? kHigh : 1);
  memcpy(&word, planes + 256 + 64 * (w / kServed) + 4 * r, 4);
  const int bit = 16 * (p / 4) + 8 * (p % 4 / 2) + 4 * (p % 2) + kHigh * (w % kServed);
  return low + 16 * static_cast<int>(word >> bit & ((1u << kHigh) - 1));
}

// Where number i of a group stands in an activation group.
inline int place(const Group16*, int, int i) { return i; }
inline int place(const Group8*, int bits, int i) {
  if (bits == 8) return i / 4 * 4 + (i % 4 == 1 ? 2 : i % 4 == 2 ? 1 : i % 4);
  const int p = i % 8 / 2 + 4 * (i % 2);
  return i / 8 * 8 + 4 * (p % 2) + p / 2;
}

template <class Group, int kBits, int B, int T, int kPart>
[[gnu::always_inline]] inline void dot(const uint8_t* planes, int64_t, const RowsOf<Group, T>& x, I (*sums)[T]) {
  static_assert(B == 1 && T == 1);
  constexpr int kNumbers = kGroup / parts<kBits>();
  const Group& group = x[0];
  for (int r = 0; r < 16; ++r) {
    int32_t sum = group.start[kPart];
    for (int i = kNumbers * kPart; i < kNumbers * (kPart + 1); ++i) {
      sum += number<kBits>(planes, i, r) * group.q[place(&group, kBits, i)];
    }
    sums[0][0].v[r] = sum;
  }
}

constexpr SharedTiles kShared = PENSEE_SHARED_TILES;

}  // namespace

namespace pensee {
const TileTable kScalarTiles = {&kShared, kShared.with_int16, PENSEE_TILES(Group8), kByteOffset8};
}  // namespace pensee
