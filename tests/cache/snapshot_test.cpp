// Snapshots: the same bits come back, nothing but the same bits comes back, and a save that dies leaves what was there.
#include "cache/snapshot.h"

#include <doctest/doctest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/checksum.h"

using namespace pensee;
namespace fs = std::filesystem;

namespace {

constexpr const char* kModel = "architecture: llama\nvocabulary: 49152\nweights: 0123456789abcdef\n";

// Two layers: grouped-query with 3 heads, and latent; rows of odd sizes.
CacheShape shape_of(CacheType type = CacheType::f16) {
  CacheShape shape;
  shape.key_type = shape.value_type = type;
  shape.layers.resize(2);
  shape.layers[0].heads = 3;
  shape.layers[0].key_dim = 5;
  shape.layers[0].value_dim = 7;
  shape.layers[1].key_dim = 9;
  shape.layout();
  return shape;
}

struct Session {
  std::vector<int32_t> tokens;
  CacheSequence sequence;
};

// Fills every byte of its pages, also where nothing is to be saved.
Session make_session(const CacheShape& shape, MemoryBudget& budget, int64_t positions, uint32_t seed) {
  Session s = {{}, CacheSequence(shape, budget)};
  std::mt19937 random(seed);
  REQUIRE(s.sequence.reserve(positions).ok());
  for (int64_t i = 0; i * kPagePositions < positions; ++i) {
    for (int64_t b = 0; b < shape.page_bytes; ++b) s.sequence.page(i)[b] = static_cast<std::byte>(random());
  }
  s.sequence.set_length(positions);
  for (int64_t i = 0; i < positions; ++i) s.tokens.push_back(static_cast<int32_t>(random() % 49152));
  return s;
}

// Row by row, as attention reads them, where rows stand one behind another; else block by block.
bool same_rows(const CacheSequence& a, const CacheSequence& b) {
  if (a.length() != b.length()) return false;
  const CacheShape& shape = a.shape();
  for (int64_t p = 0; p < a.length(); ++p) {
    const auto same = [&](int64_t offset, int64_t heads, const CacheRows& rows, int64_t block) {
      const bool side_by_side = is_side_by_side(rows.type);
      const int64_t row = side_by_side ? block : cache_row_bytes(rows);
      const int64_t begin = side_by_side ? 0 : p % kPagePositions * row;
      bool all = true;
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t at = offset + head * block + begin;
        all &= std::memcmp(a.page(p / kPagePositions) + at, b.page(p / kPagePositions) + at,
                           static_cast<size_t>(row)) == 0;
      }
      return all;
    };
    for (const CacheLayer& layer : shape.layers) {
      if (!same(layer.key_offset, layer.heads, layer.key_rows, layer.key_block)) return false;
      if (!same(layer.value_offset, layer.heads, layer.value_rows, layer.value_block)) return false;
    }
  }
  return true;
}

std::vector<std::byte> saved(const Session& s, const char* model = kModel) {
  MemorySink sink;
  REQUIRE(write_snapshot(model, s.tokens, s.sequence, sink).ok());
  return sink.data;
}
Result<Snapshot> restored(std::span<const std::byte> bytes, const CacheShape& shape, MemoryBudget& budget,
                          const char* model = kModel, int64_t positions_max = 4096) {
  return read_snapshot(*wrap_memory(bytes, "saved"), model, shape, budget, positions_max);
}

struct TempFolder {
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "pensee_snapshot_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempFolder() { fs::remove_all(path); }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
  fs::path path;
};

// One of `sessions`; read once, because others may be writing.
bool holds(const std::string& path, std::span<const Session> sessions) {
  MemoryBudget budget(0);
  const auto file = open_file(path);
  if (!file.ok()) return false;
  const auto read = read_snapshot(**file, kModel, sessions.front().sequence.shape(), budget, 4096);
  return read.ok() && std::any_of(sessions.begin(), sessions.end(), [&](const Session& s) {
           return read->tokens == s.tokens && same_rows(read->sequence, s.sequence);
         });
}
bool holds(const std::string& path, const Session& s) { return holds(path, std::span(&s, 1)); }

}  // namespace

