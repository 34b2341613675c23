// The dot tiles, one table against scalar bit for bit: random stored blocks (also with infinite scales), every layout,
// both kinds of activations, odd numbers of tokens, row blocks and rows, canaries around outputs and quantised
// activations.
#include "kernels/tiles.h"

#include "backends/native/layouts.h"
#include "harness.h"

using namespace pensee;
using namespace pensee::testing;

namespace {

// Row blocks one behind another, of which the last has `rows` rows and the others 16.
struct Blocks {
  std::vector<uint8_t> bytes;
  Layout layout;
  int64_t cols, size;
  int last_rows;

  Blocks(std::mt19937& random, StoredType type, int64_t c, int64_t count, int rows, bool wild)
      : cols(c), last_rows(rows) {
    layout = native::layout_of(type).layout;
    size = native::row_block_bytes(layout, cols);
    bytes.resize(static_cast<size_t>(count * size) + 64);
    for (int64_t b = 0; b < count; ++b) {
      const int has = b + 1 < count ? kTileRows : rows;
      const auto raw = stored_rows(random, type, has, wild);
      native::pack_row_block(type, raw.data(), has, cols, data(b));
    }
  }
  std::vector<std::byte> stored_rows(std::mt19937& random, StoredType type, int rows, bool wild) const {
    const StoredTypeInfo& stored = info(type);
    const size_t block_bytes = static_cast<size_t>(stored.block_bytes);
    std::vector<std::byte> raw(static_cast<size_t>(rows) * row_bytes(type, cols));
    std::vector<float> decoded(static_cast<size_t>(stored.block_elements));
    for (size_t at = 0; at < raw.size(); at += block_bytes) {
      do {
        for (size_t i = 0; i < block_bytes; ++i) raw[at + i] = static_cast<std::byte>(random());
        stored.decode(raw.data() + at, decoded.data(), 1);
      } while (!wild && !std::all_of(decoded.begin(), decoded.end(), [](float v) { return std::abs(v) < 100; }));
    }
    return raw;
  }
  uint8_t* data(int64_t block = 0) {
    return bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64 + block * size;
  }
};

struct Rows {
  std::vector<float> x;
  std::vector<uint8_t> prepared;
  int64_t stride;

