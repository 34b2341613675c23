// Every entry of every table that this CPU runs: bit for bit what the scalar table says, canaries intact; and the
// scalar table itself against sums in double.
#include "harness.h"
#include "quants/quants.h"

using namespace pensee;
using namespace pensee::testing;

namespace {

const Kernels& scalar() { return **kernels_for("scalar"); }

// Runs `f(table, out)` for the scalar table and for each other and compares n outputs.
template <class Call>
void compare(const std::string& what, int64_t n, const std::vector<float>& start, Call f) {
  Walled<float> expected(start);
  f(scalar(), expected.data());
  REQUIRE(expected.intact());
  for (const Kernels* k : tables()) {
    INFO(what << "." << k->isa << ".n" << n);
    Walled<float> out(start, static_cast<int64_t>(n % 5));
    f(*k, out.data());
    CHECK(first_difference(out.data(), expected.data(), n) == -1);
    CHECK(out.intact());
  }
}

double relative(double a, double b) { return std::abs(a - b) / std::max(std::abs(b), 1e-30); }

std::vector<double> reference_attend(const AttendArgs& a, const std::vector<float>& keys,
                                     const std::vector<float>& values, int32_t q) {
  std::vector<double> weights, out(static_cast<size_t>(a.value_dim));
  double total = 0;
  for (int32_t p = a.from[q]; p < a.to[q]; ++p) {
    double dot = 0;
    for (int32_t d = 0; d < a.key_dim; ++d)
      dot += static_cast<double>(a.q[q * a.q_stride + d]) * keys[static_cast<size_t>(p * a.key_stride + d)];
    const double w = std::exp(dot * static_cast<double>(a.scale));
    total += w;
    for (int32_t d = 0; d < a.value_dim; ++d)
      out[static_cast<size_t>(d)] += w * values[static_cast<size_t>(p * a.value_stride + d)];
  }
  for (double& v : out) v /= total;
  return out;
}

// A random attention call; states are owned here, so that two tables can start from the same ones.
struct Call {
  AttendArgs args = {};
  std::vector<float> q, keys_f, values_f, max, sum, acc;
  std::vector<uint16_t> keys_h, values_h;
  std::vector<int32_t> from, to;

  Call(std::mt19937& random, int32_t num_q, int32_t key_dim, int32_t value_dim, CacheType type, Temper temper) {
    const int32_t positions = 1 + static_cast<int32_t>(random() % kPagePositions);
    args.q_stride = key_dim + 3;
    args.num_q = num_q;
    args.key_dim = key_dim;
    args.value_dim = value_dim;
    args.scale = 1.0f / std::sqrt(static_cast<float>(key_dim));
    args.type = type;
    args.key_stride = key_dim + 5;
    args.value_stride = value_dim + 1;
    args.positions = positions;
    q = numbers(random, num_q * args.q_stride, temper);
    keys_f = numbers(random, positions * args.key_stride, temper);
    values_f = numbers(random, positions * args.value_stride, temper);
    max.assign(static_cast<size_t>(num_q), -INFINITY);
    sum.assign(static_cast<size_t>(num_q), 0.0f);
    acc.assign(static_cast<size_t>(num_q * value_dim), 0.0f);
    for (int32_t i = 0; i < num_q; ++i) {
      const bool whole = random() % 3 != 0;
      from.push_back(whole ? 0 : static_cast<int32_t>(random() % 8));
      to.push_back(whole ? positions : static_cast<int32_t>(random() % static_cast<uint32_t>(positions + 1)));
    }
    store(keys_f, keys_h);
    store(values_f, values_h);
  }
  void store(std::vector<float>& floats, std::vector<uint16_t>& halves) {
    if (args.type == CacheType::f32) return;
    const bool f16 = args.type == CacheType::f16;
    for (float& v : floats) {
      halves.push_back(f16 ? float_to_half(v) : float_to_bfloat(v));
      v = f16 ? half_to_float(halves.back()) : bfloat_to_float(halves.back());
    }
  }
  // Twice over the same chunk, so that the second call meets a running state.
  void run(const Kernels& k, float* out_acc, float* out_max, float* out_sum, float* scores) {
    args.q = q.data();
    args.keys = args.type == CacheType::f32 ? static_cast<const void*>(keys_f.data()) : keys_h.data();
    args.values = args.type == CacheType::f32 ? static_cast<const void*>(values_f.data()) : values_h.data();
    args.from = from.data();
    args.to = to.data();
    args.acc = out_acc;
    args.max = out_max;
    args.sum = out_sum;
    args.scores = scores;
    k.attend(args);
    k.attend(args);
  }
};

}  // namespace

