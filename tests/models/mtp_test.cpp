// Multi-token prediction against an independent implementation of the DeepSeek-V3 report's section 2.2 in torch
// (tests/goldens/make_mtp.py), and against itself in other shapes.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>

#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data";
constexpr float kTolerance = 2e-4f;

struct Rows {
  std::vector<float> logits, hidden;
};

// A model with its prediction layer, and one sequence.
struct Predictor {
  Runner runner;
  CacheSequence sequence;
  size_t vocab, width;

  explicit Predictor(const std::string& folder, int threads = 2)
      : runner(folder, threads, "native", CacheType::f32, true), sequence(runner.model->cache_shape, runner.budget) {
    REQUIRE(runner.model->mtp.has_value());
    vocab = static_cast<size_t>(runner.model->config.vocab_size);
    width = static_cast<size_t>(runner.model->config.hidden_size);
  }

  // The main model over ids: the hidden state of every row.
  std::vector<float> feed(std::span<const int32_t> ids) {
    const auto rows = static_cast<int32_t>(ids.size());
    REQUIRE(sequence.reserve(rows).ok());
    std::vector<int32_t> all(ids.size());
    std::iota(all.begin(), all.end(), 0);
    const Run run = {&sequence, 0, rows, 0};
    std::vector<float> hidden(ids.size() * width), none;
    Batch batch;
    batch.runs = std::span(&run, 1);
    batch.token_ids = ids;
    batch.positions = all;
    batch.rows_with_hidden = all;
    batch.hidden = MutableView(hidden.data(), rows, static_cast<int64_t>(width));
    runner.pass(batch, rows, none);
    sequence.set_length(rows);
    return hidden;
  }

  // Drafts rows from position `first` on; all of them give logits.
  Rows draft(std::span<const float> hidden, std::span<const int32_t> next_tokens, int32_t first) {
    const auto rows = static_cast<int32_t>(next_tokens.size());
    std::vector<int32_t> positions(next_tokens.size()), wanted(next_tokens.size());
    std::iota(positions.begin(), positions.end(), first);
    std::iota(wanted.begin(), wanted.end(), 0);
    const Run run = {&sequence, 0, rows, first};
    DraftBatch d;
    d.batch.runs = std::span(&run, 1);
    d.batch.token_ids = next_tokens;
    d.batch.positions = positions;
    d.batch.rows_with_logits = wanted;
    d.hidden = View(hidden.data(), rows, static_cast<int64_t>(width));
    return pass(d, first + rows);
  }

  Rows pass(const DraftBatch& d, int64_t context) {
    const Model& m = *runner.model;
    const auto rows = static_cast<int64_t>(d.batch.rows_with_logits.size());
    Rows out = {std::vector<float>(static_cast<size_t>(rows) * vocab),
                std::vector<float>(static_cast<size_t>(rows) * width)};
    REQUIRE(runner.scratch.reserve(draft_scratch_bytes(m, d.batch.rows(), rows, context, runner.pool->threads())).ok());
    Compute compute = {*runner.pool, runner.scratch, **kernels_for("")};
    CHECK(::pensee::draft(m, d, compute, MutableView(out.logits.data(), rows, static_cast<int64_t>(vocab)),
                          MutableView(out.hidden.data(), rows, static_cast<int64_t>(width))));
    return out;
  }
};

std::vector<int32_t> golden_ids(int k) {
  return Numbers(kData + "/v3_mtp/golden.safetensors").integers("ids." + std::to_string(k));
}

// A copy of v3_mtp in which every number of the prediction layer's own head has its sign turned.
std::string with_own_head() {
  const std::string from = kData + "/v3_mtp/", to = std::filesystem::temp_directory_path() / "pensee_mtp_own_head";
  std::filesystem::create_directories(to);
  const auto over = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file(from + "config.json", to + "/config.json", over);
  std::filesystem::copy_file(from + "model.safetensors", to + "/model.safetensors", over);
  auto tensors = open_safetensors_folder(from);
  REQUIRE(tensors.ok());
  const Tensor* head = (*tensors)->find("model.layers.2.shared_head.head.weight");
  REQUIRE(head);
  REQUIRE(head->type == StoredType::bf16);
  std::vector<std::byte> bytes(head->bytes);
  REQUIRE(head->file->read(head->offset, bytes).ok());
  for (size_t i = 1; i < bytes.size(); i += 2) bytes[i] ^= std::byte{0x80};
  std::fstream file(to + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(head->offset));
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
  return to;
}

}  // namespace

TEST_CASE("mtp: hidden states, drafts and a chained draft are those of the report's formulas") {
  const Numbers expected(kData + "/v3_mtp/mtp.safetensors");
  for (const char* folder : {"/v3_mtp", "/gguf_v3_mtp"}) {
    for (const int k : {0, 1, 2}) {
      CAPTURE(std::string(folder));
      CAPTURE(k);
      const std::string suffix = "." + std::to_string(k);
      const auto ids = golden_ids(k);
      Predictor p(kData + folder);
      const auto hidden = p.feed(ids);
      CHECK(largest_difference(hidden, expected.floats("hidden" + suffix)) < kTolerance);
      const Rows drafted = p.draft(hidden, std::span(ids).subspan(1), 0);
      CHECK(largest_difference(drafted.logits, expected.floats("draft" + suffix)) < kTolerance);
      CHECK(largest_difference(drafted.hidden, expected.floats("draft_hidden" + suffix)) < kTolerance);

      const auto last = drafted.logits.end() - static_cast<std::ptrdiff_t>(p.vocab);
      const auto best = static_cast<int32_t>(std::max_element(last, drafted.logits.end()) - last);
      CHECK(best == expected.integers("chained_token" + suffix).front());
      const Rows chained =
          p.draft(std::span(drafted.hidden).last(p.width), std::span(&best, 1), static_cast<int32_t>(ids.size()) - 1);
      CHECK(largest_difference(chained.logits, expected.floats("chained" + suffix)) < kTolerance);
    }
  }
}

