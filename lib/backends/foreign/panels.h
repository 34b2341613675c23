// How onednn/ and blas/ cut a multiplication: every matrix into panels of output rows, one task a panel, each task on
// one thread of our own pool with the library's own threading off. What a library computes is then one call
//
//     out [n, count] = x [n, cols] * panel^T [cols, count]         count: the panel's output rows
//
// for at most kChunkRows rows of x at a time. The rows that meet one matrix are gathered first, so the library sees
// them contiguous; its results land in a lane's buffer and are scattered to their places in y.
//
// Panels depend on the shape of the weight alone, never on the number of threads. Scratch does depend on it: a weight
// takes at most as many lanes as the pool had threads when it was packed.
#pragma once

#include "backends/backend.h"

namespace pensee {

struct Panel {
  int64_t matrix = 0;
  int64_t index = 0;  // among the panels of its matrix
  int64_t first = 0;  // output row within the matrix
  int64_t count = 0;  // output rows
};

class PanelWeight : public PackedWeight {
 public:
  void multiply(View x, MutableView y, Compute& compute) const noexcept final;
  void multiply_grouped(const Groups& groups, View x, MutableView y, Compute& compute) const noexcept final;
  size_t scratch_bytes(int64_t x_rows, int64_t slots) const final;

  static constexpr int64_t kChunkRows = 128;

 protected:
  // Copies name-independent facts of the source and cuts the matrices; lanes = threads of the pool.
  PanelWeight(const WeightSource& source, int lanes);

  // n <= kChunkRows rows of gathered x (see gather_row), kChunkRows - n more may be read but not used; out has room
  // for kChunkRows rows of panel.count floats. `lane` is lane_bytes() of scratch.
  virtual void multiply_panel(const Panel& panel, const std::byte* x, int64_t n, float* out,
                              std::byte* lane) const noexcept = 0;
  // Work of a panel that is the same for all its chunks (decoding); the result stays in `lane`.
  virtual void prepare_panel(const Panel& panel, std::byte* lane) const noexcept = 0;
  // One row of x as the library wants it, cols * activation_bytes() bytes.
  virtual void gather_row(const float* x, std::byte* out) const noexcept = 0;
  virtual size_t activation_bytes() const noexcept = 0;
  virtual size_t lane_bytes() const noexcept = 0;

  int64_t panels() const { return (rows + panel_rows - 1) / panel_rows; }  // of one matrix
  Panel panel(int64_t matrix, int64_t index) const;
  Panel panel_of(int64_t number) const { return panel(number / panels(), number % panels()); }  // over all matrices
  int lanes() const { return lanes_; }

  int64_t panel_rows = 0;

 private:
  void run(const Groups& groups, int64_t slots, View x, MutableView y, Compute& compute) const noexcept;
  int lanes_ = 1;
};

// Refuses shapes that no backend could cut: nothing in them, or rows that are no whole number of blocks.
Status check_source(const WeightSource& source);

// Calls work(panel, stored rows of the panel) for every panel of every matrix on the pool, and returns the first
// error. Each lane owns one buffer of `panel_rows` stored rows.
using PanelWork = Status (*)(void* user, int64_t number, std::span<const std::byte> stored, int lane);
Status read_panels(const WeightSource& source, int64_t panel_rows, ThreadPool& pool, PanelWork work, void* user);

// A block of memory aligned for every instruction set, freed with its owner; absence is a value.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  ~AlignedBytes() { reset(); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  Status allocate(uint64_t bytes, std::string_view what);
  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

 private:
  void reset();
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace pensee
