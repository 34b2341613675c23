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

constexpr CacheType kCacheTypes[] = {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::int8, CacheType::int4};

template <class T>
T value_at(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

// Number d of a row of pieces of 16 bytes, the first of which lies at `piece`, each `step` bytes behind the one before.
float read_piece(const CacheRows& rows, const uint8_t* piece, int64_t step, int64_t d) {
  if (rows.type == CacheType::bf16) return bfloat_to_float(value_at<uint16_t>(piece + d / 8 * step + d % 8 * 2));
  if (d >= rows.first) {
    piece += (rows.first + 15) / 16 * step;
    d -= rows.first;
  }
  return static_cast<float>(value_at<int8_t>(piece + d / 16 * step + d % 16));
}

// The number that a block holds, read as table.h says.
float read_row(const CacheRows& rows, const uint8_t* block, int64_t slot, int64_t d) {
  const int64_t pieces = cache_pieces(rows);
  const uint8_t *row = block + slot * cache_row_bytes(rows), *piece = block + slot / 4 * pieces * 64 + slot % 4 * 16;
  if (rows.type == CacheType::f32) return value_at<float>(row + 4 * d);
  if (rows.type == CacheType::f16) return half_to_float(value_at<uint16_t>(row + 2 * d));
  if (rows.type == CacheType::bf16) return read_piece(rows, piece, 64, d);
  if (rows.type == CacheType::int8) {
    const uint8_t* scales = block + pieces * 16 * kPagePositions;
    return value_at<float>(scales + 4 * (slot + (d >= rows.first ? kPagePositions : 0))) *
           read_piece(rows, piece, 64, d);
  }
  const int byte = row[d / 32 * 20 + 4 + d % 16];
  return value_at<float>(row + d / 32 * 20) * static_cast<float>((d % 32 < 16 ? byte & 15 : byte >> 4) - 8);
}

float read_query(const CacheRows& rows, const uint8_t* q, int64_t d) {
  if (rows.type == CacheType::bf16) return read_piece(rows, q, 16, d);
  if (rows.type != CacheType::int8) return value_at<float>(q + 4 * d);
  return value_at<float>(q + 16 * cache_pieces(rows) + (d >= rows.first ? 4 : 0)) * read_piece(rows, q, 16, d);
}

// A block between canaries, aligned for the floats in it.
struct WalledBlock {
  explicit WalledBlock(int64_t bytes) : room(bytes / 4) {}
  uint8_t* data() { return reinterpret_cast<uint8_t*>(room.data()); }
  bool intact() const { return room.intact(); }
  Walled<float> room;
};

// A block with some rows filled, and the numbers that they stand for.
struct Rows {
  CacheRows shape;
  std::vector<uint8_t> bytes;
  std::vector<float> numbers;  // [rows, dim]

  Rows() = default;
  Rows(const CacheRows& of, const std::vector<float>& floats) : shape(of), numbers(floats) {
    bytes.assign(static_cast<size_t>(cache_block_bytes(of)), 0xee);
    for (int64_t r = 0; r * of.dim < static_cast<int64_t>(floats.size()); ++r) {
      scalar().to_cache(floats.data() + r * of.dim, bytes.data(), r, of);
      for (int64_t d = 0; d < of.dim; ++d)
        numbers[static_cast<size_t>(r * of.dim + d)] = read_row(of, bytes.data(), r, d);
    }
  }
  // All bits set, NaN where the type has one.
  void spoil(int64_t slot) {
    std::vector<float> nan(static_cast<size_t>(shape.dim), std::nanf(""));
    scalar().to_cache(nan.data(), bytes.data(), slot, shape);
    if (shape.type == CacheType::f32 || shape.type == CacheType::f16 || shape.type == CacheType::int4)
      std::memset(bytes.data() + slot * cache_row_bytes(shape), 0xff, static_cast<size_t>(cache_row_bytes(shape)));
  }
};

std::vector<double> reference_attend(const AttendArgs& a, const Rows& keys, const Rows& values, int32_t q) {
  std::vector<double> weights, out(static_cast<size_t>(a.value_dim));
  double total = 0;
  for (int32_t p = a.from[q]; p < a.to[q]; ++p) {
    double dot = 0;
    for (int32_t d = 0; d < keys.shape.dim; ++d)
      dot += static_cast<double>(read_query(keys.shape, static_cast<const uint8_t*>(a.q) + q * a.q_stride, d)) *
             keys.numbers[static_cast<size_t>(p * keys.shape.dim + d)];
    const double w = std::exp(dot * static_cast<double>(a.scale));
    total += w;
    for (int32_t d = 0; d < a.value_dim; ++d)
      out[static_cast<size_t>(d)] += w * values.numbers[static_cast<size_t>(p * values.shape.dim + d)];
  }
  for (double& v : out) v /= total;
  return out;
}

// A random attention call; states are owned here, so that two tables can start from the same ones. Latent: the values
// are the first value_dim numbers of the keys.
struct Call {
  AttendArgs args = {};
  std::vector<uint8_t> q;
  std::vector<float> max, sum, acc;
  Rows keys, values;
  std::vector<int32_t> from, to;

  Call(std::mt19937& random, int32_t num_q, int32_t key_dim, int32_t value_dim, CacheType key_type,
       CacheType value_type, Temper temper, bool latent = false) {
    const int32_t positions = 1 + static_cast<int32_t>(random() % kPagePositions);
    keys = Rows({key_type, key_dim, latent ? value_dim : key_dim}, numbers(random, positions * key_dim, temper));
    values = latent ? keys : Rows({value_type, value_dim, value_dim}, numbers(random, positions * value_dim, temper));
    args.q_stride = query_bytes(keys.shape) + 12;
    args.num_q = num_q;
    args.value_dim = value_dim;
    args.scale = 1.0f / std::sqrt(static_cast<float>(key_dim));
    args.key_rows = keys.shape;
    args.value_rows = values.shape;
    args.positions = positions;
    q.assign(static_cast<size_t>(num_q * args.q_stride), 0xee);
    for (int32_t i = 0; i < num_q; ++i) {
      const auto x = numbers(random, key_dim, temper);
      scalar().to_query(x.data(), q.data() + i * args.q_stride, keys.shape);
    }
    max.assign(static_cast<size_t>(num_q), -INFINITY);
    sum.assign(static_cast<size_t>(num_q), 0.0f);
    acc.assign(static_cast<size_t>(num_q * value_dim), 0.0f);
    for (int32_t i = 0; i < num_q; ++i) {
      const bool whole = random() % 3 != 0;
      from.push_back(whole ? 0 : static_cast<int32_t>(random() % 8));
      to.push_back(whole ? positions : static_cast<int32_t>(random() % static_cast<uint32_t>(positions + 1)));
    }
  }
  // Twice over the same chunk, so that the second call meets a running state.
  void run(const Kernels& k, float* out_acc, float* out_max, float* out_sum, float* scores) {
    args.q = q.data();
    args.keys = keys.bytes.data();
    args.values = values.bytes.data();
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
      compare("rotate", n, x, [&](const Kernels& k, float* o) { k.rotate(o, n); });
      compare("softmax", n, x, [&](const Kernels& k, float* o) { k.softmax(o, o, n); });
      for (const Kernels* k : tables()) CHECK(k->argmax(x.data(), n) == scalar().argmax(x.data(), n));
      if (n % 2) continue;
      const auto c = numbers(random, n / 2, Temper::calm), s = numbers(random, n / 2, Temper::calm);
      for (bool interleaved : {false, true})
        compare("rope", n, x, [&](const Kernels& k, float* o) { k.rope(o, c.data(), s.data(), n, interleaved); });
    }
  }
}

