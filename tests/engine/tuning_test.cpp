// Backend auto through the ABI: native's tokens where exact is on, what a tuning file says where it is off, and the
// memory that it may take.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "backends/backend.h"
#include "client.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data/";

// A file that goes with its owner.
struct TextFile {
  explicit TextFile(const std::string& name) : path("/tmp/pensee_tuning_test_" + std::to_string(getpid()) + name) {}
  ~TextFile() { std::remove(path.c_str()); }
  void write(const std::string& text) const { std::ofstream(path) << text; }
  std::string path;
};

std::string other_backend() { return backend_built_in("onednn") ? "onednn" : backend_built_in("blas") ? "blas" : ""; }

std::string tuning_of(const std::string& type, const std::string& activations) {
  return R"({"pensee_tuning": 1, "table": [{"type": ")" + type + R"(", "activations": ")" + activations +
         R"(", "backend": ")" + other_backend() + R"(", "from_rows": 4}]})";
}

pensee_model_options options_with(int32_t backend, int32_t exact, const char* tuning_file = nullptr) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  options.backend = backend;
  options.exact = exact;
  options.tuning_file = tuning_file;
  return options;
}

std::vector<float> logits_of(const ModelHandle& model, size_t count) {
  std::vector<int32_t> ids;
  const Engine& engine = *model->engine;
  for (size_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(i * 7 % 90));
  std::vector<float> all;
  REQUIRE(engine.score(ids, {}, [&](int64_t, std::span<const float> row) {
    all.insert(all.end(), row.begin(), row.end());
  }).ok());
  return all;
}

std::string backend_of(const ModelHandle& model) {
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  PENSEE_REQUIRE_OK(pensee_model_get_info(model.get(), &info, &call_error));
  return info.backend;
}

pensee_memory memory_of(const ModelHandle& model) {
  pensee_memory memory = PENSEE_MEMORY_INIT;
  PENSEE_REQUIRE_OK(pensee_model_get_memory(model.get(), &memory, &call_error));
  return memory;
}

}  // namespace

TEST_CASE("tuning: with exact on, auto gives native's tokens and logits, bit for bit") {
  const TextFile file("exact.json");
  file.write("no tuning at all: it is not read");
  for (const std::string name : {"deepseek_v3", "qwen2_tied", "gguf_llama3_q4_0", "gguf_deepseek_v3_mixed"}) {
    CAPTURE(name);
    const std::string path = kData + name + (name.starts_with("gguf") ? "/model.gguf" : "");
    const ModelHandle native = open_model(path, options_with(PENSEE_BACKEND_NATIVE, 1));
    const ModelHandle automatic = open_model(path, options_with(PENSEE_BACKEND_AUTO, 1, file.path.c_str()));
    CHECK(backend_of(automatic) == "native");
    CHECK(logits_of(automatic, 40) == logits_of(native, 40));
    const std::vector<int32_t> ids = {3, 1, 4, 1, 5, 9, 2, 6};
    CHECK(ask_new(automatic, prompt_of(ids), greedy(30)).tokens == ask_new(native, prompt_of(ids), greedy(30)).tokens);
    CHECK(memory_of(automatic).weights == memory_of(native).weights);
  }
}

TEST_CASE("tuning: with exact off, the file's types are multiplied by its backend for many rows alone") {
  if (other_backend().empty()) return;
  const TextFile file("f32.json");
  file.write(tuning_of("Q4_0", "int8"));  // floats of the same order of sums may give the same bits from both
  const std::string path = kData + "gguf_llama3_q4_0/model.gguf";
  pensee_model_options int8 = options_with(PENSEE_BACKEND_NATIVE, 1);
  int8.activations = PENSEE_ACTIVATIONS_INT8;
  const ModelHandle native = open_model(path, int8);
  const ModelHandle tuned = open_model(path, options_with(PENSEE_BACKEND_AUTO, 0, file.path.c_str()));
  CHECK(backend_of(tuned) == "native+" + other_backend());
  CHECK(logits_of(tuned, 3) == logits_of(native, 3));
  const std::vector<float> mixed = logits_of(tuned, 40), plain = logits_of(native, 40);
  CHECK(mixed != plain);
  float most = 0;
  for (size_t i = 0; i < mixed.size(); ++i) most = std::max(most, std::abs(mixed[i] - plain[i]));
  CHECK(most < 0.5f);  // what 8-bit activations cost
  CHECK(memory_of(tuned).weights > memory_of(native).weights * 3 / 2);
}

