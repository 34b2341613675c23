// Packed files: a model that was saved as it lies in memory is the same model bit for bit, wherever its weights are
// used, and a file that is anything else is refused by name.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>

#include "base/checksum.h"
#include "engine/client.h"
#include "engine/small_model.h"
#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;
namespace fs = std::filesystem;

namespace {

const std::string kData = PENSEE_TEST_DATA "/goldens/data/";

// A path in a folder that goes with it.
struct Place {
  Place() {
    char pattern[] = "/tmp/pensee-packed-XXXXXX";
    REQUIRE(::mkdtemp(pattern) != nullptr);
    folder = pattern;
    path = folder + "/model.pensee";
  }
  ~Place() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  std::string folder, path;
};

using Opened = std::shared_ptr<Engine>;

EngineOptions options_with(PackedUse use = PackedUse::map, const std::string& isa = "") {
  EngineOptions options;
  options.threads = 2;
  options.packed_use = use;
  options.isa = isa;
  return options;
}

Opened opened(const std::string& path, const EngineOptions& options = options_with()) {
  auto engine = open_engine(path, options);
  if (!engine.ok()) FAIL(engine.status().message());
  return *engine;
}

Status status_of(const std::string& path, const EngineOptions& options = options_with()) {
  const auto engine = open_engine(path, options);
  return engine.ok() ? Status() : engine.status();
}

void save(const Engine& engine, const std::string& path) {
  const Status status = engine.save_packed(path, nullptr, nullptr);
  if (!status.ok()) FAIL(status.message());
}

std::vector<float> logits_of(const Engine& engine) {
  const int64_t vocab = engine.content.model->config.vocab_size;
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 9; ++i) ids.push_back(static_cast<int32_t>((i * 37 + 5) % vocab));
  std::vector<float> out;
  const Status status = engine.score(ids, {}, [&](int64_t, std::span<const float> row) {
    out.insert(out.end(), row.begin(), row.end());
  });
  REQUIRE(status.ok());
  return out;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::string original_of(const std::string& folder) {
  return file_exists(folder + "/model.gguf") ? folder + "/model.gguf" : folder;
}

// The index of a packed file, changed by `change` and sealed again.
template <class F>
std::string with_index(const std::string& file, F&& change) {
  uint64_t at[2];
  std::memcpy(at, file.data() + file.size() - 32, sizeof at);
  auto index = json::parse(std::string_view(file).substr(at[0], at[1]), "index");
  REQUIRE(index.ok());
  change(*index);
  const std::string text = json::dump_compact(*index);
  at[1] = text.size();
  Checksum checksum;
  checksum.add(std::as_bytes(std::span(file.data(), 16)));
  checksum.add(std::as_bytes(std::span(at)));
  checksum.add(std::as_bytes(std::span(text)));
  const uint64_t sum = checksum.value();
  std::string out = file.substr(0, at[0]) + text;
  out.append(reinterpret_cast<const char*>(at), sizeof at).append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return out + file.substr(file.size() - 8);
}

json::Value& member(json::Value& object, std::string_view name) {
  for (json::Member& m : *object.object()) {
    if (m.first == name) return m.second;
  }
  FAIL("no member " << name);
  return object;
}

json::Value& entry(json::Value& index, std::string_view name) {
  for (json::Value& e : *member(index, "entries").array()) {
    if (*member(e, "name").string() == name) return e;
  }
  FAIL("no entry " << name);
  return index;
}

Result<Opened> open_bytes(const std::string& bytes) {
  return open_engine(wrap_memory(std::as_bytes(std::span(bytes)), "damaged"), options_with());
}

}  // namespace

TEST_CASE("packed: every kind of model comes back bit for bit, mapped, read or verified, on every ISA") {
  for (const std::string& folder : golden_folders(kData)) {
    CAPTURE(folder);
    const Place place;
    const Opened original = opened(original_of(folder));
    save(*original, place.path);
    const std::vector<float> logits = logits_of(*original);
    const ModelFacts& facts = original->content.model->facts;
    for (const PackedUse use : {PackedUse::map, PackedUse::read, PackedUse::verify}) {
      for (const char* isa : {"", "scalar"}) {
        const Opened packed = opened(place.path, options_with(use, isa));
        const uint64_t used = packed->budget.used();  // no scratch yet
        CHECK(same(logits_of(*packed), logits));
        const ModelFacts& found = packed->content.model->facts;
        CHECK(found.weight_bytes == facts.weight_bytes);
        CHECK(found.active_weight_bytes == facts.active_weight_bytes);
        CHECK(found.parameters_total == facts.parameters_total);
        CHECK(found.parameters_active == facts.parameters_active);
        CHECK(found.quantization == facts.quantization);
        CHECK(found.has_mtp == facts.has_mtp);
        CHECK(packed->identity() == original->identity());
        CHECK(found.mapped_bytes == (use == PackedUse::read ? 0 : found.weight_bytes));
        CHECK(used == found.weight_bytes - found.mapped_bytes);
      }
    }
  }
}