TEST_CASE("kernels: cached floats are the quants' conversions, wherever they stand in their block") {
  std::mt19937 random(2);
  for (int32_t n : {1, 7, 8, 9, 15, 16, 40, 576}) {
    const auto x = numbers(random, n, Temper::extreme);
    for (const Kernels* k : tables()) {
      INFO("to_cache." << k->isa << ".n" << n);
      for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16}) {
        const CacheRows rows = {type, n, n};
        for (const int64_t slot : {0, 5, 63}) {
          WalledBlock block(cache_block_bytes(rows));
          k->to_cache(x.data(), block.data(), slot, rows);
          CHECK(block.intact());
          for (int64_t i = 0; i < n; ++i) {
            const float v = x[static_cast<size_t>(i)];
            const float wanted = type == CacheType::f32   ? v
                                 : type == CacheType::f16 ? half_to_float(float_to_half(v))
                                                          : bfloat_to_float(float_to_bfloat(v));
            CHECK(same_bits(read_row(rows, block.data(), slot, i), wanted));
          }
        }
      }
    }
  }
}

// Numbers [begin, end) share a scale.
void check_rounding(const std::vector<float>& x, int64_t begin, int64_t end, double steps, auto read) {
  double most = 0, total = 0;
  for (int64_t i = begin; i < end; ++i) {
    most = std::max(most, std::abs(static_cast<double>(x[static_cast<size_t>(i)])));
    total += std::abs(static_cast<double>(x[static_cast<size_t>(i)]));
  }
  for (int64_t i = begin; i < end; ++i) {
    const double number = x[static_cast<size_t>(i)], got = read(i);
    if (total < 3e38) {
      CHECK(std::abs(got - number) <= most / steps * 0.50001 + 1e-30);
      if (std::abs(number) == most && most > 1e-30) CHECK(std::abs(got - number) <= 1e-6 * most);
    } else if (!(total < 4e38)) {
      CHECK(std::isnan(got));  // no finite number is made up
    }
  }
}

