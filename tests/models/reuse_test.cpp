// What was computed once may come back by any road - a fork, a rewind, the prefix cache, a snapshot - and the tokens
// behind it get the same bits as in a run from the begin, whatever the cache's type.
#include "cache/prefix_cache.h"
#include "cache/snapshot.h"
#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data";
using Logits = std::vector<float>;

struct Talk {
  std::vector<int32_t> ids;
  Logits logits;  // of all rows, from the begin
};

// Long enough for a page and a half: the golden prompts in a row, over and over.
Talk compute(Runner& runner, const std::vector<GoldenPrompt>& prompts, size_t length, size_t first) {
  Talk talk;
  for (size_t p = first; talk.ids.size() < length; ++p) {
    const auto& ids = prompts[p % prompts.size()].ids;
    talk.ids.insert(talk.ids.end(), ids.begin(), ids.end());
  }
  talk.ids.resize(length);
  CacheSequence sequence(runner.model->cache_shape, runner.budget);
  talk.logits = runner.feed(sequence, talk.ids);
  return talk;
}

// Feeds what `sequence` lacks of `talk`; the logits must be those of the run from the begin.
bool continues(Runner& runner, CacheSequence& sequence, const Talk& talk) {
  const auto vocab = static_cast<size_t>(runner.model->config.vocab_size);
  const auto from = static_cast<size_t>(sequence.length());
  const Logits rest = runner.feed(sequence, std::span(talk.ids).subspan(from));
  return std::equal(rest.begin(), rest.end(), talk.logits.begin() + static_cast<std::ptrdiff_t>(from * vocab),
                    talk.logits.end());
}

void check_all_roads(Runner& runner, const Talk& talk, const Talk& other) {
  const CacheShape& shape = runner.model->cache_shape;
  const auto begun = [&](size_t length) {
    CacheSequence sequence(shape, runner.budget);
    runner.feed(sequence, std::span(talk.ids).first(length));
    return sequence;
  };
  CacheSequence trunk = begun(75);
  CacheSequence fork = trunk;
  fork.set_length(0);  // goes its own way in pages that were shared
  CHECK(continues(runner, fork, other));
  fork = trunk;
  CHECK(continues(runner, fork, talk));
  CHECK(continues(runner, trunk, talk));
  for (const int64_t length : {70, 64, 63, 1}) {
    trunk.set_length(length);
    CHECK(continues(runner, trunk, talk));
  }

  PrefixCache prefixes(shape, runner.budget, 1u << 30);
  prefixes.offer(talk.ids, trunk);
  for (const int64_t own : {0, 10, 64, 67}) {
    CacheSequence sequence(shape, runner.budget);
    if (own > 0) sequence = begun(static_cast<size_t>(own));
    CHECK(prefixes.adopt(std::span(talk.ids).first(talk.ids.size() - 1), sequence) == std::max<int64_t>(own, 64));
    CHECK(continues(runner, sequence, talk));
  }
  Talk partly = talk;  // leaves the cached page in its middle
  std::copy(other.ids.begin() + 40, other.ids.end(), partly.ids.begin() + 40);
  CacheSequence alone(shape, runner.budget), adopted(shape, runner.budget);
  partly.logits = runner.feed(alone, partly.ids);
  CHECK(prefixes.adopt(partly.ids, adopted) >= 40);
  CHECK(continues(runner, adopted, partly));
  CHECK(continues(runner, adopted = CacheSequence(shape, runner.budget), talk));  // and the page is as it was

  for (const size_t length : {1, 64, 75}) {
    MemorySink sink;
    REQUIRE(write_snapshot("m: 1", std::span(talk.ids).first(length), begun(length), sink).ok());
    auto read = read_snapshot(*wrap_memory(sink.data), "m: 1", shape, runner.budget, 1000);
    REQUIRE(read.ok());
    CHECK(continues(runner, read->sequence, talk));
  }
}

}  // namespace

TEST_CASE("reuse: forks, rewinds, cached prefixes and snapshots go on with the bits of a run from the begin") {
  for (const char* name : {"/deepseek_v3", "/qwen2"}) {
    const std::string folder = kData + name;
    const auto prompts = read_golden(folder + "/golden.safetensors");
    for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::int8}) {
      CAPTURE(folder);
      CAPTURE(static_cast<int>(type));
      Runner runner(folder, 2, "native", type);
      const Talk talk = compute(runner, prompts, 100, 0), other = compute(runner, prompts, 100, 1);
      check_all_roads(runner, talk, other);
      CHECK(runner.budget.used() == 0);
    }
  }
}

TEST_CASE("cache types: values may have their own, keys in four bits are refused") {
  const std::string folder = kData + "/qwen2";
  const auto prompts = read_golden(folder + "/golden.safetensors");
  Runner runner(folder, 2);
  LoadOptions options;
  options.backend = runner.backend.get();
  options.pool = runner.pool.get();
  options.cache_type = CacheType::int4;
  CHECK(Runner::load_hf(folder, options).status().code() == Code::bad_argument);
  float before = 0;
  for (const CacheType values : {CacheType::f32, CacheType::f16, CacheType::int8, CacheType::int4}) {
    options.cache_type = CacheType::f32;
    options.value_cache_type = values;
    auto loaded = Runner::load_hf(folder, options);
    REQUIRE(loaded.ok());
    runner.model = *std::move(loaded);
    CHECK(runner.model->cache_shape.key_type == CacheType::f32);
    CacheSequence sequence(runner.model->cache_shape, runner.budget);
    const float difference = largest_difference(runner.feed(sequence, prompts[1].ids), prompts[1].logits);
    CAPTURE(static_cast<int>(values));
    CHECK(difference > before);  // the coarser, the farther away
    before = difference;
  }
  CHECK(before < 1.0f);
}