TEST_CASE("packed: the prediction layer comes along, or is left out") {
  const Place place;
  const std::string v3 = kData + "v3_mtp";
  save(*opened(v3), place.path);
  REQUIRE(opened(place.path)->content.model->mtp);
  EngineOptions without = options_with();
  without.mtp = false;
  const Opened left_out = opened(place.path, without);
  CHECK_FALSE(left_out->content.model->mtp);
  CHECK(left_out->content.model->facts.has_mtp);
  save(*left_out, place.path);
  CHECK_FALSE(opened(place.path)->content.model->facts.has_mtp);
}

TEST_CASE("packed: stands alone: tokenizer, template and end tokens without the folder that it came from") {
  const Place place;
  std::optional<SmallModel> folder(std::in_place);
  ModelHandle original = open_model(folder->path());
  const pensee_options options = sampled(60, 7);
  const Answered expected = ask_new(original, prompt_of("Is it prime?"), options);
  PENSEE_REQUIRE_OK(pensee_model_save_packed(original.get(), place.path.c_str(), nullptr, nullptr, &call_error));
  original.reset();
  folder.reset();
  const ModelHandle packed = open_model(place.path);
  const Answered answered = ask_new(packed, prompt_of("Is it prime?"), options);
  CHECK(answered.tokens == expected.tokens);
  CHECK(answered.thought == expected.thought);
  CHECK(answered.answer == expected.answer);
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_memory memory = PENSEE_MEMORY_INIT;
  PENSEE_REQUIRE_OK(pensee_model_get_info(packed.get(), &info, &call_error));
  PENSEE_REQUIRE_OK(pensee_model_get_memory(packed.get(), &memory, &call_error));
  CHECK(info.eos_token_id == kEnd);
  CHECK(info.has_chat_template == 1);
  CHECK(memory.mapped == info.weight_bytes);
  CHECK(memory.weights == 0);
  const Place again;  // from a packed file too
  PENSEE_REQUIRE_OK(pensee_model_save_packed(packed.get(), again.path.c_str(), nullptr, nullptr, &call_error));
  CHECK(read_file(again.path) == read_file(place.path));
}

TEST_CASE("packed: part of a file, from a descriptor") {
  const Place place;
  const Opened original = opened(kData + "qwen2");
  save(*original, place.path);
  const std::string packed = read_file(place.path);
  for (const size_t before : {size_t{0}, size_t{4096}, size_t{64}, size_t{100}}) {
    write_file(place.folder + "/bundle", std::string(before, 'x') + packed + "yz");
    const int fd = ::open((place.folder + "/bundle").c_str(), O_RDONLY);
    auto file = open_descriptor(fd, before, packed.size());
    ::close(fd);
    REQUIRE(file.ok());
    auto engine = open_engine(*file, options_with());
    REQUIRE(engine.ok());
    CHECK(same(logits_of(**engine), logits_of(*original)));
    // Where it is not aligned the weights are copied.
    CHECK(((*engine)->content.model->facts.mapped_bytes > 0) == (before % 64 == 0));
  }
}

TEST_CASE("packed: replaced weights take memory, leave the file alone and are saved") {
  const Place place, again;
  const Opened original = opened(kData + "qwen2");
  save(*original, place.path);
  const std::string before = read_file(place.path);
  const Opened packed = opened(place.path);
  const ModelConfig& c = original->content.model->config;
  std::vector<float> numbers(static_cast<size_t>(c.hidden_size * c.intermediate_size));
  std::mt19937 random(1);
  for (float& x : numbers) x = std::normal_distribution<float>(0, 0.05f)(random);
  NamedTensor down;
  down.name = "model.layers.0.mlp.down_proj.weight";
  down.shape = {c.hidden_size, c.intermediate_size};
  down.data = std::as_bytes(std::span(numbers));
  const std::vector<float> old = logits_of(*packed);
  const uint64_t mapped = packed->content.model->facts.mapped_bytes;
  REQUIRE(original->set_weights(std::span(&down, 1)).ok());
  REQUIRE(packed->set_weights(std::span(&down, 1)).ok());
  CHECK_FALSE(same(logits_of(*packed), old));
  CHECK(same(logits_of(*packed), logits_of(*original)));
  const ModelFacts& facts = packed->content.model->facts;
  CHECK(facts.mapped_bytes < mapped);
  CHECK(packed->budget.used() >= facts.weight_bytes - facts.mapped_bytes);
  save(*packed, again.path);
  CHECK(same(logits_of(*opened(again.path)), logits_of(*original)));
  CHECK(read_file(place.path) == before);
}

