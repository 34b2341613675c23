// A packed weight of the native backend: row blocks of 16 rows, one after another, matrix after matrix. A multiply
// quantises its rows of activations once (quantised layouts), then deals row blocks to the threads; which thread and
// which chunk a row falls into never shows in its bits.
#pragma once

#include <cstdlib>

#include "backends/backend.h"
#include "kernels/tiles.h"

namespace pensee::native {

// Memory on a 64-byte boundary; large ones on huge pages where the system has them. Null when there is none.
class Memory {
 public:
  Memory() = default;
  explicit Memory(uint64_t bytes);
  ~Memory() { std::free(data_); }
  Memory(Memory&& other) noexcept : data_(other.data_) { other.data_ = nullptr; }
  Memory& operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_ = nullptr;
};

class NativeWeight final : public PackedWeight {
 public:
  // exact false: BF16 weights meet BF16 activations where the CPU multiplies those faster.
  NativeWeight(const TileTable& tiles, Activations activations, bool exact)
      : tiles_(tiles), activations_(activations), exact_(exact) {}

  void multiply(View x, MutableView y, Compute& compute) const noexcept override;
  void multiply_grouped(const Groups& groups, View x, MutableView y, Compute& compute) const noexcept override;
  size_t scratch_bytes(int64_t x_rows, int64_t slots) const override;
  void row(int64_t row, float* out) const noexcept override;

  bool many_at_once() const override { return true; }

  std::span<const std::byte> packed() const override {
    return {reinterpret_cast<const std::byte*>(data), static_cast<size_t>(bytes)};
  }

  int64_t row_blocks() const { return (rows + kTileRows - 1) / kTileRows; }  // of one matrix

  Layout layout_id = Layout::f32;
  int64_t block_bytes = 0;  // of a row block
  int64_t planes_at = 0;
  const uint8_t* data = nullptr;  // in memory, or in a file that `keeper` keeps mapped
  Memory memory;
  std::shared_ptr<const void> keeper;

 private:
  struct Rows;  // activation rows as the tiles want them
  Rows prepare(View x, const int32_t* ids, int64_t rows_of_x, Compute& compute) const noexcept;
  Rows by_slot(const Groups& groups, const Rows& prepared, Compute& compute) const noexcept;
  // Row blocks [block, last), whose first output of each row of x is y[row].
  void row_blocks_of(int64_t matrix, int64_t block, int64_t last, const Rows& x, float** y,
                     int64_t tokens) const noexcept;
  int64_t row_bytes_prepared() const;
  int64_t blocks_at_once(int64_t matrices_used, int64_t most_rows, int threads) const;

  bool takes_bf16() const { return layout_id == Layout::bf16 && !exact_ && tiles_.bf16; }
  bool takes_floats() const { return is_float(layout_id) && !takes_bf16(); }

  const TileTable& tiles_;
  Activations activations_;
  bool exact_;
};

}  // namespace pensee::native
