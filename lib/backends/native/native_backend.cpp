// Packing: rows are read in pieces of a few MB and written into row blocks, several threads at once (a WeightSource's
// read is const and safe to call from many). Sizes come from files and are checked before anything is allocated.
#include "backends/native/native_backend.h"

#include <algorithm>
#include <mutex>
#include <new>

#include "backends/native/layouts.h"
#include "backends/native/native_weight.h"

namespace pensee {
namespace {

using native::NativeWeight;

constexpr int64_t kReadBytes = 2 << 20;

template <class Source>  // a WeightSource or a PackedSource
Status check_shape(const Source& s) {
  const StoredTypeInfo& type = info(s.type);
  constexpr int64_t kMost = int64_t{1} << 31;
  if (s.matrices <= 0 || s.rows <= 0 || s.cols <= 0 || s.matrices > kMost || s.rows > kMost || s.cols > kMost ||
      s.matrices > (int64_t{1} << 42) / s.rows || s.matrices * s.rows > (int64_t{1} << 44) / s.cols)
    return Status::unsupported("{}: {} matrices of {} x {} numbers cannot be packed", s.name, s.matrices, s.rows,
                               s.cols);
  if (s.cols % type.block_elements != 0)
    return Status::unsupported("{}: rows of {} numbers are no whole number of {} blocks of {}", s.name, s.cols,
                               type.name, type.block_elements);
  return Status();
}

// Reads and packs row blocks; keeps the first error.
class Packer {
 public:
  Packer(const WeightSource& source, NativeWeight& weight) : source_(source), weight_(weight) {}

  Status run(ThreadPool& pool) {
    const int64_t row_size = static_cast<int64_t>(row_bytes(source_.type, source_.cols));
    const int64_t blocks = weight_.row_blocks();
    const int64_t together = std::clamp<int64_t>(kReadBytes / (row_size * kTileRows), 1, blocks);
    const int64_t pieces = (blocks + together - 1) / together;
    pool.run(source_.matrices * pieces, [&](int64_t task, int) {
      try {  // a pool's task may not throw, and messages of errors want memory
        keep(pack_piece(task / pieces, task % pieces * together, together, row_size));
      } catch (const std::bad_alloc&) {
        keep(Status(Code::out_of_memory, "out of memory"));
      }
    });
    return std::move(error_);
  }

 private:
  Status pack_piece(int64_t matrix, int64_t first, int64_t together, int64_t row_size) {
    const int64_t first_row = first * kTileRows;
    const int64_t count = std::min(together * kTileRows, source_.rows - first_row);
    const size_t bytes = static_cast<size_t>(count * row_size);
    std::unique_ptr<std::byte[]> rows(new (std::nothrow) std::byte[bytes]);
    if (!rows) return Status::format(Code::out_of_memory, "{}: no memory to read {} bytes", source_.name, bytes);
    PENSEE_TRY(source_.read(matrix * source_.rows + first_row, count, {rows.get(), bytes}));
    for (int64_t r = 0; r < count; r += kTileRows) {
      const int64_t block = matrix * weight_.row_blocks() + (first_row + r) / kTileRows;
      native::pack_row_block(source_.type, rows.get() + r * row_size,
                             static_cast<int>(std::min<int64_t>(kTileRows, count - r)), source_.cols,
                             weight_.memory.data() + block * weight_.block_bytes);
    }
    return Status();
  }
  void keep(Status status) {
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    if (error_.ok()) error_ = std::move(status);
  }

  const WeightSource& source_;
  NativeWeight& weight_;
  std::mutex mutex_;
  Status error_;
};

class NativeBackend final : public Backend {
 public:
  NativeBackend(const TileTable& tiles, Activations activations, bool exact)
      : tiles_(tiles), activations_(activations), exact_(exact) {}
  const char* name() const override { return "native"; }

  Result<std::unique_ptr<PackedWeight>> pack(const WeightSource& source, ThreadPool& pool) const override {
    PENSEE_TRY(check_shape(source));
    PENSEE_ASSIGN(auto weight, shaped(source));
    PENSEE_TRY(allocate(*weight, source.name));
    PENSEE_TRY(Packer(source, *weight).run(pool));
    return std::unique_ptr<PackedWeight>(std::move(weight));
  }

  int packed_layouts() const override { return native::kLayoutsVersion; }

  Result<std::unique_ptr<PackedWeight>> adopt(const PackedSource& source) const override {
    PENSEE_TRY(check_shape(source));
    PENSEE_ASSIGN(auto weight, shaped(source));
    if (source.layout != weight->layout || source.size != weight->bytes) {
      return Status::corrupt("{}: {} bytes of layout {}, where {} x {} x {} numbers of {} take {} of layout {}",
                             source.name, source.size, source.layout, source.matrices, source.rows, source.cols,
                             info(source.type).name, weight->bytes, weight->layout);
    }
    constexpr uintptr_t aligned = 64;
    if (!source.mapped.empty() && reinterpret_cast<uintptr_t>(source.mapped.data()) % aligned == 0) {
      weight->data = reinterpret_cast<const uint8_t*>(source.mapped.data());
      weight->keeper = source.keeper;
      weight->in_file = true;
      return std::unique_ptr<PackedWeight>(std::move(weight));
    }
    PENSEE_TRY(allocate(*weight, source.name));
    PENSEE_TRY(source.read(std::as_writable_bytes(std::span(weight->memory.data(), weight->bytes))));
    return std::unique_ptr<PackedWeight>(std::move(weight));
  }

 private:
  // Without its row blocks.
  template <class Source>
  Result<std::unique_ptr<NativeWeight>> shaped(const Source& source) const {
    auto weight = std::unique_ptr<NativeWeight>(new (std::nothrow) NativeWeight(tiles_, activations_, exact_));
    if (!weight) return Status::format(Code::out_of_memory, "{}: no memory", source.name);
    const native::LayoutInfo& layout = native::layout_of(source.type);
    weight->matrices = source.matrices;
    weight->rows = source.rows;
    weight->cols = source.cols;
    weight->stored = source.type;
    weight->layout = layout.name;
    weight->layout_id = layout.layout;
    weight->block_bytes = native::row_block_bytes(layout.layout, source.cols);
    weight->planes_at = native::planes_at(layout.layout, source.cols);
    weight->bytes = static_cast<uint64_t>(source.matrices * weight->row_blocks() * weight->block_bytes);
    return weight;
  }

  static Status allocate(NativeWeight& weight, const std::string& name) {
    weight.memory = native::Memory(weight.bytes);
    weight.data = weight.memory.data();
    if (weight.data) return Status();
    return Status::format(Code::out_of_memory, "{}: no memory for {} bytes of packed weights", name, weight.bytes);
  }

  const TileTable& tiles_;
  Activations activations_;
  bool exact_;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_native_backend(const BackendOptions& options) {
  const Kernels* kernels = options.kernels;
  if (!kernels) {
    PENSEE_ASSIGN(kernels, kernels_for(""));
  }
  auto backend = std::unique_ptr<Backend>(
      new (std::nothrow) NativeBackend(*kernels->tiles, options.activations, options.exact));
  if (!backend) return Status::format(Code::out_of_memory, "no memory for the native backend");
  return backend;
}

}  // namespace pensee