TEST_CASE("checksum: is XXH64, in one piece or in many") {
  // From the xxhash library, over bytes (7 i + 3) mod 256.
  constexpr std::pair<size_t, uint64_t> known[] = {
      {0, 0xef46db3751d8e999},   {1, 0x1f25c8d0bc1f4bb6},    {3, 0x31d2363f52e564c9},    {4, 0x9bb64b7d66ee9fda},
      {7, 0x9a7b149959ce60d8},   {8, 0xdab99d95c6f90092},    {9, 0x170bb6bf975b4c02},    {31, 0xa2aa5f33cc4a6119},
      {32, 0x23c3c17ef790fd97},  {33, 0x50a7cfc7ba588784},   {63, 0x5e3e54b431c7493c},   {64, 0x0eb64b3ef6eeb01f},
      {100, 0xa61f8d4c170fe531}, {1000, 0x5f235fa033f1a3fb}, {4133, 0x084b9850ee807ac8},
  };
  std::mt19937 random(1);
  for (const auto& [size, value] : known) {
    CAPTURE(size);
    std::vector<std::byte> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(7 * i + 3);
    Checksum whole, pieces;
    whole.add(bytes);
    CHECK(whole.value() == value);
    for (size_t at = 0; at < size;) {
      const size_t count = std::min<size_t>(random() % 70, size - at);
      pieces.add(std::span(bytes).subspan(at, count));
      at += count;
    }
    CHECK(pieces.value() == value);
  }
}

TEST_CASE("snapshot: what comes back has the same bits, from forks and shared pages too") {
  MemoryBudget budget(0);
  for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::int8, CacheType::int4}) {
    const CacheShape shape = shape_of(type);
    for (const int64_t positions : {0, 1, 63, 64, 65, 200, 256}) {
      CAPTURE(positions);
      const Session s = make_session(shape, budget, positions, static_cast<uint32_t>(positions));
      const auto bytes = saved(s);
      const auto back = restored(bytes, shape, budget);
      REQUIRE_MESSAGE(back.ok(), back.status().message());
      CHECK(back->tokens == s.tokens);
      CHECK(same_rows(back->sequence, s.sequence));
      CHECK(saved({back->tokens, back->sequence}) == bytes);

      Session fork = s;  // shares every page
      CHECK(saved(fork) == bytes);
      const int64_t shorter = positions * 2 / 3;
      fork.sequence.set_length(shorter);
      fork.tokens.resize(static_cast<size_t>(shorter));
      const auto back2 = restored(saved(fork), shape, budget);
      REQUIRE(back2.ok());
      CHECK(same_rows(back2->sequence, fork.sequence));
    }
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("snapshot: rows beyond the length are not stored") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const size_t empty = saved(make_session(shape, budget, 0, 1)).size();
  const size_t row = 2 * (3 * 5 + 3 * 7 + 9);
  CHECK(saved(make_session(shape, budget, 3, 1)).size() == empty + 3 * 4 + 24 + 3 * row);
  CHECK(saved(make_session(shape, budget, 67, 1)).size() == empty + 67 * 4 + 48 + 67 * row);
}

TEST_CASE("snapshot: another model or another cache is refused by the name of what differs") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const auto bytes = saved(make_session(shape, budget, 70, 1));
  const auto refusal = [&](const CacheShape& other, const char* model) {
    const auto read = restored(bytes, other, budget, model);
    REQUIRE_FALSE(read.ok());
    CHECK(read.status().code() == Code::bad_argument);
    return read.status().message();
  };
  const auto has = [](const std::string& text, const char* part) { return text.find(part) != text.npos; };
  const std::string vocabulary = refusal(shape, "architecture: llama\nvocabulary: 5\nweights: 0123456789abcdef\n");
  CHECK(has(vocabulary, "'vocabulary: 49152' there"));
  CHECK(has(vocabulary, "'vocabulary: 5' here"));
  CHECK(has(refusal(shape, "architecture: llama\nvocabulary: 49152\n"), "'weights: 0123456789abcdef' there, '' here"));
  CHECK(has(refusal(shape_of(CacheType::f32), kModel), "the cache type of keys: f16 there, f32 here"));
  CacheShape wider = shape;
  wider.value_type = CacheType::int8;
  CHECK(has(refusal(wider, kModel), "the cache type of values: f16 there, int8 here"));
  wider = shape;
  wider.layers[1].key_dim = 10;
  CHECK(has(refusal(wider, kModel), "layer 1: numbers of a key: 9 there, 10 here"));
  wider.layers.resize(1);
  CHECK(has(refusal(wider, kModel), "the number of layers: 2 there, 1 here"));
  CHECK(restored(bytes, shape, budget, kModel, 69).status().code() == Code::context_full);
  CHECK(restored(bytes, shape, budget, kModel, 70).ok());
  MemoryBudget small(static_cast<uint64_t>(shape.page_bytes));
  CHECK(restored(bytes, shape, small).status().code() == Code::out_of_memory);
  CHECK(small.used() == 0);
  CHECK(budget.used() == 0);
}

