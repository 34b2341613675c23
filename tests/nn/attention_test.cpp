// The loop over the cache: however its work is cut, the bits are the same; and they are those of softmax(q k) v as
// computed in double precision.
#include "nn/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace pensee;

namespace {

struct Dims {
  int32_t heads, kv_heads, key_dim, value_dim;
  bool latent;  // the value lies inside the key row
};
constexpr Dims kGrouped = {4, 2, 16, 24, false};
constexpr Dims kLatent = {5, 1, 20, 12, true};
constexpr Dims kManyHeads = {70, 1, 8, 8, false};  // more than one block of queries for a key-value head

// A cache filled with random rows, which are kept beside it as plain numbers.
class Filled {
 public:
  Filled(const Dims& dims, int64_t context, CacheType type) : Filled(dims, context, type, type, 1) {}
  // `odd`: how much larger than the others one number of each key is.
  Filled(const Dims& dims, int64_t context, CacheType key_type, CacheType value_type, float odd)
      : dims_(dims), sequence_(shape_, budget_) {
    shape_.key_type = key_type;
    shape_.value_type = value_type;
    shape_.layers.resize(2);  // layer 0 is another's
    for (CacheLayer& layer : shape_.layers) {
      layer.heads = dims.kv_heads;
      layer.key_dim = dims.key_dim;
      layer.value_dim = dims.latent ? 0 : dims.value_dim;
      layer.latent_dim = dims.latent ? dims.value_dim : 0;
    }
    shape_.layout();
    std::mt19937 random(static_cast<uint32_t>(context));
    std::normal_distribution<float> normal(0, 1);
    const auto fill = [&](std::vector<float>& v, int64_t count) {
      v.resize(static_cast<size_t>(count));
      for (float& x : v) x = normal(random);
    };
    fill(keys, context * dims.kv_heads * dims.key_dim);
    if (!dims.latent) fill(values, context * dims.kv_heads * dims.value_dim);
    fill(queries, context * dims.heads * dims.key_dim);
    for (size_t i = 3; i < keys.size(); i += static_cast<size_t>(dims.key_dim)) keys[i] *= odd;
    for (size_t i = 3; i < queries.size(); i += static_cast<size_t>(dims.key_dim)) queries[i] /= odd;
    append(context);
  }

  // The last `rows` positions ask, cut into runs of a batch of one sequence.
  std::vector<float> attend(int64_t rows, int threads) {
    auto pool = ThreadPool::create(threads);
    REQUIRE(pool.ok());
    const int64_t context = sequence_.length();
    std::vector<float> out(static_cast<size_t>(rows * dims_.heads * dims_.value_dim));
    const Run run = {&sequence_, 0, static_cast<int32_t>(rows), static_cast<int32_t>(context - rows)};
    const std::vector<int32_t> ids(static_cast<size_t>(rows));
    Scratch scratch;
    const size_t bytes =
        attend_cache_scratch_bytes(dims_.heads, dims_.key_dim, dims_.value_dim, rows, context, threads);
    REQUIRE(scratch.reserve(bytes).ok());
    Batch batch;
    batch.runs = std::span(&run, 1);
    batch.token_ids = ids;
    Compute compute = {**pool, scratch, **kernels_for("")};
    const Pass pass = {batch, compute, {}, {}};
    CacheAttention a;
    a.q = View(query(context - rows), rows, int64_t{dims_.heads} * dims_.key_dim);
    a.out = MutableView(out.data(), rows, int64_t{dims_.heads} * dims_.value_dim);
    a.num_heads = dims_.heads;
    a.key_dim = dims_.key_dim;
    a.value_dim = dims_.value_dim;
    a.layer = 1;
    a.scale = kScale;
    attend_cache(a, pass);
    CHECK(scratch.peak() <= bytes);
    return out;
  }

  std::vector<double> plain(int64_t rows) const {
    std::vector<double> out;
    const int64_t context = sequence_.length();
    for (int64_t position = context - rows; position < context; ++position) {
      for (int32_t head = 0; head < dims_.heads; ++head) {
        const int64_t kv = head / (dims_.heads / dims_.kv_heads);
        const float* q = query(position) + int64_t{head} * dims_.key_dim;
        double sum = 0;
        std::vector<double> mixed(static_cast<size_t>(dims_.value_dim));
        for (int64_t p = 0; p <= position; ++p) {
          const float* k = keys.data() + (p * dims_.kv_heads + kv) * dims_.key_dim;
          const float* v = dims_.latent ? k : values.data() + (p * dims_.kv_heads + kv) * dims_.value_dim;
          double score = 0;
          for (int32_t d = 0; d < dims_.key_dim; ++d) score += static_cast<double>(q[d]) * static_cast<double>(k[d]);
          const double weight = std::exp(score * static_cast<double>(kScale));
          sum += weight;
          for (size_t d = 0; d < mixed.size(); ++d) mixed[d] += weight * static_cast<double>(v[d]);
        }
        for (const double m : mixed) out.push_back(m / sum);
      }
    }
    return out;
  }

 private:
  static constexpr float kScale = 0.3f;
  const float* query(int64_t position) const { return queries.data() + position * dims_.heads * dims_.key_dim; }