TEST_CASE("kernels: quantised rows and queries have the same bytes on every table and are as close as can be") {
  std::mt19937 random(7);
  for (const CacheType type : {CacheType::bf16, CacheType::int8, CacheType::int4}) {
    for (int32_t n : {1, 15, 31, 32, 33, 64, 72, 128, 576}) {
      for (const Temper temper : kTempers) {
        const auto x = numbers(random, n, temper);
        const CacheRows rows = {type, n, n > 64 ? n - 19 : n};
        const int64_t bytes = cache_block_bytes(rows), slot = static_cast<int64_t>(random() % kPagePositions);
        WalledBlock expected(bytes);
        Walled<uint8_t> query(query_bytes(rows));
        scalar().to_cache(x.data(), expected.data(), slot, rows);
        scalar().to_query(x.data(), query.data(), rows);
        for (const Kernels* k : tables()) {
          INFO("to_cache." << k->isa << ".n" << n);
          WalledBlock out(bytes);
          Walled<uint8_t> out_query(query_bytes(rows), 3);
          k->to_cache(x.data(), out.data(), slot, rows);
          k->to_query(x.data(), out_query.data(), rows);
          CHECK(std::memcmp(out.data(), expected.data(), static_cast<size_t>(bytes)) == 0);
          CHECK(std::memcmp(out_query.data(), query.data(), static_cast<size_t>(query_bytes(rows))) == 0);
          CHECK(out.intact());
          CHECK(out_query.intact());
        }
        const auto of_row = [&](int64_t i) { return double{read_row(rows, expected.data(), slot, i)}; };
        if (type == CacheType::int4) {
          for (int64_t i = 0; i < n; i += 32) check_rounding(x, i, std::min<int64_t>(n, i + 32), 7, of_row);
        } else if (type == CacheType::int8) {
          const auto of_query = [&](int64_t i) { return double{read_query(rows, query.data(), i)}; };
          for (const auto& [begin, end] : {std::pair(0, rows.first), std::pair(rows.first, n)}) {
            check_rounding(x, begin, end, 127, of_row);
            check_rounding(x, begin, end, 127, of_query);
          }
        }
      }
    }
  }
}

TEST_CASE("kernels: a rotation keeps lengths and angles, undoes itself, and spreads what sticks out") {
  std::mt19937 random(8);
  const Kernels& k = scalar();
  for (int64_t n : {1, 2, 3, 20, 64, 72, 96, 128, 192, 576}) {
    const auto x = numbers(random, n, Temper::calm), y = numbers(random, n, Temper::calm);
    auto rx = x, ry = y;
    k.rotate(rx.data(), n);
    k.rotate(ry.data(), n);
    double plain = 0, rotated = 0, length = 0, length_rotated = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      plain += static_cast<double>(x[i]) * y[i];
      rotated += static_cast<double>(rx[i]) * ry[i];
      length += static_cast<double>(x[i]) * x[i];
      length_rotated += static_cast<double>(rx[i]) * rx[i];
    }
    CHECK(std::abs(plain - rotated) < 1e-5 * static_cast<double>(n));
    CHECK(relative(length_rotated, length) < 1e-5);
    k.rotate(rx.data(), n);
    for (size_t i = 0; i < x.size(); ++i) CHECK(std::abs(rx[i] - x[i]) < 1e-5f);
  }
  // By hand: a column of Hadamard's matrix, and blocks of 128, 64 and 32.
  std::vector<float> unit(224, 0.0f);
  unit[1] = unit[129] = unit[193] = 1.0f;
  k.rotate(unit.data(), 224);
  for (size_t i = 0; i < 224; ++i) {
    const double size = i < 128 ? 128 : i < 192 ? 64 : 32;
    CHECK(relative(unit[i], (i % 2 ? -1 : 1) / std::sqrt(size)) < 1e-6);
  }
}

