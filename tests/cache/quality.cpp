// cache_quality MODEL TEXT [tokens]: what each type of cache costs in quality. Scores the text with a cache of f32 and
// with each pair of types, and prints how far the distributions over the next token lie apart: their mean and largest
// Kullback-Leibler divergence (in nats), the cosine of the logits, and how often the likeliest token is the same.
// Not a test: a model with real weights is needed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/engine.h"

using namespace pensee;

namespace {

using Row = std::vector<float>;

struct Ids {
  std::vector<int32_t> ids;
  std::vector<Row> logits;
};

Result<Ids> score(const char* model, const char* text_path, size_t most, CacheType keys, CacheType values) {
  EngineOptions options;
  options.cache_type = keys;
  options.value_cache_type = values;
  PENSEE_ASSIGN(const auto engine, open_engine(model, options));
  PENSEE_TRY(engine->require_tokenizer());
  PENSEE_ASSIGN(const auto file, open_file(text_path));
  PENSEE_ASSIGN(const std::string text, read_text(*file, 64 << 20));
  Ids found;
  PENSEE_ASSIGN(found.ids, engine->content.tokenizer->encode(text, {}));
  found.ids.resize(std::min(found.ids.size(), most));
  PENSEE_TRY(engine->score(found.ids,
                           [&](int64_t, std::span<const float> l) { found.logits.emplace_back(l.begin(), l.end()); }));
  return found;
}

double log_sum_exp(const Row& x) {
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float v : x) sum += std::exp(v - top);
  return top + std::log(sum);
}

double divergence(const Row& p, const Row& q) {
  const double p_sum = log_sum_exp(p), q_sum = log_sum_exp(q);
  double total = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = p[i] - p_sum;
    total += std::exp(log_p) * (log_p - (q[i] - q_sum));
  }
  return total;
}

double cosine(const Row& a, const Row& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

void compare(const char* name, const Ids& truth, const Ids& other) {
  const auto best = [](const Row& r) { return std::max_element(r.begin(), r.end()) - r.begin(); };
  std::vector<double> kl;
  double least_cosine = 1, loss = 0;
  size_t same = 0;
  for (size_t i = 0; i < truth.logits.size(); ++i) {
    kl.push_back(divergence(truth.logits[i], other.logits[i]));
    least_cosine = std::min(least_cosine, cosine(truth.logits[i], other.logits[i]));
    same += best(truth.logits[i]) == best(other.logits[i]);
    if (i + 1 < truth.ids.size()) {
      loss += log_sum_exp(other.logits[i]) - other.logits[i][static_cast<size_t>(truth.ids[i + 1])];
    }
  }
  double sum = 0;
  for (const double k : kl) sum += k;
  std::sort(kl.begin(), kl.end());
  const auto count = static_cast<double>(kl.size());
  std::printf("%-10s KL mean %.6f 99%% %.5f most %.5f  cosine least %.6f  same best %6.2f %%  loss %.5f\n", name,
              sum / count, kl[kl.size() * 99 / 100], kl.back(), least_cosine, 100 * static_cast<double>(same) / count,
              loss / (count - 1));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::printf("cache_quality MODEL TEXT [tokens]\n"), 2;
  const size_t most = argc > 3 ? static_cast<size_t>(std::atol(argv[3])) : 1024;
  const auto truth = score(argv[1], argv[2], most, CacheType::f32, CacheType::f32);
  if (!truth.ok()) return std::printf("%s\n", truth.status().message().c_str()), 1;
  std::printf("%zu tokens, keys/values against f32\n", truth->ids.size());
  constexpr std::pair<CacheType, CacheType> kPairs[] = {
      {CacheType::f32, CacheType::f32},   {CacheType::f16, CacheType::f16},   {CacheType::bf16, CacheType::bf16},
      {CacheType::int8, CacheType::int8}, {CacheType::int8, CacheType::int4}, {CacheType::int4, CacheType::int8},
      {CacheType::int4, CacheType::int4}};
  for (const auto& [keys, values] : kPairs) {
    const auto other = score(argv[1], argv[2], most, keys, values);
    if (!other.ok()) return std::printf("%s\n", other.status().message().c_str()), 1;
    compare(format("{}/{}", cache_type_name(keys), cache_type_name(values)).c_str(), *truth, *other);
  }
  return 0;
}