TEST_CASE("packed: no truncation and no changed byte of what is checked goes unseen") {
  const Place place;
  save(*opened(kData + "gguf_qwen2_tied_q4_1/model.gguf"), place.path);
  const std::string whole = read_file(place.path);
  uint64_t index = 0;
  std::memcpy(&index, whole.data() + whole.size() - 32, sizeof index);
  const auto refused = [&](const std::string& bytes) {
    const auto engine = open_bytes(bytes);
    if (engine.ok()) return false;
    return engine.status().message().find("damaged") != std::string::npos;
  };
  REQUIRE(open_bytes(whole).ok());
  for (size_t size = 0; size < whole.size(); size += 1 + whole.size() / 300) CHECK(refused(whole.substr(0, size)));
  for (size_t size = whole.size() - 40; size < whole.size(); ++size) CHECK(refused(whole.substr(0, size)));
  CHECK(refused(whole + "x"));
  const auto flipped = [&](size_t at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x21);
    return bytes;
  };
  for (size_t at = 8; at < 16; ++at) CHECK(refused(flipped(at)));
  for (size_t at = index; at < whole.size(); at += at < whole.size() - 64 ? 7 : 1) CHECK(refused(flipped(at)));
  // In memory nothing is mapped, so entries are held against their checksums; bytes between them mean nothing.
  auto file = PackedFile::open(wrap_memory(std::as_bytes(std::span(whole))));
  REQUIRE(file.ok());
  for (const PackedEntry& e : (*file)->entries()) {
    for (const size_t at : {e.offset, e.offset + e.bytes / 2, e.offset + e.bytes - 1}) CHECK(refused(flipped(at)));
  }
}

TEST_CASE("packed: VERIFY sees a weight that is damaged, MAP does not look") {
  const Place place;
  save(*opened(kData + "qwen2"), place.path);
  std::string bytes = read_file(place.path);
  auto file = PackedFile::open(wrap_memory(std::as_bytes(std::span(bytes))));
  REQUIRE(file.ok());
  const PackedEntry* weight = (*file)->find("layers.0.attention.qkv.0");
  REQUIRE(weight != nullptr);
  bytes[weight->offset + 3] = static_cast<char>(bytes[weight->offset + 3] ^ 1);
  write_file(place.path, bytes);
  CHECK(status_of(place.path).ok());
  const Status status = status_of(place.path, options_with(PackedUse::verify));
  CHECK(status.code() == Code::file_corrupt);
  CHECK(status.message().find("layers.0.attention.qkv.0") != std::string::npos);
  CHECK(status_of(place.path, options_with(PackedUse::read)).code() == Code::file_corrupt);
}

TEST_CASE("packed: an index that lies about shapes, types and places is refused by name") {
  const Place place;
  save(*opened(kData + "deepseek_v3"), place.path);
  const std::string whole = read_file(place.path);
  REQUIRE(open_bytes(with_index(whole, [](json::Value&) {})).ok());
  const std::string qkv = "layers.1.attention.down.0";
  const auto lie = [&](std::string_view what, const std::function<void(json::Value&)>& change) {
    CAPTURE(what);
    const auto engine = open_bytes(with_index(whole, change));
    REQUIRE_FALSE(engine.ok());
    CHECK(engine.status().message().find("damaged") != std::string::npos);
  };
  for (const char* side : {"matrices", "rows", "cols", "bytes", "at"}) {
    for (const int64_t value : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{31}, int64_t{1} << 40, INT64_MAX}) {
      if (std::string_view(side) == "matrices" && value == 1) continue;  // the truth
      lie(format("{} {}", side, value), [&](json::Value& i) { member(entry(i, qkv), side) = value; });
    }
    lie(format("{} a text", side), [&](json::Value& i) { member(entry(i, qkv), side) = "12"; });
  }
  lie("type", [&](json::Value& i) { member(entry(i, qkv), "type") = "Q4_0"; });
  lie("type none", [&](json::Value& i) { member(entry(i, qkv), "type") = "Q9"; });
  lie("layout", [&](json::Value& i) { member(entry(i, qkv), "layout") = "u4s"; });
  lie("missing", [&](json::Value& i) { member(entry(i, qkv), "name") = "other"; });
  lie("twice", [&](json::Value& i) { member(entry(i, qkv), "name") = "layers.0.attention.down.0"; });
  lie("a part too many", [&](json::Value& i) { member(entry(i, qkv), "name") = "layers.0.attention.down.1"; });
  lie("norm", [&](json::Value& i) { member(entry(i, "final_norm"), "bytes") = int64_t{4}; });
  lie("norm missing", [&](json::Value& i) { member(entry(i, "final_norm"), "name") = "x"; });
  lie("no config", [&](json::Value& i) { member(entry(i, "text/config.json"), "name") = "x"; });
  lie("vocabulary", [&](json::Value& i) { member(member(member(i, "about"), "model"), "vocab_size") = 8; });
  lie("vocabulary 0", [&](json::Value& i) { member(member(member(i, "about"), "model"), "vocab_size") = 0; });
  lie("naming", [&](json::Value& i) { member(member(i, "about"), "naming") = "onnx"; });
  lie("about", [&](json::Value& i) { member(i, "about") = json::Array(); });
  const auto newer = open_bytes(
      with_index(whole, [](json::Value& i) { member(member(i, "about"), "layouts") = int64_t{99}; }));
  CHECK(newer.status().code() == Code::unsupported);
  CHECK(newer.status().message().find("pack the original again") != std::string::npos);
  std::string version = whole;
  version[8] = 2;
  CHECK(open_bytes(version).status().code() == Code::unsupported);
}