TEST_CASE("snapshot: cut at any byte, or with any byte changed, it is refused and takes no memory") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const auto bytes = saved(make_session(shape, budget, 70, 2));
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto read = restored(std::span(bytes).first(size), shape, budget);
    REQUIRE_FALSE(read.ok());
    REQUIRE(read.status().code() == Code::file_corrupt);
  }
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const auto flip : {1, 0x80, 0xff}) {
      auto other = bytes;
      other[at] ^= static_cast<std::byte>(flip);
      const auto read = restored(other, shape, budget);
      REQUIRE_FALSE(read.ok());
      REQUIRE(read.status().code() != Code::internal);
      REQUIRE(read.status().message().size() < 600);
    }
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  CHECK(restored(longer, shape, budget).status().code() == Code::file_corrupt);
  CHECK(budget.used() == 0);
}

TEST_CASE("snapshot: lengths that lie are refused before memory is taken, right checksums or not") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const auto bytes = saved(make_session(shape, budget, 70, 3));
  std::mt19937_64 random(4);
  std::vector<size_t> begins;  // of sections
  for (size_t at = 16; at < bytes.size();) {
    begins.push_back(at);
    uint64_t length;
    std::memcpy(&length, bytes.data() + at + 8, 8);
    at += 24 + length;
  }
  REQUIRE(begins.size() == 5);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    auto other = bytes;
    const size_t at = begins[random() % begins.size()];
    uint64_t length;
    std::memcpy(&length, other.data() + at + 8, 8);
    if (round % 2) {  // another length
      const uint64_t lie = round % 4 == 1 ? random() >> random() % 64 : length + random() % 64 - 32;
      std::memcpy(other.data() + at + 8, &lie, 8);
    } else {  // other words, and the checksum to go with them
      const size_t word = at + 16 + random() % length / 4 * 4;
      const auto value = static_cast<uint32_t>(random() >> random() % 64);
      std::memcpy(other.data() + word, &value, std::min<size_t>(4, at + 16 + length - word));
      Checksum checksum;
      checksum.add(std::span(other).subspan(at, 16 + length));
      const uint64_t sum = checksum.value();
      std::memcpy(other.data() + at + 16 + length, &sum, 8);
    }
    const auto read = restored(other, shape, budget);
    if (read.ok()) {  // other tokens or other numbers: nothing that anybody could tell
      REQUIRE(read->tokens.size() == 70);
      REQUIRE((round % 2 == 0 || other == bytes));
    }
    refused += !read.ok();
  }
  CHECK(refused > 10000);
  CHECK(budget.used() == 0);
}

TEST_CASE("save: replaces a file whole, for its owner's eyes, and leaves nothing else in the folder") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const TempFolder folder;
  const std::string path = folder.path / "talk.session";
  for (const uint32_t seed : {1u, 2u}) {
    const Session s = make_session(shape, budget, 100 + seed, seed);
    REQUIRE(save_snapshot(path, kModel, s.tokens, s.sequence).ok());
    CHECK(holds(path, s));
    CHECK(folder.files() == 1);
  }
  struct stat info = {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("save: links are replaced or refused, never followed") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const TempFolder folder, elsewhere;
  const std::string path = folder.path / "s", precious = elsewhere.path / "precious";
  std::ofstream(precious) << "precious";
  const Session s = make_session(shape, budget, 10, 1);
  const auto save = [&] { return save_snapshot(path, kModel, s.tokens, s.sequence); };
  fs::create_symlink(precious, path);
  CHECK(save().ok());
  CHECK(fs::is_regular_file(fs::symlink_status(path)));
  for (const bool hard : {false, true}) {
    const std::string temporary = path + ".pensee-tmp";
    hard ? fs::create_hard_link(precious, temporary) : fs::create_symlink(precious, temporary);
    CHECK(save().code() == Code::file_io);
    CHECK(holds(path, s));
    fs::remove(temporary);
  }
  CHECK(fs::file_size(precious) == 8);
  CHECK(elsewhere.files() == 1);
}