TEST_CASE("mtp: rows drafted one by one, by one thread or in a batch of strangers have the same bits") {
  const auto ids = golden_ids(1), others = golden_ids(0);
  Predictor whole(kData + "/v3_mtp"), single(kData + "/v3_mtp", 1), both(kData + "/v3_mtp");
  const auto hidden = whole.feed(ids);
  const Rows expected = whole.draft(hidden, std::span(ids).subspan(1), 0);
  CHECK(single.feed(ids) == hidden);
  std::vector<float> logits;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    const Rows one =
        single.draft(std::span(hidden).subspan(i * whole.width, whole.width), std::span(&ids[i + 1], 1), int32_t(i));
    logits.insert(logits.end(), one.logits.begin(), one.logits.end());
  }
  CHECK(logits == expected.logits);

  both.feed(ids);
  CacheSequence stranger(both.runner.model->cache_shape, both.runner.budget);
  REQUIRE(stranger.reserve(static_cast<int64_t>(others.size())).ok());
  const auto n = static_cast<int32_t>(ids.size()) - 1, m = static_cast<int32_t>(others.size()) - 1;
  std::vector<int32_t> tokens(others.begin() + 1, others.end()), positions(static_cast<size_t>(m + n)),
      wanted = {m + n - 1};
  tokens.insert(tokens.end(), ids.begin() + 1, ids.end());
  std::iota(positions.begin(), positions.begin() + m, 0);
  std::iota(positions.begin() + m, positions.end(), 0);
  std::vector<float> mixed(static_cast<size_t>(m) * both.width, 0.25f);
  mixed.insert(mixed.end(), hidden.begin(),
               hidden.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(n) * both.width));
  const Run runs[] = {{&stranger, 0, m, 0}, {&both.sequence, m, n, 0}};
  DraftBatch d;
  d.batch.runs = runs;
  d.batch.token_ids = tokens;
  d.batch.positions = positions;
  d.batch.rows_with_logits = wanted;
  d.hidden = View(mixed.data(), m + n, static_cast<int64_t>(both.width));
  const Rows last = both.pass(d, n);
  CHECK(std::equal(last.logits.begin(), last.logits.end(),
                   expected.logits.end() - static_cast<std::ptrdiff_t>(both.vocab)));
  CHECK(both.runner.scratch.peak() <= both.runner.scratch.size());
}

TEST_CASE("mtp: the main model computes the same bits with and without its prediction layer") {
  for (const char* folder : {"/v3_mtp", "/gguf_v3_mtp"}) {
    Predictor with(kData + folder);
    Runner without(kData + folder, 2);
    const Model &more = *with.runner.model, &less = *without.model;
    CHECK(less.facts.has_mtp);
    CHECK(!less.mtp.has_value());
    CHECK(more.cache_shape.layers.size() == less.cache_shape.layers.size() + 1);
    CHECK(more.config.num_hidden_layers == 2);
    CHECK(more.facts.parameters_active == less.facts.parameters_active);
    CHECK(more.facts.active_weight_bytes == less.facts.active_weight_bytes);
    CHECK(more.facts.weight_bytes > less.facts.weight_bytes);
    CHECK(more.mtp->head == nullptr);  // the file's copies of embedding and head are not packed again
    CHECK(more.mtp->embedding == nullptr);
    const auto ids = golden_ids(1);
    CacheSequence alone(less.cache_shape, without.budget);
    const auto logits = without.feed(alone, ids);
    CHECK(with.runner.feed(with.sequence, ids) == logits);
    with.sequence.set_length(0);
    const auto hidden = with.feed(ids);
    with.draft(hidden, std::span(ids).subspan(1), 0);  // writes its own rows of the cache alone
    const int32_t next = 7;
    CHECK(with.runner.feed(with.sequence, std::span(&next, 1)) == without.feed(alone, std::span(&next, 1)));
  }
}

TEST_CASE("mtp: a head of the prediction layer's own is used") {
  const std::string folder = with_own_head();
  Predictor own(folder), shared(kData + "/v3_mtp");
  REQUIRE(own.runner.model->mtp->head != nullptr);
  CHECK(own.runner.model->mtp->embedding == nullptr);
  const auto ids = golden_ids(0);
  const auto hidden = own.feed(ids);
  CHECK(shared.feed(ids) == hidden);
  Rows a = own.draft(hidden, std::span(ids).subspan(1), 0), b = shared.draft(hidden, std::span(ids).subspan(1), 0);
  CHECK(a.hidden == b.hidden);
  for (float& x : b.logits) x = -x;
  CHECK(a.logits == b.logits);
  std::filesystem::remove_all(folder);
}

TEST_CASE("mtp: a file without the layer, or with its joint alone, loads without it") {
  Runner runner(kData + "/v3_odd", 1, "native", CacheType::f32, true);  // its config says that there is one
  CHECK(runner.model->config.num_nextn_predict_layers == 1);
  CHECK(!runner.model->facts.has_mtp);
  CHECK(!runner.model->mtp.has_value());
  LoadOptions options;
  options.load_mtp = true;
  const auto loaded = Runner::load_hf(kData + "/v3_as_shipped", options);  // has eh_proj and norms, no decoder layer
  REQUIRE(loaded.ok());
  CHECK(!(*loaded)->facts.has_mtp);
}
