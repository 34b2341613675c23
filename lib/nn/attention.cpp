// The loop over the cache. Work is cut into blocks: some query rows of one run against one key-value head. Within a
// block, chunks of one page are folded into the state of their segment, and segments are joined in order: that order
// is the same whether one thread does all of it or many share the segments, so the bits are the same too.
#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace pensee {
namespace {

constexpr int32_t kBlockQueries = 64;  // query vectors (rows x heads) that one block holds at most
constexpr int64_t kJoinsAThread = 64;   // fewer joins (segments x queries) than this are not worth a second thread

// Where segments begin. From 8192 on they grow with the depth, an eighth to a sixteenth of it: many threads can share
// them, and few states are joined.
constexpr int64_t kShort = 512, kShortOnes = 16;
int64_t segment_start(int64_t i) {
  if (i < kShortOnes) return i * kShort;
  const int64_t doublings = (i - kShortOnes) / 8, rest = (i - kShortOnes) % 8;
  return (kShort * kShortOnes + rest * 2 * kShort) << doublings;
}
int64_t segments_in(int64_t positions) {
  int64_t count = 0;
  while (segment_start(count) < positions) ++count;
  return count;
}

struct Block {
  const Run* run;
  int32_t kv_head;
  int32_t first_head;  // among the heads that share kv_head
  int32_t heads;
  int32_t first_row;  // within the run
  int32_t rows;
};

// How a run is cut: independent of thread count, so that its results are.
struct Cut {
  int32_t group;  // heads that share one key-value head
  int32_t heads;  // of them in one block
  int32_t rows;   // of a run in one block
  int32_t head_blocks;

  Cut(int32_t num_heads, int32_t kv_heads) : group(num_heads / kv_heads) {
    heads = std::min(group, kBlockQueries);
    rows = std::max(1, kBlockQueries / heads);
    head_blocks = (group + heads - 1) / heads;
  }
  int64_t blocks_of(const Run& run, int32_t kv_heads) const {
    return int64_t{(run.rows + rows - 1) / rows} * kv_heads * head_blocks;
  }
};

// A running softmax: [queries] of max and sum, acc [queries, value_dim].
struct State {
  float* max;
  float* sum;
  float* acc;
};
int64_t state_floats(int64_t queries, int64_t value_dim) { return queries * (value_dim + 2); }
State state_at(float* at, int64_t queries) { return {at, at + queries, at + 2 * queries}; }

void clear(const State& s, int64_t queries, int64_t value_dim) {
  std::fill_n(s.max, queries, -std::numeric_limits<float>::infinity());
  std::fill_n(s.sum, queries, 0.0f);
  std::fill_n(s.acc, queries * value_dim, 0.0f);
}

// Buffers of one task.
struct Workspace {
  float* rotated;  // [key_dim]
  std::byte* q;    // [queries], as to_query makes them
  float* scores;   // [queries, kPagePositions]
  int32_t* from;
  int32_t* to;
  State segment, total;
};

// A query takes no more than floats do, but for fillings and scales: query_bytes.
int64_t query_floats(int64_t key_dim) { return key_dim + 16; }

int64_t workspace_floats(int64_t key_dim, int64_t value_dim) {
  return key_dim + kBlockQueries * (query_floats(key_dim) + kPagePositions + 2) +
         2 * state_floats(kBlockQueries, value_dim);
}

Workspace workspace_at(float* at, int64_t key_dim, int64_t value_dim) {
  Workspace w;
  w.rotated = at;
  w.q = reinterpret_cast<std::byte*>(at + key_dim);
  w.scores = at + key_dim + kBlockQueries * query_floats(key_dim);
  w.from = reinterpret_cast<int32_t*>(w.scores + kBlockQueries * kPagePositions);
  w.to = w.from + kBlockQueries;
  float* states = reinterpret_cast<float*>(w.to + kBlockQueries);
  w.segment = state_at(states, kBlockQueries);
  w.total = state_at(states + state_floats(kBlockQueries, value_dim), kBlockQueries);
  return w;
}

// Quantised rows are kept rotated (kernels/table.h: rotate), a latent and what follows it each for itself.
void rotate_key(const Kernels& kernels, const CacheLayer& layer, float* key) {
  kernels.rotate(key, layer.latent_dim);
  kernels.rotate(key + layer.latent_dim, layer.key_dim - layer.latent_dim);
}

class CacheLoop {
 public:
  CacheLoop(const CacheAttention& a, const Pass& pass)
      : a_(a), pass_(pass), cut_(a.num_heads, heads_of(a, pass)), kv_heads_(heads_of(a, pass)) {}

  void run() {
    Scratch::Scope scope(pass_.scratch());
    const int threads = pass_.compute.pool.threads();
    int64_t blocks = 0;
    for (const Run& r : pass_.batch.runs) blocks += cut_.blocks_of(r, kv_heads_);
    const int64_t work_floats = workspace_floats(a_.key_dim, a_.value_dim);
    float* work = pass_.scratch().take<float>(work_floats * threads);
    if (threads == 1 || blocks >= 2 * threads) {
      pass_.compute.pool.run(blocks,
                             [&](int64_t i, int worker) { whole_block(block_at(i), work + worker * work_floats); });
      return;
    }
    for (int64_t i = 0; i < blocks; ++i) split_block(block_at(i), work, work_floats);
  }

