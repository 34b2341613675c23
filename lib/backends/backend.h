// What swaps between backends is a packed weight: pack, multiply, multiply_grouped, nothing else. A packed weight is
// [matrices, rows, cols] in a layout of its backend's choice; activations are float rows. native/ keeps the promise
// of identical tokens (house rule 7); onednn/ and blas/ promise closeness only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/scratch.h"
#include "base/status.h"
#include "base/threads.h"
#include "base/view.h"
#include "kernels/kernels.h"
#include "quants/quants.h"

namespace pensee {

// A matrix (or a stack of equal ones, such as experts) still lying in a file.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // Stored rows [first, first + count), counted over all matrices; out.size() == count * row_bytes(type, cols).
  virtual Status read(int64_t first, int64_t count, std::span<std::byte> out) const = 0;
  std::string name;  // for messages
  StoredType type = StoredType::f32;
  int64_t matrices = 1;
  int64_t rows = 0;  // of one matrix: outputs
  int64_t cols = 0;  // inputs
  bool by_row = false;  // only row() will be called: an embedding that is no head
};

// A weight as the backend packed it before, kept in a file.
class PackedSource {
 public:
  virtual ~PackedSource() = default;
  virtual Status read(std::span<std::byte> out) const = 0;  // all `size` bytes
  std::string name;                                         // for messages
  StoredType type = StoredType::f32;
  std::string_view layout;
  int64_t matrices = 1, rows = 0, cols = 0;
  uint64_t size = 0;
  std::span<const std::byte> mapped;   // the same bytes, to be used in place; empty: they are to be read
  std::shared_ptr<const void> keeper;  // of the mapping
};

// What a forward pass computes with; one thread of control owns it.
struct Compute {
  ThreadPool& pool;
  Scratch& scratch;
  const Kernels& kernels;
  int64_t alone_bytes = 0;  // of a matrix, times rows, for which no other thread is woken: see models/slices.h
};

// Which rows meet which matrix. Slot s in [offsets[m], offsets[m+1]) multiplies row rows_in[s] of x with matrix m and
// writes row rows_out[s] of y. Every row of y that is named is written once.
struct Groups {
  const int32_t* offsets;   // [matrices + 1], non-decreasing, from 0
  const int32_t* rows_in;   // [slots]
  const int32_t* rows_out;  // [slots]
};

class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  // y [n, rows] = x [n, cols] * W^T, for matrices == 1.
  virtual void multiply(View x, MutableView y, Compute& compute) const noexcept = 0;
  virtual void multiply_grouped(const Groups& groups, View x, MutableView y, Compute& compute) const noexcept = 0;
  // What the two above take from the scratch at most, for `x_rows` rows of x and `slots` slots.
  virtual size_t scratch_bytes(int64_t x_rows, int64_t slots) const = 0;
  // Row `row`, counted over all matrices, as floats: embeddings; exact where the stored type is a float's.
  virtual void row(int64_t row, float* out) const noexcept = 0;
  // Whether several threads may multiply with it at once, each with a scratch of its own.
  virtual bool many_at_once() const { return false; }
  // All that Backend::adopt needs besides the shape; empty where the backend cannot do that.
  virtual std::span<const std::byte> packed() const { return {}; }
  // Gives copy_bytes back; what is left computes alone. Before the first multiplication.
  virtual void drop_copy() noexcept {}
  // Of the process alone: what a budget counts.
  uint64_t owned_bytes() const { return (in_file ? 0 : bytes) + copy_bytes; }

  int64_t matrices = 1, rows = 0, cols = 0;
  uint64_t bytes = 0;       // that one row of activations reads
  uint64_t copy_bytes = 0;  // of the same numbers packed once more, for many rows
  bool in_file = false;  // used where they lie in a mapped file
  StoredType stored = StoredType::f32;
  std::string_view layout;  // "u4s", "f32": for inspect and bench
};

enum class Activations : uint8_t { int16, int8 };  // how native meets quantised weights: as good as float, or faster

struct Tuning;  // tuned/tuning.h

struct BackendOptions {
  const Kernels* kernels = nullptr;
  Activations activations = Activations::int16;
  bool exact = true;  // false: instructions that round in their own way are welcome where the CPU has them (BF16)
  const Tuning* tuning = nullptr;  // for "auto" with exact off, read while it is made; null: all stays native
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Result<std::unique_ptr<PackedWeight>> pack(const WeightSource& source, ThreadPool& pool) const = 0;
  virtual Result<std::unique_ptr<PackedWeight>> adopt(const PackedSource& source) const;
  virtual int packed_layouts() const { return 0; }  // their version; 0: this backend's weights cannot be kept
  virtual const char* name() const = 0;
};

// "native", "onednn", "blas", "auto"; one that was not built in is UNSUPPORTED and the message says how to get it.
Result<std::unique_ptr<Backend>> make_backend(std::string_view name, const BackendOptions& options);
bool backend_built_in(std::string_view name);

}  // namespace pensee
