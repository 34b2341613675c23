// cache_quality MODEL TEXT [tokens]: what each type of cache costs in quality. Scores the text with a cache of f32 and
// with each pair of types, and prints how far they lie apart (models/quality.h). Not a test: a model with real weights
// is needed.
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "models/quality.h"

using namespace pensee;
using namespace pensee::test;

namespace {

Result<Scored> score(const char* model, const char* text_path, size_t most, CacheType keys, CacheType values) {
  EngineOptions options;
  options.cache_type = keys;
  options.value_cache_type = values;
  PENSEE_ASSIGN(const auto file, open_file(text_path));
  PENSEE_ASSIGN(const std::string text, read_text(*file, 64 << 20));
  return score_text(model, text, most, options);
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
    const Distance d = distance(*truth, *other);
    std::printf("%-10s KL mean %.6f 99%% %.5f most %.5f  cosine least %.6f  same best %6.2f %%  loss %.5f\n",
                format("{}/{}", cache_type_name(keys), cache_type_name(values)).c_str(), d.mean, d.most_of_99, d.most,
                d.least_cosine, 100 * d.same_best, d.loss);
    std::fflush(stdout);
  }
  return 0;
}
