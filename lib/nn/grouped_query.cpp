// Grouped-query attention: q, k and v in one projection, k and v into the cache, heads in groups against it.
#include <algorithm>

#include "nn/attention.h"

namespace pensee {

MutableView attend(const GroupedQuery& a, View h, const Pass& pass) noexcept {
  const int64_t q_dim = int64_t{a.num_heads} * a.head_dim;
  const int64_t kv_dim = int64_t{a.num_kv_heads} * a.head_dim;
  MutableView result = pass.scratch().matrix(h.rows, a.out.rows);
  Scratch::Scope scope(pass.scratch());

  MutableView qkv = project(a.qkv, h, pass.compute);
  const int64_t rotated_heads = a.num_heads + a.num_kv_heads;  // q, then k
  for_rows(pass.compute, h.rows, rotated_heads * a.head_dim, [&](int64_t r) {
    for (int64_t head = 0; head < rotated_heads; ++head) {
      pass.kernels().rope(qkv.row(r) + head * a.head_dim, pass.rope_cos.row(r), pass.rope_sin.row(r),
                          2 * pass.rope_cos.cols, a.rope_interleaved);
    }
  });
  append_cache(qkv.columns(q_dim, kv_dim), qkv.columns(q_dim + kv_dim, kv_dim), a.layer, pass);

  MutableView mixed = pass.scratch().matrix(h.rows, q_dim);
  CacheAttention over_cache = {qkv.columns(0, q_dim), mixed, a.num_heads, a.head_dim, a.head_dim, a.layer, a.scale};
  attend_cache(over_cache, pass);
  multiply(a.out, mixed, result, pass.compute);
  return result;
}

size_t scratch_bytes(const GroupedQuery& a, int64_t tokens) {
  const auto floats = static_cast<size_t>(tokens * (a.out.rows + a.qkv.rows + a.out.cols));
  return floats * sizeof(float) + 3 * Scratch::kAlign +
         std::max(a.qkv.scratch_bytes(tokens, tokens), a.out.scratch_bytes(tokens, tokens));
}

}  // namespace pensee