TEST_CASE("kernels: attention over a chunk agrees with scalar bit for bit") {
  std::mt19937 random(3);
  const int32_t kDims[][2] = {{64, 64}, {128, 128}, {24, 16}, {40, 20}, {576, 512}, {1, 1}};
  const auto agree = [&](const int32_t* dims, int32_t num_q, CacheType keys, CacheType values, Temper temper,
                         bool latent = false) {
    Call call(random, num_q, dims[0], dims[1], keys, values, temper, latent);
    Walled<float> scores(num_q * kPagePositions), acc(call.acc), max(call.max), sum(call.sum);
    call.run(scalar(), acc.data(), max.data(), sum.data(), scores.data());
    for (const Kernels* k : tables()) {
      INFO("attend." << k->isa << ".q" << num_q << "_k" << dims[0] << "_v" << dims[1] << "_type"
                     << static_cast<int>(keys) << static_cast<int>(values));
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
  };
  for (const auto& dims : kDims) {
    for (const CacheType type : kCacheTypes) {
      for (int32_t num_q : {1, 3, 4, 16, 21}) {
        for (Temper temper : kTempers) agree(dims, num_q, type, type, temper);
        if (dims[0] > dims[1]) agree(dims, num_q, type, type, Temper::calm, true);
      }
      for (const CacheType other : kCacheTypes) agree(dims, 7, type, other, Temper::calm);
    }
  }
}

TEST_CASE("kernels: a query's attention does not know its neighbours, nor rows it must not see") {
  std::mt19937 random(4);
  for (const Kernels* k : tables()) {
    for (const CacheType type : kCacheTypes) {
      Call call(random, 13, 72, 40, type, type, Temper::calm);
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
          alone.keys.spoil(p);
          alone.values.spoil(p);
        }
        std::vector<float> acc1(40, 0.0f), max1(1, -INFINITY), sum1(1, 0.0f);
        alone.run(*k, acc1.data(), max1.data(), sum1.data(), scores.data());
        CHECK(first_difference(acc1.data(), acc.data() + q * 40, 40) == -1);
        CHECK(same_bits(sum1[0], sum[static_cast<size_t>(q)]));
      }
    }
  }
}

TEST_CASE("kernels: scalar attention is softmax(q k) v, and joined segments are one") {
  std::mt19937 random(5);
  const Kernels& k = scalar();
  for (const CacheType key_type : kCacheTypes) {
    for (const CacheType value_type : kCacheTypes) {
      Call call(random, 5, 48, 33, key_type, value_type, Temper::calm);
      std::vector<float> acc = call.acc, max = call.max, sum = call.sum, scores(5 * kPagePositions);
      call.run(k, acc.data(), max.data(), sum.data(), scores.data());
      for (int32_t q = 0; q < 5; ++q) {
        const size_t at = static_cast<size_t>(q);
        if (call.from[at] >= call.to[at]) {
          CHECK(sum[at] == 0.0f);
          continue;
        }
        const auto expected = reference_attend(call.args, call.keys, call.values, q);
        std::vector<float> joined(33, 0.0f);
        float top = -INFINITY, total = 0;
        const float* mine = acc.data() + q * 33;
        k.attend_join(&top, &total, joined.data(), max[at], sum[at], mine, 33);
        k.attend_join(&top, &total, joined.data(), -INFINITY, 0.0f, mine, 33);
        CHECK(first_difference(joined.data(), mine, 33) == -1);
        k.attend_join(&top, &total, joined.data(), max[at] - 1.0f, sum[at], mine, 33);
        CHECK(relative(total, sum[at] * (1 + std::exp(-1.0))) < 1e-6);
        for (int d = 0; d < 33; ++d) {
          // Types of pairs and quadruples round their weights, too: to 2^-9 of each, or to 1/255 of the largest.
          const double room = is_side_by_side(value_type) ? 0.01 : 1e-5;
          CHECK(std::abs(mine[d] / sum[at] - expected[static_cast<size_t>(d)]) < room);
          CHECK(std::abs(joined[static_cast<size_t>(d)] / total - expected[static_cast<size_t>(d)]) < room);
        }
      }
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