  Rows(const Kernels& k, const std::vector<float>& floats, int64_t m, int64_t cols, Layout layout, bool int8)
      : x(floats) {
    stride =
        is_float(layout) ? cols * 4 : cols / kGroup * static_cast<int64_t>(int8 ? sizeof(Group8) : sizeof(Group16));
    if (is_float(layout)) {
      prepared.resize(static_cast<size_t>(m * stride));
      std::memcpy(prepared.data(), x.data(), prepared.size());
      return;
    }
    Walled<uint8_t> room(m * stride, 0);
    for (int64_t i = 0; i < m; ++i) {
      const ByteOrder order = layout == Layout::i8s ? ByteOrder::bytes : ByteOrder::nibbles;
      uint8_t* to = room.data() + i * stride;
      const Start start = start_of(layout, int8 ? k.tiles->byte_offset8 : 0);
      int8 ? k.tiles->shared->quantise8(x.data() + i * cols, cols, order, start, reinterpret_cast<Group8*>(to))
           : k.tiles->shared->quantise16(x.data() + i * cols, cols, start, reinterpret_cast<Group16*>(to));
    }
    CHECK(room.intact());
    prepared.assign(room.data(), room.data() + m * stride);
  }
};

// Outputs [m][those of row blocks `first` to the last], each row between canaries.
std::vector<float> run(const Kernels& k, Blocks& w, int64_t first, int64_t count, const Rows& rows, int64_t m,
                       bool int8) {
  const int64_t outputs = (count - 1) * kTileRows + w.last_rows;
  std::vector<float*> out;
  std::vector<Walled<float>> y(static_cast<size_t>(m), Walled<float>(outputs));
  for (auto& row : y) out.push_back(row.data());
  const uint8_t* at = w.data(first);
  tile_of(*k.tiles, w.layout, int8)({at, at + native::planes_at(w.layout, w.cols), w.size, count, w.cols,
                                     rows.prepared.data(), rows.stride, out.data(), m, w.last_rows});
  std::vector<float> all;
  for (auto& row : y) {
    CHECK(row.intact());
    all.insert(all.end(), row.data(), row.data() + outputs);
  }
  return all;
}

// `starts`: those of int8 activations for i8s are an ISA's own.
bool same_groups(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b, size_t numbers_bytes, bool starts) {
  const size_t size = numbers_bytes + 16;
  for (size_t at = 0; at < a.size(); at += size) {
    float fa[2], fb[2];
    std::memcpy(fa, a.data() + at + numbers_bytes, 8);
    std::memcpy(fb, b.data() + at + numbers_bytes, 8);
    if (std::memcmp(a.data() + at, b.data() + at, numbers_bytes) != 0 || !same_bits(fa[0], fb[0]) ||
        !same_bits(fa[1], fb[1]) ||
        (starts && std::memcmp(a.data() + at + numbers_bytes + 8, b.data() + at + numbers_bytes + 8, 8) != 0))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("tiles: every layout and table agrees with scalar bit for bit") {
  std::mt19937 random(11);
  const Kernels& scalar = **kernels_for("scalar");
  for (int type = 0; type < static_cast<int>(StoredType::count); ++type) {
    const StoredType stored = static_cast<StoredType>(type);
    const int64_t unit = info(stored).block_elements;
    for (int64_t cols : {unit, unit == 1 ? 37 : unit * 3, unit == 1 ? 130 : unit * 2}) {
      for (Temper temper : kTempers) {
        for (int64_t m : {1, 2, 3, 4, 5, 7, 8, 17}) {
          const int last_rows = m % 3 == 1 ? 16 : static_cast<int>(1 + random() % 16);
          constexpr int64_t kBlocks = 5;  // pairs and one that is left
          Blocks w(random, stored, cols, kBlocks, last_rows, temper == Temper::extreme);
          const auto x = numbers(random, m * cols, temper);
          for (bool int8 : {false, true}) {
            const Rows rows(scalar, x, m, cols, w.layout, int8);
            const auto expected = run(scalar, w, 0, kBlocks, rows, m, int8);
            for (const Kernels* k : tables()) {
              INFO(native::layout_of(stored).name << "_tile." << k->isa << (int8 ? ".int8" : ".int16") << ".m" << m
                                                  << "_k" << cols);
              const Rows mine(*k, x, m, cols, w.layout, int8);
              const bool starts = !int8 || w.layout != Layout::i8s;
              if (!is_float(w.layout)) CHECK(same_groups(mine.prepared, rows.prepared, int8 ? 32 : 64, starts));
              for (int64_t count : {1, 2, 5}) {
                const auto got = run(*k, w, kBlocks - count, count, mine, m, int8);
                const int64_t before = (kBlocks - count) * kTileRows, outputs = static_cast<int64_t>(got.size()) / m;
                for (int64_t i = 0; i < m; ++i) {
                  const float* row = expected.data() + i * (before + outputs) + before;
                  CHECK(first_difference(got.data() + i * outputs, row, outputs) == -1);
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("tiles: the largest integers do not overflow") {
  for (int type = 0; type < static_cast<int>(StoredType::count); ++type) {
    const StoredType stored = static_cast<StoredType>(type);
    const Layout layout = native::layout_of(stored).layout;
    if (is_float(layout)) continue;
    const int64_t cols = info(stored).block_elements;
    for (uint8_t fill : {0xff, 0x80, 0x00, 0x7f}) {
      std::vector<std::byte> raw(16 * row_bytes(stored, cols), static_cast<std::byte>(fill));
      std::mt19937 random(1);
      Blocks block(random, stored, cols, 1, 16, true);
      native::pack_row_block(stored, raw.data(), 16, cols, block.data());
      uint8_t* scales = block.data();
      for (int64_t i = 0; i < native::planes_at(layout, cols); i += 2) {  // halves 1.0, byte scales 60
        scales[i] = 0x00;
        scales[i + 1] = 0x3c;
      }
      for (float sign : {1.0f, -1.0f}) {
        const std::vector<float> x(static_cast<size_t>(5 * cols), sign);
        std::vector<float> w(static_cast<size_t>(cols));
        native::unpack_row(layout, block.data(), 3, cols, w.data());
        double expected = 0;
        for (float v : w) expected += sign * static_cast<double>(v);
        for (const Kernels* k : tables()) {
          for (bool int8 : {false, true}) {
            INFO(native::layout_of(stored).name << "." << k->isa << (int8 ? ".int8" : ".int16"));
            const Rows rows(*k, x, 5, cols, layout, int8);
            const auto got = run(*k, block, 0, 1, rows, 5, int8);
            CHECK(std::abs(got[4 * 16 + 3] - expected) <= 1e-6 * std::abs(expected) + 1e-3);
          }
        }
      }
    }
  }
}