 private:
  static int32_t heads_of(const CacheAttention& a, const Pass& pass) {
    return pass.batch.runs.front().sequence->shape().layers[static_cast<size_t>(a.layer)].heads;
  }

  Block block_at(int64_t index) const {
    for (const Run& run : pass_.batch.runs) {
      const int64_t count = cut_.blocks_of(run, kv_heads_);
      if (index >= count) {
        index -= count;
        continue;
      }
      Block b;
      b.run = &run;
      b.first_head = static_cast<int32_t>(index % cut_.head_blocks) * cut_.heads;
      b.heads = std::min(cut_.heads, cut_.group - b.first_head);
      index /= cut_.head_blocks;
      b.kv_head = static_cast<int32_t>(index % kv_heads_);
      b.first_row = static_cast<int32_t>(index / kv_heads_) * cut_.rows;
      b.rows = std::min(cut_.rows, run.rows - b.first_row);
      return b;
    }
    return Block();
  }

  int32_t positions_of(const Block& b) const { return b.run->first_position + b.first_row + b.rows; }

  const CacheShape& shape_of(const Block& b) const { return b.run->sequence->shape(); }
  const CacheLayer& layer_of(const Block& b) const { return shape_of(b).layers[static_cast<size_t>(a_.layer)]; }

  void gather(const Block& b, const Workspace& w) const {
    const CacheLayer& layer = layer_of(b);
    const int64_t size = query_bytes(layer.key_rows);
    for (int32_t i = 0; i < b.rows * b.heads; ++i) {
      const int32_t head = b.kv_head * cut_.group + b.first_head + i % b.heads;
      const float* q = a_.q.row(b.run->first_row + b.first_row + i / b.heads) + int64_t{head} * a_.key_dim;
      if (is_quantised(layer.key_rows.type)) {
        std::copy_n(q, a_.key_dim, w.rotated);
        rotate_key(pass_.kernels(), layer, w.rotated);
        q = w.rotated;
      }
      pass_.kernels().to_query(q, w.q + i * size, layer.key_rows);
    }
  }

  // The state of a segment's pages.
  void segment(const Block& b, int64_t segment, const Workspace& w, const State& state) const {
    const CacheLayer& layer = layer_of(b);
    const int32_t queries = b.rows * b.heads;
    clear(state, queries, a_.value_dim);
    AttendArgs args = {};
    args.q = w.q;
    args.q_stride = query_bytes(layer.key_rows);
    args.num_q = queries;
    args.value_dim = a_.value_dim;
    args.scale = a_.scale;
    args.key_rows = layer.key_rows;
    args.value_rows = layer.value_rows;
    args.from = w.from;
    args.to = w.to;
    args.max = state.max;
    args.sum = state.sum;
    args.acc = state.acc;
    args.scores = w.scores;
    const int32_t end = static_cast<int32_t>(std::min<int64_t>(segment_start(segment + 1), positions_of(b)));
    for (int32_t at = static_cast<int32_t>(segment_start(segment)); at < end; at += kPagePositions) {
      const std::byte* page = b.run->sequence->page(at / kPagePositions);
      args.keys = page + layer.key_offset + b.kv_head * layer.key_block;
      args.values = page + layer.value_offset + b.kv_head * layer.value_block;
      args.positions = std::min(kPagePositions, positions_of(b) - at);
      const bool last = at + kPagePositions >= positions_of(b);
      const std::byte* next = last ? nullptr : b.run->sequence->page(at / kPagePositions + 1);
      const auto in_next = [&](const void* p) {
        return next ? next + (static_cast<const std::byte*>(p) - page) : nullptr;
      };
      args.next_values = in_next(args.values);
      args.next_keys = in_next(args.keys);
      for (int32_t i = 0; i < queries; ++i) {
        w.from[i] = 0;
        w.to[i] = std::clamp(b.run->first_position + b.first_row + i / b.heads + 1 - at, 0, args.positions);
      }
      pass_.kernels().attend(args);
    }
  }

  // Joins a later state into `total`, of queries [first, end).
  void join(const State& total, const State& later, int64_t first, int64_t end) const {
    for (int64_t i = first; i < end; ++i) {
      pass_.kernels().attend_join(total.max + i, total.sum + i, total.acc + i * a_.value_dim, later.max[i],
                                  later.sum[i], later.acc + i * a_.value_dim, a_.value_dim);
    }
  }