TEST_CASE("kernels: every table's elementwise entries agree with scalar bit for bit") {
  std::mt19937 random(1);
  for (Temper temper : kTempers) {
    for (int64_t n : {1, 2, 7, 15, 16, 17, 31, 32, 33, 96, 100, 511, 2048}) {
      const auto x = numbers(random, n, temper), y = numbers(random, n, temper), w = numbers(random, n, Temper::calm);
      const std::vector<float> blank(static_cast<size_t>(n), 7.0f);
      compare("rms_norm", n, blank, [&](const Kernels& k, float* o) { k.rms_norm(x.data(), w.data(), 1e-6f, o, n); });
      compare("rms_norm_plain", n, x, [&](const Kernels& k, float* o) { k.rms_norm(o, nullptr, 1e-5f, o, n); });
      compare("add", n, x, [&](const Kernels& k, float* o) { k.add(o, y.data(), n); });
      compare("add_scaled", n, x, [&](const Kernels& k, float* o) { k.add_scaled(o, y.data(), 0.3f, n); });
      compare("swiglu", n, x, [&](const Kernels& k, float* o) { k.swiglu(o, y.data(), o, n); });
      compare("sigmoid", n, blank, [&](const Kernels& k, float* o) { k.sigmoid(x.data(), o, n); });
      compare("softmax", n, x, [&](const Kernels& k, float* o) { k.softmax(o, o, n); });
      for (const Kernels* k : tables()) CHECK(k->argmax(x.data(), n) == scalar().argmax(x.data(), n));
      if (n % 2) continue;
      const auto c = numbers(random, n / 2, Temper::calm), s = numbers(random, n / 2, Temper::calm);
      for (bool interleaved : {false, true})
        compare("rope", n, x, [&](const Kernels& k, float* o) { k.rope(o, c.data(), s.data(), n, interleaved); });
    }
  }
}

TEST_CASE("kernels: cache numbers are the quants' conversions") {
  std::mt19937 random(2);
  for (int64_t n : {1, 15, 16, 40, 576}) {
    const auto x = numbers(random, n, Temper::extreme);
    for (const Kernels* k : tables()) {
      INFO("to_cache." << k->isa << ".n" << n);
      Walled<uint16_t> f16(n), bf16(n);
      Walled<float> f32(n);
      k->to_cache(x.data(), f16.data(), CacheType::f16, n);
      k->to_cache(x.data(), bf16.data(), CacheType::bf16, n);
      k->to_cache(x.data(), f32.data(), CacheType::f32, n);
      CHECK(f16.intact());
      CHECK(bf16.intact());
      CHECK(f32.intact());
      for (int64_t i = 0; i < n; ++i) {
        const float v = x[static_cast<size_t>(i)];
        CHECK(same_bits(half_to_float(f16.data()[i]), half_to_float(float_to_half(v))));
        CHECK(same_bits(bfloat_to_float(bf16.data()[i]), bfloat_to_float(float_to_bfloat(v))));
        CHECK(same_bits(f32.data()[i], v));
      }
    }
  }
}

