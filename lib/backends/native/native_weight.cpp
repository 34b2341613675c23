#include "backends/native/native_weight.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "backends/native/layouts.h"

namespace pensee::native {
namespace {

constexpr uint64_t kHugePage = 2 << 20;
// Rows of activations that one pass over a chunk of row blocks takes: what stays in a core's L2 beside the weights.
constexpr int64_t kRowsBytes = 192 << 10;
constexpr int64_t kRowsAtOnce = 96;
// Row blocks that one task takes for these rows, so that rows read from L3 meet several row blocks.
constexpr int64_t kTasksPerThread = 6;

}  // namespace

Memory::Memory(uint64_t bytes) {
  const uint64_t align = bytes >= 2 * kHugePage ? kHugePage : 64;
  if (bytes > SIZE_MAX - align) return;
  void* data = nullptr;
  if (posix_memalign(&data, align, std::max<uint64_t>(bytes, 1)) != 0) return;
  data_ = static_cast<uint8_t*>(data);
#ifdef MADV_HUGEPAGE
  // A wish: failure changes nothing. Not for the rest behind them: half a huge page a weight would be wasted.
  if (align == kHugePage) madvise(data_, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
}

struct NativeWeight::Rows {
  const std::byte* data;
  int64_t stride;  // bytes
  Rows from(int64_t row) const { return {data + row * stride, stride}; }
};

namespace {

// Whether the rows of each group lie at one distance from another, as those of a head do, or of an expert's own slots.
bool evenly_spaced(const Groups& groups, int64_t matrices) {
  for (int64_t m = 0; m < matrices; ++m) {
    for (int64_t s = groups.offsets[m] + 2; s < groups.offsets[m + 1]; ++s) {
      const int32_t* in = groups.rows_in + s;
      if (in[0] - in[-1] != in[-1] - in[-2]) return false;
    }
  }
  return true;
}

}  // namespace

int64_t NativeWeight::row_bytes_prepared() const {
  if (takes_floats()) return cols * 4;
  if (takes_bf16()) return (cols + kGroup - 1) / kGroup * static_cast<int64_t>(sizeof(GroupBf16));
  return cols / kGroup * static_cast<int64_t>(activations_ == Activations::int16 ? sizeof(Group16) : sizeof(Group8));
}

size_t NativeWeight::scratch_bytes(int64_t x_rows, int64_t slots) const {
  const size_t touched = Scratch::rounded(static_cast<size_t>(matrices) * sizeof(int32_t));
  const size_t sorted = matrices > 1 ? Scratch::rounded(static_cast<size_t>(slots * row_bytes_prepared())) : 0;
  if (takes_floats()) return touched + sorted;
  return touched + sorted + Scratch::rounded(static_cast<size_t>(std::min(x_rows, slots) * row_bytes_prepared()));
}

// Takes from the scratch; the caller's scope gives it back. `ids` names the rows of x, else they are the first.
NativeWeight::Rows NativeWeight::prepare(View x, const int32_t* ids, int64_t rows_of_x,
                                         Compute& compute) const noexcept {
  if (takes_floats()) return {reinterpret_cast<const std::byte*>(x.data), x.stride * 4};
  const int64_t stride = row_bytes_prepared();
  std::byte* prepared = compute.scratch.take<std::byte>(rows_of_x * stride);
  const bool wide = activations_ == Activations::int16;
  const Start start = start_of(layout_id, wide ? 0 : tiles_.byte_offset8);
  const ByteOrder order = layout_id == Layout::i8s ? ByteOrder::bytes : ByteOrder::nibbles;
  const auto quantise = [&](int64_t r) {
    std::byte* out = prepared + r * stride;
    const float* in = x.row(ids ? ids[r] : r);
    if (takes_bf16()) return tiles_.bf16->round(in, cols, reinterpret_cast<GroupBf16*>(out));
    if (wide) return tiles_.shared->quantise16(in, cols, start, reinterpret_cast<Group16*>(out));
    tiles_.shared->quantise8(in, cols, order, start, reinterpret_cast<Group8*>(out));
  };
  // A task of 8192 numbers takes about 2 microseconds; for few rows waking others would cost more than they save.
  const bool alone = rows_of_x * cols < 32768;
  const int64_t together = std::max<int64_t>(alone ? rows_of_x : 8192 / cols, 1);
  compute.pool.run((rows_of_x + together - 1) / together, [&](int64_t task, int) {
    for (int64_t r = task * together; r < std::min((task + 1) * together, rows_of_x); ++r) quantise(r);
  });
  return {prepared, stride};
}

// A copy of the row of each slot, one behind another.
NativeWeight::Rows NativeWeight::by_slot(const Groups& groups, const Rows& prepared, Compute& compute) const noexcept {
  const int64_t slots = groups.offsets[matrices], size = row_bytes_prepared();
  std::byte* sorted = compute.scratch.take<std::byte>(slots * size);
  constexpr int64_t kTogether = 32;
  compute.pool.run((slots + kTogether - 1) / kTogether, [&](int64_t task, int) {
    for (int64_t s = task * kTogether; s < std::min((task + 1) * kTogether, slots); ++s) {
      std::memcpy(sorted + s * size, prepared.from(groups.rows_in[s]).data, static_cast<size_t>(size));
    }
  });
  return {sorted, size};
}

void NativeWeight::row_blocks_of(int64_t matrix, int64_t block, int64_t last, const Rows& x, float** y,
                                 int64_t tokens) const noexcept {
  const uint8_t* at = data + (matrix * row_blocks() + block) * block_bytes;
  const int left = static_cast<int>(std::min<int64_t>(rows - (last - 1) * kTileRows, kTileRows));
  const Tile tile = takes_bf16() ? tiles_.bf16->tile
                                 : tile_of(tiles_, layout_id, activations_ == Activations::int8);
  tile({at, at + planes_at, block_bytes, last - block, cols, x.data, x.stride, y, tokens, left});
}

// Enough tasks that threads end together, but no more than that: a task reads at least 32 KB where it can, as memory
// gets going anew with each. With more rows than go over it at once it should stay in L2.
int64_t NativeWeight::blocks_at_once(int64_t matrices_used, int64_t most_rows, int threads) const {
  const int64_t tasks = threads * kTasksPerThread;
  const int64_t even = std::max<int64_t>(matrices_used * row_blocks() / tasks, 1);
  const int64_t small = std::max<int64_t>((32 << 10) / block_bytes, 1);
  const int64_t large = std::max<int64_t>((most_rows > kRowsAtOnce ? 256 << 10 : 1 << 20) / block_bytes, 1);
  const int64_t blocks =
      std::min({std::max(even, small), std::max<int64_t>(row_blocks() / std::max(threads, 1), 1), large});
  return (blocks + 1) / 2 * 2;  // none is left without another
}

void NativeWeight::multiply(View x, MutableView y, Compute& compute) const noexcept {
  PENSEE_DCHECK(matrices == 1 && x.cols == cols && y.cols == rows && x.rows == y.rows);
  Scratch::Scope scope(compute.scratch);
  const Rows prepared = prepare(x, nullptr, x.rows, compute);
  const int threads = compute.pool.threads();
  const int64_t blocks = row_blocks();
  const bool alone = blocks * block_bytes * x.rows < compute.alone_bytes;
  const int64_t together = alone ? blocks : blocks_at_once(1, x.rows, threads);
  const int64_t chunks = (blocks + together - 1) / together;
  const int64_t at_once = std::clamp<int64_t>(kRowsBytes / row_bytes_prepared() / 12 * 12, 12, kRowsAtOnce);
  // With few row blocks the rows are dealt out as well.
  const int64_t wanted = std::max<int64_t>(2 * threads / chunks, 1);
  const int64_t spans = std::clamp<int64_t>(x.rows / at_once, 1, wanted);
  const auto span_begin = [&](int64_t span) { return span == spans ? x.rows : x.rows * span / spans / 12 * 12; };
  compute.pool.run(chunks * spans, [&](int64_t task, int) {
    const int64_t first = task / spans * together, last = std::min(first + together, blocks);
    const int64_t end = span_begin(task % spans + 1);
    float* out[kRowsAtOnce];
    for (int64_t m = span_begin(task % spans); m < end; m += at_once) {
      const int64_t count = std::min(at_once, end - m);
      for (int64_t i = 0; i < count; ++i) out[i] = y.row(m + i) + first * kTileRows;
      row_blocks_of(0, first, last, prepared.from(m), out, count);
    }
  });
}

void NativeWeight::multiply_grouped(const Groups& groups, View x, MutableView y, Compute& compute) const noexcept {
  PENSEE_DCHECK(x.cols == cols && y.cols == rows);
  Scratch::Scope scope(compute.scratch);
  int32_t* touched = compute.scratch.take<int32_t>(matrices);
  int64_t used = 0;
  for (int64_t m = 0; m < matrices; ++m)
    if (groups.offsets[m + 1] > groups.offsets[m]) touched[used++] = static_cast<int32_t>(m);
  if (used == 0) return;
  // The fullest first: what is dealt last should be short.
  std::sort(touched, touched + used, [&](int32_t a, int32_t b) {
    const int32_t la = groups.offsets[a + 1] - groups.offsets[a], lb = groups.offsets[b + 1] - groups.offsets[b];
    return la != lb ? la > lb : a < b;
  });
  const int64_t slots = groups.offsets[matrices];
  const bool few = slots < x.rows && !takes_floats();  // not all rows of x are met
  const Rows prepared = prepare(x, few ? groups.rows_in : nullptr, few ? slots : x.rows, compute);
  const bool spaced = !few && evenly_spaced(groups, matrices);
  const Rows sorted = few ? prepared : spaced ? Rows{} : by_slot(groups, prepared, compute);
  const int64_t most_rows = groups.offsets[touched[0] + 1] - groups.offsets[touched[0]];
  const int64_t together = blocks_at_once(used, most_rows, compute.pool.threads()), blocks = row_blocks();
  const int64_t chunks = (blocks + together - 1) / together;
  const int64_t at_once = std::clamp<int64_t>(kRowsBytes / row_bytes_prepared() / 12 * 12, 12, kRowsAtOnce);
  auto run_task = [&](int64_t task, int) {
    const int32_t matrix = touched[task / chunks];
    const int64_t first = task % chunks * together, last = std::min(first + together, blocks);
    float* out[kRowsAtOnce];
    const int64_t end = groups.offsets[matrix + 1];
    for (int64_t s = groups.offsets[matrix]; s < end; s += at_once) {
      const int64_t count = std::min(at_once, end - s);
      Rows in = spaced ? prepared.from(groups.rows_in[s]) : sorted.from(s);
      if (spaced && count > 1) in.stride *= groups.rows_in[s + 1] - groups.rows_in[s];
      for (int64_t i = 0; i < count; ++i) out[i] = y.row(groups.rows_out[s + i]) + first * kTileRows;
      row_blocks_of(matrix, first, last, in, out, count);
    }
  };
  if (slots * blocks * block_bytes >= compute.alone_bytes) return compute.pool.run(used * chunks, run_task);
  for (int64_t task = 0; task < used * chunks; ++task) run_task(task, 0);
}

void NativeWeight::row(int64_t r, float* out) const noexcept {
  PENSEE_DCHECK(r >= 0 && r < matrices * rows);
  const int64_t matrix = r / rows, in_matrix = r % rows;
  const uint8_t* at = data + (matrix * row_blocks() + in_matrix / kTileRows) * block_bytes;
  unpack_row(layout_id, at, static_cast<int>(in_matrix % kTileRows), cols, out);
}

}  // namespace pensee::native