  void write(const Block& b, const State& total, int64_t first, int64_t end) const {
    const bool rotated = is_quantised(layer_of(b).value_rows.type);
    for (int64_t i = first; i < end; ++i) {
      const int64_t head = b.kv_head * cut_.group + b.first_head + i % b.heads;
      float* out = a_.out.row(b.run->first_row + b.first_row + i / b.heads) + head * a_.value_dim;
      const float inverse = 1.0f / total.sum[i];
      for (int32_t d = 0; d < a_.value_dim; ++d) out[d] = total.acc[i * a_.value_dim + d] * inverse;
      if (rotated) pass_.kernels().rotate(out, a_.value_dim);
    }
  }

  void whole_block(const Block& b, float* work) const {
    const Workspace w = workspace_at(work, a_.key_dim, a_.value_dim);
    const int64_t segments = segments_in(positions_of(b)), queries = b.rows * b.heads;
    gather(b, w);
    segment(b, 0, w, w.total);
    for (int64_t s = 1; s < segments; ++s) {
      segment(b, s, w, w.segment);
      join(w.total, w.segment, 0, queries);
    }
    write(b, w.total, 0, queries);
  }

  // The segments of one block over all threads, long ones first; then they are joined, queries over all threads.
  void split_block(const Block& b, float* work, int64_t work_floats) const {
    Scratch::Scope scope(pass_.scratch());
    ThreadPool& pool = pass_.compute.pool;
    const int64_t segments = segments_in(positions_of(b)), queries = b.rows * b.heads;
    const int64_t size = state_floats(queries, a_.value_dim);
    float* states = pass_.scratch().take<float>(segments * size);
    const auto state_of = [&](int64_t s) { return state_at(states + s * size, queries); };
    const Workspace mine = workspace_at(work, a_.key_dim, a_.value_dim);
    gather(b, mine);
    pool.run(segments, [&](int64_t task, int worker) {
      Workspace w = workspace_at(work + worker * work_floats, a_.key_dim, a_.value_dim);
      w.q = mine.q;
      segment(b, segments - 1 - task, w, state_of(segments - 1 - task));
    });
    const int64_t parts = segments * queries < kJoinsAThread ? 1 : std::min<int64_t>(queries, pool.threads());
    pool.run(parts, [&](int64_t part, int) {
      const int64_t from = part * queries / parts, to = (part + 1) * queries / parts;
      for (int64_t s = 1; s < segments; ++s) join(state_of(0), state_of(s), from, to);
      write(b, state_of(0), from, to);
    });
  }

  const CacheAttention& a_;
  const Pass& pass_;
  Cut cut_;
  int32_t kv_heads_;
};

}  // namespace

void attend_cache(const CacheAttention& a, const Pass& pass) noexcept { CacheLoop(a, pass).run(); }

size_t attend_cache_scratch_bytes(int64_t num_heads, int64_t key_dim, int64_t value_dim, int64_t tokens,
                                  int64_t context, int threads) {
  const int64_t work = workspace_floats(key_dim, value_dim) * threads;
  const int64_t states =
      segments_in(context) * state_floats(std::min<int64_t>(kBlockQueries, num_heads * tokens), value_dim);
  return Scratch::rounded(static_cast<size_t>(work) * sizeof(float)) +
         Scratch::rounded(static_cast<size_t>(states) * sizeof(float));
}

void append_cache(View keys, View values, int32_t layer_index, const Pass& pass) noexcept {
  Scratch::Scope scope(pass.scratch());
  const Kernels& kernels = pass.kernels();
  const CacheShape& shape = pass.batch.runs.front().sequence->shape();
  const CacheLayer& layer = shape.layers[static_cast<size_t>(layer_index)];
  float* rotated = pass.scratch().take<float>(std::max(layer.key_dim, layer.value_dim));
  for (const Run& run : pass.batch.runs) {
    const auto key = [&](const float* x, std::byte* block, int64_t slot) {
      if (is_quantised(shape.key_type)) {
        rotate_key(kernels, layer, std::copy_n(x, layer.key_dim, rotated) - layer.key_dim);
        x = rotated;
      }
      kernels.to_cache(x, block, slot, layer.key_rows);
    };
    const auto value = [&](const float* x, std::byte* block, int64_t slot) {
      if (is_quantised(shape.value_type)) {
        kernels.rotate(std::copy_n(x, layer.value_dim, rotated) - layer.value_dim, layer.value_dim);
        x = rotated;
      }
      kernels.to_cache(x, block, slot, layer.value_rows);
    };
    for (int32_t i = 0; i < run.rows; ++i) {
      const int64_t position = run.first_position + i, row = run.first_row + i;
      std::byte* page = run.sequence->page(position / kPagePositions);
      const int64_t slot = position % kPagePositions;
      for (int64_t head = 0; head < layer.heads; ++head) {
        key(keys.row(row) + head * layer.key_dim, page + layer.key_offset + head * layer.key_block, slot);
        if (!values.data) continue;
        value(values.row(row) + head * layer.value_dim, page + layer.value_offset + head * layer.value_block, slot);
      }
    }
  }
  if (pass.batch.appended) pass.batch.appended(pass.batch.appended_user, layer_index);
}

}  // namespace pensee