TEST_CASE("kernels: attention over a chunk agrees with scalar bit for bit") {
  std::mt19937 random(3);
  const int32_t kDims[][2] = {{64, 64}, {128, 128}, {24, 16}, {40, 20}, {576, 512}, {1, 1}};
  for (const auto& dims : kDims) {
    for (int32_t num_q : {1, 3, 4, 16, 21}) {
      for (CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
        for (Temper temper : kTempers) {
          Call call(random, num_q, dims[0], dims[1], type, temper);
          Walled<float> scores(num_q * kPagePositions), acc(call.acc), max(call.max), sum(call.sum);
          call.run(scalar(), acc.data(), max.data(), sum.data(), scores.data());
          for (const Kernels* k : tables()) {
            INFO("attend." << k->isa << ".q" << num_q << "_k" << dims[0] << "_v" << dims[1]);
            Walled<float> acc2(call.acc), max2(call.max), sum2(call.sum);
            call.run(*k, acc2.data(), max2.data(), sum2.data(), scores.data());
            CHECK(first_difference(acc2.data(), acc.data(), num_q * dims[1]) == -1);
            CHECK(first_difference(max2.data(), max.data(), num_q) == -1);
            CHECK(first_difference(sum2.data(), sum.data(), num_q) == -1);
            CHECK(acc2.intact());
            CHECK(max2.intact());
            CHECK(sum2.intact());
            CHECK(scores.intact());
          }
        }
      }
    }
  }
}

TEST_CASE("kernels: a query's attention does not know its neighbours, nor rows it must not see") {
  std::mt19937 random(4);
  for (const Kernels* k : tables()) {
    Call call(random, 13, 72, 40, CacheType::f16, Temper::calm);
    std::vector<float> acc = call.acc, max = call.max, sum = call.sum, scores(13 * kPagePositions);
    call.run(*k, acc.data(), max.data(), sum.data(), scores.data());
    for (int32_t q = 0; q < 13; ++q) {
      Call alone = call;
      alone.args.num_q = 1;
      alone.q.erase(alone.q.begin(), alone.q.begin() + q * call.args.q_stride);
      alone.from = {call.from[static_cast<size_t>(q)]};
      alone.to = {call.to[static_cast<size_t>(q)]};
      for (int32_t p = 0; p < call.args.positions; ++p) {
        if (p >= alone.from[0] && p < alone.to[0]) continue;
        for (int64_t d = 0; d < call.args.key_stride; ++d)
          alone.keys_h[static_cast<size_t>(p * call.args.key_stride + d)] = 0x7e00;
        for (int64_t d = 0; d < call.args.value_stride; ++d)
          alone.values_h[static_cast<size_t>(p * call.args.value_stride + d)] = 0x7c00;
      }
      std::vector<float> acc1(40, 0.0f), max1(1, -INFINITY), sum1(1, 0.0f);
      alone.run(*k, acc1.data(), max1.data(), sum1.data(), scores.data());
      CHECK(first_difference(acc1.data(), acc.data() + q * 40, 40) == -1);
      CHECK(same_bits(sum1[0], sum[static_cast<size_t>(q)]));
    }
  }
}

TEST_CASE("kernels: scalar attention is softmax(q k) v, and joined segments are one") {
  std::mt19937 random(5);
  const Kernels& k = scalar();
  Call call(random, 5, 48, 33, CacheType::bf16, Temper::calm), other = call;
  other.values_f = numbers(random, static_cast<int64_t>(call.values_f.size()), Temper::calm);
  std::vector<float> acc = call.acc, max = call.max, sum = call.sum, scores(5 * kPagePositions);
  call.run(k, acc.data(), max.data(), sum.data(), scores.data());
  for (int32_t q = 0; q < 5; ++q) {
    const size_t at = static_cast<size_t>(q);
    if (call.from[at] >= call.to[at]) {
      CHECK(sum[at] == 0.0f);
      continue;
    }
    const auto expected = reference_attend(call.args, call.keys_f, call.values_f, q);
    std::vector<float> joined(33, 0.0f);
    float top = -INFINITY, total = 0;
    const float* mine = acc.data() + q * 33;
    k.attend_join(&top, &total, joined.data(), max[at], sum[at], mine, 33);
    k.attend_join(&top, &total, joined.data(), -INFINITY, 0.0f, mine, 33);
    CHECK(first_difference(joined.data(), mine, 33) == -1);
    k.attend_join(&top, &total, joined.data(), max[at] - 1.0f, sum[at], mine, 33);
    CHECK(relative(total, sum[at] * (1 + std::exp(-1.0))) < 1e-6);
    for (int d = 0; d < 33; ++d) {
      CHECK(std::abs(mine[d] / sum[at] - expected[static_cast<size_t>(d)]) < 1e-5);
      CHECK(std::abs(joined[static_cast<size_t>(d)] / total - expected[static_cast<size_t>(d)]) < 1e-5);
    }
  }
}

