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
constexpr int64_t kTasksPerThread = 4;  // of one block's segments
constexpr int64_t kJoinsAThread = 64;   // fewer joins (segments x queries) than this are not worth a second thread

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

// Buffers of one task: workspace_floats.
struct Workspace {
  float* rotated;  // [key_dim]
  std::byte* q;    // [queries], as to_query makes them
  float* scores;   // [queries, kPagePositions]
  float* max;      // [queries] of the segment, then sum and acc
  float* sum;
  float* acc;
  int32_t* from;
  int32_t* to;
};

// A query takes no more than floats do, but for fillings and scales: query_bytes.
int64_t query_floats(int64_t key_dim) { return key_dim + 16; }

int64_t state_floats(int64_t value_dim) { return kBlockQueries * (value_dim + 2); }
int64_t workspace_floats(int64_t key_dim, int64_t value_dim) {
  return key_dim + kBlockQueries * (query_floats(key_dim) + kPagePositions + 2) + state_floats(value_dim);
}

Workspace workspace_at(float* at, int64_t key_dim) {
  Workspace w;
  w.rotated = at;
  w.q = reinterpret_cast<std::byte*>(at + key_dim);
  w.scores = at + key_dim + kBlockQueries * query_floats(key_dim);
  w.from = reinterpret_cast<int32_t*>(w.scores + kBlockQueries * kPagePositions);
  w.to = w.from + kBlockQueries;
  w.max = reinterpret_cast<float*>(w.to + kBlockQueries);
  w.sum = w.max + kBlockQueries;
  w.acc = w.sum + kBlockQueries;
  return w;
}

void clear_state(float* max, float* sum, float* acc, int64_t queries, int64_t value_dim) {
  std::fill_n(max, queries, -std::numeric_limits<float>::infinity());
  std::fill_n(sum, queries, 0.0f);
  std::fill_n(acc, queries * value_dim, 0.0f);
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
    const int64_t work_floats = workspace_floats(a_.key_dim, a_.value_dim) + state_floats(a_.value_dim);
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

  // Folds the pages of segment `segment` into the workspace's state, which is cleared first.
  void segment(const Block& b, int32_t segment, const Workspace& w, float* max, float* sum, float* acc) const {
    const CacheLayer& layer = layer_of(b);
    const int32_t queries = b.rows * b.heads;
    clear_state(max, sum, acc, queries, a_.value_dim);
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
    args.max = max;
    args.sum = sum;
    args.acc = acc;
    args.scores = w.scores;
    const int32_t end = std::min((segment + 1) * kSegmentPositions, positions_of(b));
    for (int32_t at = segment * kSegmentPositions; at < end; at += kPagePositions) {
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

  // Joins a segment's state into the total of queries [first, end).
  void join(float* total, const float* max, const float* sum, const float* acc, int32_t first, int32_t end) const {
    float* total_acc = total + 2 * kBlockQueries;
    for (int32_t i = first; i < end; ++i) {
      pass_.kernels().attend_join(total + i, total + kBlockQueries + i, total_acc + int64_t{i} * a_.value_dim, max[i],
                                  sum[i], acc + int64_t{i} * a_.value_dim, a_.value_dim);
    }
  }

  void write(const Block& b, const float* total, int32_t first, int32_t end) const {
    const float* acc = total + 2 * kBlockQueries;
    const bool rotated = is_quantised(layer_of(b).value_rows.type);
    for (int32_t i = first; i < end; ++i) {
      const int32_t head = b.kv_head * cut_.group + b.first_head + i % b.heads;
      float* out = a_.out.row(b.run->first_row + b.first_row + i / b.heads) + int64_t{head} * a_.value_dim;
      const float inverse = 1.0f / total[kBlockQueries + i];
      for (int32_t d = 0; d < a_.value_dim; ++d) out[d] = acc[int64_t{i} * a_.value_dim + d] * inverse;
      if (rotated) pass_.kernels().rotate(out, a_.value_dim);
    }
  }

  void whole_block(const Block& b, float* work) const {
    const Workspace w = workspace_at(work, a_.key_dim);
    float* total = work + workspace_floats(a_.key_dim, a_.value_dim);
    const int32_t queries = b.rows * b.heads;
    gather(b, w);
    clear_state(total, total + kBlockQueries, total + 2 * kBlockQueries, queries, a_.value_dim);
    for (int32_t s = 0; s * kSegmentPositions < positions_of(b); ++s) {
      segment(b, s, w, w.max, w.sum, w.acc);
      join(total, w.max, w.sum, w.acc, 0, queries);
    }
    write(b, total, 0, queries);
  }

  // The segments of one block over all threads, neighbours together, since each fetches ahead of the next; then joined
  // in order, queries over all threads.
  void split_block(const Block& b, float* work, int64_t work_floats) const {
    Scratch::Scope scope(pass_.scratch());
    ThreadPool& pool = pass_.compute.pool;
    const int64_t segments = (positions_of(b) + kSegmentPositions - 1) / kSegmentPositions;
    const int32_t queries = b.rows * b.heads;
    const int64_t floats = queries * (a_.value_dim + 2);
    float* states = pass_.scratch().take<float>(segments * floats);
    const Workspace first = workspace_at(work, a_.key_dim);
    gather(b, first);
    const int64_t together = std::max<int64_t>(1, segments / (kTasksPerThread * pool.threads()));
    pool.run((segments + together - 1) / together, [&](int64_t task, int worker) {
      Workspace w = workspace_at(work + worker * work_floats, a_.key_dim);
      w.q = first.q;
      for (int64_t s = task * together; s < std::min(segments, (task + 1) * together); ++s) {
        float* state = states + s * floats;
        segment(b, static_cast<int32_t>(s), w, state, state + queries, state + 2 * queries);
      }
    });
    float* total = work + workspace_floats(a_.key_dim, a_.value_dim);
    clear_state(total, total + kBlockQueries, total + 2 * kBlockQueries, queries, a_.value_dim);
    const int32_t parts = segments * queries < kJoinsAThread ? 1 : std::min(queries, pool.threads());
    pool.run(parts, [&](int64_t part, int) {
      const auto from = static_cast<int32_t>(part * queries / parts);
      const auto to = static_cast<int32_t>((part + 1) * queries / parts);
      for (int64_t s = 0; s < segments; ++s) {
        const float* state = states + s * floats;
        join(total, state, state + queries, state + 2 * queries, from, to);
      }
      write(b, total, from, to);
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
  const int64_t segments = (context + kSegmentPositions - 1) / kSegmentPositions + 1;
  const int64_t work = (workspace_floats(key_dim, value_dim) + state_floats(value_dim)) * threads;
  const int64_t queries = std::min<int64_t>(kBlockQueries, num_heads * tokens);
  const int64_t states = segments * queries * (value_dim + 2);
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