  void append(int64_t context) {
    REQUIRE(sequence_.reserve(context).ok());
    auto pool = ThreadPool::create(1);
    Scratch scratch;
    REQUIRE(scratch.reserve(4 * static_cast<size_t>(dims_.key_dim + dims_.value_dim) + Scratch::kAlign).ok());
    const Run run = {&sequence_, 0, static_cast<int32_t>(context), 0};
    Batch batch;
    batch.runs = std::span(&run, 1);
    Compute compute = {**pool, scratch, **kernels_for("")};
    const Pass pass = {batch, compute, {}, {}};
    const View key_rows(keys.data(), context, int64_t{dims_.kv_heads} * dims_.key_dim);
    const View value_rows(values.data(), context, int64_t{dims_.kv_heads} * dims_.value_dim);
    append_cache(key_rows, dims_.latent ? View() : value_rows, 1, pass);
    sequence_.set_length(context);
  }

  Dims dims_;
  CacheShape shape_;
  MemoryBudget budget_{0};
  CacheSequence sequence_;
  std::vector<float> keys, values, queries;
};

}  // namespace

TEST_CASE("attention: one thread and four give the same bits at every length of the context") {
  for (const Dims& dims : {kGrouped, kLatent}) {
    for (int64_t context = 1; context <= 1300;
         context += context < 140 || context % 64 > 60 || context % 64 < 2 ? 1 : 7) {
      CAPTURE(context);
      Filled cache(dims, context, CacheType::f32);
      REQUIRE(cache.attend(1, 1) == cache.attend(1, 4));  // few blocks: four threads share their segments
      const int64_t some = std::min<int64_t>(context, 5);
      REQUIRE(cache.attend(some, 1) == cache.attend(some, 4));
    }
  }
}

TEST_CASE("attention: a token alone gets the bits that it gets within a prompt") {
  for (const Dims& dims : {kGrouped, kLatent, kManyHeads}) {
    for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::int8, CacheType::int4}) {
      for (const int64_t context : {3, 64, 65, 130, 513, 700, 1025, 1300}) {
        CAPTURE(context);
        Filled cache(dims, context, type);
        const auto alone = cache.attend(1, 3);
        for (const int64_t rows : {2, 64, 300}) {
          if (rows > context) continue;
          const auto together = cache.attend(rows, 2);
          CHECK(std::equal(alone.begin(), alone.end(), together.end() - static_cast<std::ptrdiff_t>(alone.size())));
        }
      }
    }
  }
}

TEST_CASE("attention: the same bits deep in a context, where segments grow") {
  for (const Dims& dims : {kGrouped, kLatent}) {
    for (const int64_t context : {4097, 8191, 8192, 8193, 9216, 9217, 16385, 17000, 18433}) {
      CAPTURE(context);
      Filled cache(dims, context, CacheType::int8);
      const auto alone = cache.attend(1, 1);
      for (const int threads : {2, 3, 7}) CHECK(cache.attend(1, threads) == alone);
      const auto together = cache.attend(40, 2);
      CHECK(std::equal(alone.begin(), alone.end(), together.end() - static_cast<std::ptrdiff_t>(alone.size())));
    }
  }
}

TEST_CASE("attention: equals softmax(q k) v in double precision") {
  for (const Dims& dims : {kGrouped, kLatent, kManyHeads}) {
    for (const int64_t context : {1, 2, 63, 64, 65, 128, 511, 512, 513, 1100, 4200, 16500}) {
      CAPTURE(context);
      CAPTURE(dims.heads);
      Filled cache(dims, context, CacheType::f32);
      const int64_t rows = std::min<int64_t>(context, 40);
      const auto found = cache.attend(rows, 2);
      const auto expected = cache.plain(rows);
      REQUIRE(found.size() == expected.size());
      double most = 0;
      for (size_t i = 0; i < found.size(); ++i) {
        const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
        if (!(difference <= most)) most = difference;
      }
      CHECK(most < 2e-5);
    }
  }
}

TEST_CASE("attention: quantised rows stay close, also where one number of each key sticks out") {
  struct Case {
    Dims dims;
    CacheType keys, values;
    float odd;
    double limit;  // of the root mean square error, in that of the output
  };
  constexpr Dims kHeads = {6, 2, 64, 64, false}, kWide = {4, 1, 576, 512, true}, kOdd = {5, 1, 20, 12, true};
  const Case cases[] = {
      {kHeads, CacheType::int8, CacheType::int8, 1, 0.02}, {kHeads, CacheType::int8, CacheType::int8, 30, 0.06},
      {kHeads, CacheType::f32, CacheType::int8, 1, 0.01},  {kHeads, CacheType::int8, CacheType::int4, 1, 0.13},
      {kHeads, CacheType::f16, CacheType::int4, 1, 0.13},  {kHeads, CacheType::int4, CacheType::int8, 1, 0.25},
      {kWide, CacheType::int8, CacheType::f32, 1, 0.04},   {kWide, CacheType::int8, CacheType::int4, 30, 0.07},
      {kOdd, CacheType::int8, CacheType::int8, 1, 0.03},   {kGrouped, CacheType::bf16, CacheType::int8, 1, 0.03},
  };
  for (const Case& c : cases) {
    CAPTURE(&c - cases);
    Filled cache(c.dims, 300, c.keys, c.values, c.odd);
    const auto found = cache.attend(20, 2);
    const auto expected = cache.plain(20);
    REQUIRE(found.size() == expected.size());
    double error = 0, size = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      error += (found[i] - expected[i]) * (found[i] - expected[i]);
      size += expected[i] * expected[i];
    }
    CHECK(std::sqrt(error / size) < c.limit);
  }
}
