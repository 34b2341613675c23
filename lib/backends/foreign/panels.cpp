// The cutting of a multiplication into tasks, shared by the backends that call foreign libraries.
#include "backends/foreign/panels.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

namespace pensee {
namespace {

// Narrow panels give every thread something to do for one token; wide ones cost fewer calls for large matrices.
int64_t choose_panel_rows(int64_t rows) {
  constexpr int64_t kNarrow = 128, kWide = 256, kPanelsWanted = 32;
  const int64_t even = (rows / kPanelsWanted + kNarrow - 1) / kNarrow * kNarrow;
  return std::clamp(even, kNarrow, kWide);
}

// Which matrices have rows at all, and where their slots lie.
struct Active {
  int32_t* matrices;
  int64_t count = 0;
};

}  // namespace

PanelWeight::PanelWeight(const WeightSource& source, int lanes) : lanes_(lanes) {
  matrices = source.matrices;
  rows = source.rows;
  cols = source.cols;
  stored = source.type;
  panel_rows = choose_panel_rows(rows);
}

Panel PanelWeight::panel(int64_t matrix, int64_t index) const {
  const int64_t first = index * panel_rows;
  return Panel{matrix, index, first, std::min(panel_rows, rows - first)};
}

size_t PanelWeight::scratch_bytes(int64_t x_rows, int64_t slots) const {
  const auto n = static_cast<size_t>(std::max(x_rows, slots) + kChunkRows);
  const size_t gathered = Scratch::rounded(n * static_cast<size_t>(cols) * activation_bytes());
  const size_t out = Scratch::rounded(static_cast<size_t>(kChunkRows * panel_rows) * sizeof(float));
  const size_t active = Scratch::rounded(static_cast<size_t>(matrices) * sizeof(int32_t));
  return gathered + active + static_cast<size_t>(lanes_) * (out + Scratch::rounded(lane_bytes()));
}

void PanelWeight::multiply(View x, MutableView y, Compute& compute) const noexcept {
  PENSEE_DCHECK(matrices == 1 && x.cols == cols && y.cols == rows && x.rows == y.rows && x.rows <= INT32_MAX);
  const int32_t offsets[2] = {0, static_cast<int32_t>(x.rows)};
  run(Groups{offsets, nullptr, nullptr}, x.rows, x, y, compute);
}

void PanelWeight::multiply_grouped(const Groups& groups, View x, MutableView y, Compute& compute) const noexcept {
  PENSEE_DCHECK(x.cols == cols && y.cols == rows);
  run(groups, groups.offsets[matrices], x, y, compute);
}

// groups.rows_in and rows_out may be null here: slot s is then row s.
void PanelWeight::run(const Groups& groups, int64_t slots, View x, MutableView y, Compute& compute) const noexcept {
  if (slots == 0) return;
  Scratch::Scope scope(compute.scratch);
  const size_t row_size = static_cast<size_t>(cols) * activation_bytes();
  auto* gathered = compute.scratch.take<std::byte>((slots + kChunkRows) * static_cast<int64_t>(row_size));
  compute.pool.run(slots, [&](int64_t slot, int) {
    const int64_t row = groups.rows_in ? groups.rows_in[slot] : slot;
    gather_row(x.row(row), gathered + static_cast<size_t>(slot) * row_size);
  });
  std::memset(gathered + static_cast<size_t>(slots) * row_size, 0, static_cast<size_t>(kChunkRows) * row_size);

  Active active{compute.scratch.take<int32_t>(matrices)};
  for (int64_t m = 0; m < matrices; ++m)
    if (groups.offsets[m + 1] > groups.offsets[m]) active.matrices[active.count++] = static_cast<int32_t>(m);

  const int64_t tasks = active.count * panels();
  const int64_t lanes = std::min<int64_t>({lanes_, compute.pool.threads(), tasks});
  const int64_t out_floats = kChunkRows * panel_rows;
  float* outs = compute.scratch.take<float>(lanes * out_floats);
  const auto lane_size = static_cast<int64_t>(Scratch::rounded(lane_bytes()));
  auto* lane_scratch = compute.scratch.take<std::byte>(lanes * lane_size);
  std::atomic<int64_t> next{0};
  compute.pool.run(lanes, [&](int64_t lane, int) {
    float* out = outs + lane * out_floats;
    std::byte* room = lane_scratch + lane * lane_size;
    for (int64_t task = next++; task < tasks; task = next++) {
      const Panel p = panel(active.matrices[task / panels()], task % panels());
      prepare_panel(p, room);
      const int64_t end = groups.offsets[p.matrix + 1];
      for (int64_t slot = groups.offsets[p.matrix]; slot < end; slot += kChunkRows) {
        const int64_t n = std::min(kChunkRows, end - slot);
        multiply_panel(p, gathered + static_cast<size_t>(slot) * row_size, n, out, room);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t row = groups.rows_out ? groups.rows_out[slot + i] : slot + i;
          std::copy_n(out + i * p.count, p.count, y.row(row) + p.first);
        }
      }
    }
  });
}

Status check_source(const WeightSource& source) {
  const StoredTypeInfo& type = info(source.type);
  if (source.matrices > 0 && source.rows > 0 && source.cols > 0 && source.matrices <= INT32_MAX &&
      source.cols % type.block_elements == 0) {
    return Status();
  }
  return Status::unsupported("{}: {} matrices of {} rows and {} columns are no weight of {} blocks", source.name,
                             source.matrices, source.rows, source.cols, type.name);
}

Status read_panels(const WeightSource& source, int64_t panel_rows, ThreadPool& pool, PanelWork work, void* user) {
  const int64_t panels = (source.rows + panel_rows - 1) / panel_rows;
  const int64_t tasks = panels * source.matrices;
  const int64_t lanes = std::min<int64_t>(pool.threads(), tasks);
  const uint64_t stored_row = row_bytes(source.type, source.cols);
  const auto lane_size = static_cast<uint64_t>(panel_rows) * stored_row;
  AlignedBytes buffers;  // before the pool runs: a task has no way to fail for want of memory
  PENSEE_TRY(buffers.allocate(lane_size * static_cast<uint64_t>(lanes), source.name));
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  Status first_error;
  pool.run(lanes, [&](int64_t lane, int) {
    std::byte* buffer = buffers.data() + static_cast<uint64_t>(lane) * lane_size;
    for (int64_t task = next++; task < tasks && !failed; task = next++) {
      const int64_t first = task % panels * panel_rows;
      const int64_t count = std::min(panel_rows, source.rows - first);
      const std::span<std::byte> stored(buffer, static_cast<uint64_t>(count) * stored_row);
      Status status;
      try {  // a pool's task may not throw, and messages of errors want memory
        status = source.read(task / panels * source.rows + first, count, stored);
        if (status.ok()) status = work(user, task, stored, static_cast<int>(lane));
      } catch (const std::bad_alloc&) {
        status = Status(Code::out_of_memory, "");
      }
      if (status.ok()) continue;
      std::lock_guard lock(mutex);
      if (first_error.ok()) first_error = std::move(status);
      failed = true;
    }
  });
  return first_error;
}

Status AlignedBytes::allocate(uint64_t bytes, std::string_view what) {
  reset();
  data_ = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(Scratch::kAlign), std::nothrow));
  if (!data_) return Status::format(Code::out_of_memory, "{}: no memory for {} bytes", what, bytes);
  size_ = bytes;
  return Status();
}

void AlignedBytes::reset() {
  if (data_) ::operator delete(data_, std::align_val_t(Scratch::kAlign));
  data_ = nullptr;
  size_ = 0;
}

}  // namespace pensee