TEST_CASE("kernels: scalar norms, activations and rotations match formulas in double") {
  std::mt19937 random(6);
  const Kernels& k = scalar();
  const int64_t n = 300;
  const auto x = numbers(random, n, Temper::wide), up = numbers(random, n, Temper::calm);
  std::vector<float> y(300);
  double squares = 0;
  for (float v : x) squares += static_cast<double>(v) * v;
  k.rms_norm(x.data(), up.data(), 1e-6f, y.data(), n);
  for (size_t i = 0; i < 300; ++i) CHECK(relative(y[i], x[i] / std::sqrt(squares / n + 1e-6) * up[i]) < 1e-6);
  k.swiglu(x.data(), up.data(), y.data(), n);
  for (size_t i = 0; i < 300; ++i)
    if (std::abs(x[i]) < 80) CHECK(relative(y[i], x[i] / (1 + std::exp(-static_cast<double>(x[i]))) * up[i]) < 1e-6);
  for (float v = -87.0f; v < 88.0f; v += 0.0317f) {
    float s;
    k.sigmoid(&v, &s, 1);
    CHECK(relative(s, 1 / (1 + std::exp(-static_cast<double>(v)))) < 4e-7);
  }
  k.softmax(up.data(), y.data(), n);
  double total = 0;
  for (float v : up) total += std::exp(static_cast<double>(v));
  for (size_t i = 0; i < 300; ++i) CHECK(relative(y[i], std::exp(static_cast<double>(up[i])) / total) < 1e-6);
  const float angle[2] = {0.3f, 1.1f}, c[2] = {std::cos(angle[0]), std::cos(angle[1])};
  const float s[2] = {std::sin(angle[0]), std::sin(angle[1])};
  float halves[4] = {1, 2, 3, 4}, pairs[4] = {1, 3, 2, 4};
  k.rope(halves, c, s, 4, false);
  k.rope(pairs, c, s, 4, true);
  CHECK(halves[0] == doctest::Approx(1 * c[0] - 3 * s[0]));
  CHECK(halves[2] == doctest::Approx(3 * c[0] + 1 * s[0]));
  CHECK(halves[3] == doctest::Approx(4 * c[1] + 2 * s[1]));
  CHECK(pairs[0] == halves[0]);
  CHECK(pairs[1] == halves[2]);
  CHECK(pairs[3] == halves[3]);
}

TEST_CASE("kernels: argmax takes the first of equals and never NaN") {
  const float x[] = {NAN, 1.0f, 3.0f, 3.0f, NAN}, nothing[] = {NAN, -INFINITY, NAN};
  for (const Kernels* k : tables()) {
    CHECK(k->argmax(x, 5) == 2);
    CHECK(k->argmax(nothing, 3) == 1);
  }
}

TEST_CASE("kernels_for: names what this CPU runs") {
  const auto none = kernels_for("z80");
  REQUIRE(!none.ok());
  CHECK(none.status().message().find("scalar") != std::string::npos);
  CHECK((*kernels_for(""))->isa == available_isas().front());
  CHECK(available_isas().back() == "scalar");
}