TEST_CASE("tuning: without one auto is native as it is with exact off, which stays near") {
  const std::string path = kData + "qwen2_tied";  // BF16
  const ModelHandle exact = open_model(path, options_with(PENSEE_BACKEND_NATIVE, 1));
  const ModelHandle native = open_model(path, options_with(PENSEE_BACKEND_NATIVE, 0));
  const ModelHandle tuned = open_model(path, options_with(PENSEE_BACKEND_AUTO, 0));
  CHECK(backend_of(tuned) == "native");
  CHECK(memory_of(tuned).weights == memory_of(exact).weights);
  const std::vector<float> mixed = logits_of(tuned, 40), plain = logits_of(exact, 40);
  CHECK(mixed == logits_of(native, 40));
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < mixed.size(); ++i) {
    const auto a = static_cast<double>(mixed[i]), b = static_cast<double>(plain[i]);
    ab += a * b;
    aa += a * a;
    bb += b * b;
  }
  CHECK(ab / std::sqrt(aa * bb) >= 0.9995);
}

TEST_CASE("tuning: copies that the memory budget has no room for are left out") {
  if (other_backend().empty()) return;
  const TextFile file("budget.json");
  file.write(tuning_of("F32", "float"));
  const std::string path = kData + "qwen2";
  const uint64_t alone = memory_of(open_model(path, options_with(PENSEE_BACKEND_NATIVE, 1))).weights;
  pensee_model_options options = options_with(PENSEE_BACKEND_AUTO, 0, file.path.c_str());
  options.memory_budget = alone + alone / 4;
  const ModelHandle model = open_model(path, options);
  const pensee_memory memory = memory_of(model);
  CHECK(memory.weights > alone);  // some found room
  CHECK(memory.weights <= options.memory_budget);
  CHECK(memory.used == memory.weights);
}

TEST_CASE("tuning: with exact off, auto takes int8 activations where nobody chose") {
  const TextFile file("none.json");
  file.write(R"({"pensee_tuning": 1, "table": []})");
  const std::string path = kData + "gguf_llama3_q4_0/model.gguf";
  const auto with = [&](int32_t backend, int32_t exact, int32_t activations) {
    pensee_model_options options = options_with(backend, exact, file.path.c_str());
    options.activations = activations;
    return logits_of(open_model(path, options), 12);
  };
  const auto int16 = with(PENSEE_BACKEND_NATIVE, 1, PENSEE_ACTIVATIONS_INT16);
  const auto int8 = with(PENSEE_BACKEND_NATIVE, 1, PENSEE_ACTIVATIONS_INT8);
  CHECK(int16 != int8);
  CHECK(with(PENSEE_BACKEND_AUTO, 1, PENSEE_ACTIVATIONS_AUTO) == int16);
  CHECK(with(PENSEE_BACKEND_AUTO, 0, PENSEE_ACTIVATIONS_AUTO) == int8);
  CHECK(with(PENSEE_BACKEND_AUTO, 0, PENSEE_ACTIVATIONS_INT16) == int16);
  CHECK(with(PENSEE_BACKEND_NATIVE, 0, PENSEE_ACTIVATIONS_AUTO) == int16);
}

TEST_CASE("tuning: what is measured is a file that opens; a broken one is an error that names it") {
  const TextFile file("measured.json");
  const std::string path = kData + "v3_as_shipped";
  const ModelHandle model = open_model(path);
  PENSEE_REQUIRE_OK(pensee_model_tune(model.get(), file.path.c_str(), nullptr, nullptr, &call_error));
  open_model(path, options_with(PENSEE_BACKEND_AUTO, 0, file.path.c_str()));

  const TextFile broken("broken.json");
  broken.write("{");
  pensee_model_options options = options_with(PENSEE_BACKEND_AUTO, 0, broken.path.c_str());
  pensee_model* none = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  CHECK(pensee_model_open(path.c_str(), &options, &none, &error) == PENSEE_FILE_CORRUPT);
  CHECK(std::string(error.message).find(broken.path) != std::string::npos);
  options.tuning_file = "/no/such/file.json";
  CHECK(pensee_model_open(path.c_str(), &options, &none, &error) == PENSEE_FILE_NOT_FOUND);

  // Cancelled: nothing is written.
  const TextFile never("never.json");
  const auto cancel = [](void*, float) { return 1; };
  CHECK(pensee_model_tune(model.get(), never.path.c_str(), cancel, nullptr, &error) == PENSEE_CANCELLED);
  CHECK(!std::ifstream(never.path).good());
}