TEST_CASE("save: where it cannot, it says why and the old file stays") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const TempFolder folder;
  const std::string path = folder.path / "s";
  const Session old = make_session(shape, budget, 10, 1), large = make_session(shape, budget, 1000, 2);
  CHECK(save_snapshot(folder.path / "none" / "s", kModel, old.tokens, old.sequence).code() == Code::file_io);
  CHECK(save_snapshot(folder.path, kModel, old.tokens, old.sequence).code() == Code::file_io);
  CHECK(save_snapshot("", kModel, old.tokens, old.sequence).code() == Code::file_io);
  CHECK_FALSE(fs::exists(folder.path.string() + ".pensee-tmp"));
  REQUIRE(save_snapshot(path, kModel, old.tokens, old.sequence).ok());
  {
    AtomicFile other(path);
    REQUIRE(other.open().ok());
    CHECK(save_snapshot(path, kModel, old.tokens, old.sequence).code() == Code::busy);
    CHECK(folder.files() == 2);
  }
  CHECK(folder.files() == 1);
  const pid_t child = fork();
  if (child == 0) {  // a disk that is full
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {20000, 20000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Status status = save_snapshot(path, kModel, large.tokens, large.sequence);
    _exit(status.code() == Code::file_io && status.message().find("larger than allowed") != std::string::npos ? 7 : 8);
  }
  int exit_status = 0;
  REQUIRE(waitpid(child, &exit_status, 0) == child);
  REQUIRE(WIFEXITED(exit_status));
  CHECK(WEXITSTATUS(exit_status) == 7);
  CHECK(folder.files() == 1);
  CHECK(holds(path, old));
}

TEST_CASE("save: killed at any moment, it leaves an old or a new file that restores, and the next save works") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const TempFolder folder;
  const std::string path = folder.path / "s";
  const Session sessions[] = {make_session(shape, budget, 3000, 1), make_session(shape, budget, 2000, 2)};
  const auto save = [&](const Session& s) { return save_snapshot(path, kModel, s.tokens, s.sequence); };
  REQUIRE(save(sessions[0]).ok());
  std::mt19937 random(5);
  int halves = 0, killed = 0;
  for (int round = 0; round < 60; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0;; ++i) {
        if (!save(sessions[i % 2]).ok()) _exit(1);
      }
    }
    usleep(random() % 4000);
    kill(child, SIGKILL);
    int exit_status = 0;
    REQUIRE(waitpid(child, &exit_status, 0) == child);
    killed += WIFSIGNALED(exit_status);
    REQUIRE(holds(path, sessions));
    REQUIRE(folder.files() <= 2);
    halves += folder.files() == 2;
  }
  CHECK(killed == 60);
  CHECK(halves > 0);  // some did die in the middle
  CHECK(save(sessions[1]).ok());
  CHECK(holds(path, sessions[1]));
  CHECK(folder.files() == 1);
}

TEST_CASE("save: processes that save to one path at once leave a whole file") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  const TempFolder folder;
  const std::string path = folder.path / "s";
  const Session sessions[] = {make_session(shape, budget, 300, 1), make_session(shape, budget, 200, 2)};
  pid_t children[2];
  for (int c = 0; c < 2; ++c) {
    children[c] = fork();
    if (children[c] != 0) continue;
    int done = 0;
    for (int i = 0; i < 20000 && done < 30; ++i) {
      usleep(static_cast<useconds_t>(100 * (i % 7 + c)));
      const Status status = save_snapshot(path, kModel, sessions[c].tokens, sessions[c].sequence);
      if (!status.ok() && status.code() != Code::busy) _exit(1);
      if (done > 0 && !holds(path, sessions)) _exit(2);
      done += status.ok();
    }
    _exit(done > 0 ? 0 : 3);
  }
  for (const pid_t child : children) {
    int exit_status = 0;
    REQUIRE(waitpid(child, &exit_status, 0) == child);
    CHECK(WIFEXITED(exit_status));
    CHECK(WEXITSTATUS(exit_status) == 0);
  }
  CHECK(holds(path, sessions));
  CHECK(folder.files() == 1);
}
