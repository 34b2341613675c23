// Dot tiles in plain C++, for any CPU: numbers are fetched one by one as tiles.h draws them.
// clang-format off
#include "kernels/generic/vec_scalar.h"
// clang-format on

namespace {
constexpr int kFloatTokens = 4;
constexpr int kIntTokens = 4;
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

template <class Group, int kBits, int T, int kPart>
inline void dot(const uint8_t* planes, const RowsOf<Group, T>& x, I* sums) {
  constexpr int kNumbers = kGroup / parts<kBits>();
  for (int t = 0; t < T; ++t) {
    const Group& group = x[t];
    for (int r = 0; r < 16; ++r) {
      int32_t sum = group.start[kPart];
      for (int i = kNumbers * kPart; i < kNumbers * (kPart + 1); ++i) {
        sum += number<kBits>(planes, i, r) * group.q[place(&group, kBits, i)];
      }
      sums[t].v[r] = sum;
    }
  }
}

}  // namespace

namespace pensee {
const TileTable kScalarTiles = PENSEE_TILE_TABLE;
}  // namespace pensee