TEST_CASE("packed: what cannot be saved says so, and leaves an older file as it was") {
  const Place place;
  const Opened original = opened(kData + "gguf_qwen2_tied_q4_1/model.gguf");
  save(*original, place.path);
  const std::string before = read_file(place.path);
  struct stat info = {};
  REQUIRE(::stat(place.path.c_str(), &info) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((info.st_mode & 0777) == (0666 & ~mask));

  CHECK(original->save_packed(place.folder + "/no/such", nullptr, nullptr).code() == Code::file_io);
  int calls = 0;
  const auto cancels = [](void* user, float) { return ++*static_cast<int*>(user) < 2; };
  CHECK(original->save_packed(place.path, cancels, &calls).code() == Code::cancelled);
  CHECK(calls == 2);
  CHECK(read_file(place.path) == before);
  CHECK(std::distance(fs::directory_iterator(place.folder), fs::directory_iterator()) == 1);

  EngineOptions headers = options_with();
  headers.skip_weights = true;
  CHECK(opened(place.path, headers)->content.model->facts.quantization ==
        original->content.model->facts.quantization);
  CHECK(opened(place.path, headers)->save_packed(place.path, nullptr, nullptr).code() == Code::unsupported);
  const std::string copy = place.folder + "/copy.gguf";
  const std::string gguf = read_file(kData + "gguf_qwen2_tied_q4_1/model.gguf");
  write_file(copy, gguf);
  const Opened changing = opened(copy);
  write_file(copy, gguf + "x");
  const Status changed = changing->save_packed(place.path, nullptr, nullptr);
  CHECK(changed.code() == Code::file_io);
  CHECK(changed.message().find("copy.gguf") != std::string::npos);
  CHECK(read_file(place.path) == before);
}

TEST_CASE("memory: the caller's bytes are read while it is opened and never again, packed or not") {
  const Place place;
  const std::string gguf = kData + "gguf_qwen2_tied_q4_1/model.gguf";
  const Opened original = opened(gguf);
  save(*original, place.path);
  const std::string before = read_file(place.path);
  for (const std::string& path : {gguf, place.path}) {
    CAPTURE(path);
    auto bytes = std::make_unique<std::string>(read_file(path));
    const auto model = open_engine(wrap_memory(std::as_bytes(std::span(*bytes))), options_with());
    REQUIRE(model.ok());
    std::fill(bytes->begin(), bytes->end(), '\xff');  // seen without sanitizers too
    bytes.reset();
    CHECK(same(logits_of(**model), logits_of(*original)));
    CHECK((*model)->save_packed(place.path, nullptr, nullptr).code() == Code::unsupported);
    CHECK(read_file(place.path) == before);
  }
  EngineOptions keeps = options_with();
  keeps.keep_file = true;
  const std::string bytes = read_file(gguf);
  const auto refused = open_engine(wrap_memory(std::as_bytes(std::span(bytes))), keeps);
  CHECK(refused.status().code() == Code::unsupported);
  CHECK(refused.status().message().find("keep_file") != std::string::npos);
  CHECK(open_engine(wrap_memory(std::as_bytes(std::span(before))), keeps).ok());  // it changes nothing there
}

TEST_CASE("packed: a budget counts what is read and not what is mapped") {
  const Place place;
  save(*opened(kData + "qwen2"), place.path);
  EngineOptions tight = options_with();
  tight.memory_budget = 1000;
  CHECK(status_of(place.path, tight).ok());
  tight.packed_use = PackedUse::read;
  const Status status = status_of(place.path, tight);
  CHECK(status.code() == Code::out_of_memory);
  CHECK(status.message().find("1000") != std::string::npos);
}
