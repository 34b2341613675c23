// Pages: who shares them, who copies them, and that every byte that was taken from the budget is given back.
#include "cache/cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

using namespace pensee;

namespace {

// Two layers: grouped-query with 3 heads, and latent.
CacheShape shape_of(CacheType type = CacheType::f32) {
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

// Position p of a sequence holds a byte of its own at its place in its page.
std::byte& slot(const CacheSequence& sequence, int64_t position) {
  return sequence.page(position / kPagePositions)[position % kPagePositions];
}
void write(CacheSequence& sequence, int64_t until, uint8_t value) {
  REQUIRE(sequence.reserve(until).ok());
  for (int64_t p = sequence.length(); p < until; ++p) slot(sequence, p) = static_cast<std::byte>(value);
  sequence.set_length(until);
}
bool holds(const CacheSequence& sequence, int64_t from, int64_t until, uint8_t value) {
  for (int64_t p = from; p < until; ++p) {
    if (slot(sequence, p) != static_cast<std::byte>(value)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("cache: the parts of a page do not overlap, are aligned, and fill it") {
  for (const CacheType type : {CacheType::f32, CacheType::f16, CacheType::bf16, CacheType::int8, CacheType::int4}) {
    const CacheShape shape = shape_of(type);
    const CacheLayer &grouped = shape.layers[0], &latent = shape.layers[1];
    CHECK(grouped.key_offset == 0);
    CHECK(grouped.value_offset >= 3 * cache_block_bytes({type, 5, 5}));
    CHECK(latent.key_offset >= grouped.value_offset + 3 * cache_block_bytes({type, 7, 7}));
    CHECK(latent.key_rows.dim == 9);
    CHECK(latent.value_offset == latent.key_offset);  // the value lies inside the key
    CHECK(shape.page_bytes >= latent.key_offset + cache_block_bytes(latent.key_rows));
    CHECK(shape.page_bytes < latent.key_offset + cache_block_bytes(latent.key_rows) + 64);
    for (const int64_t offset : {grouped.value_offset, latent.key_offset, shape.page_bytes}) CHECK(offset % 64 == 0);
  }
}

TEST_CASE("cache: pages come one for 64 positions, zeroed, and go with truncation") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(0);
  {
    CacheSequence sequence(shape, budget);
    CHECK(budget.used() == 0);
    REQUIRE(sequence.reserve(1).ok());
    CHECK(budget.used() == page);
    for (int64_t i = 0; i < shape.page_bytes; ++i) REQUIRE(sequence.page(0)[i] == std::byte{0});
    CHECK(reinterpret_cast<uintptr_t>(sequence.page(0)) % 64 == 0);
    write(sequence, 64, 1);
    CHECK(budget.used() == page);
    write(sequence, 65, 1);
    CHECK(budget.used() == 2 * page);
    write(sequence, 300, 1);
    CHECK(budget.used() == 5 * page);
    sequence.set_length(128);
    CHECK(budget.used() == 2 * page);
    sequence.set_length(1);
    CHECK(budget.used() == page);
    CHECK(holds(sequence, 0, 1, 1));
    sequence.set_length(0);
    CHECK(budget.used() == 0);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("cache: a copy shares pages until one of the two writes") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(0);
  {
    CacheSequence first(shape, budget);
    write(first, 100, 1);
    CacheSequence second = first;
    CHECK(budget.used() == 2 * page);
    CHECK(second.page(0) == first.page(0));
    write(second, 110, 2);
    CHECK(budget.used() == 3 * page);  // the first page is full: nobody writes it
    CHECK(second.page(0) == first.page(0));
    write(first, 105, 3);
    CHECK(holds(first, 0, 100, 1));
    CHECK(holds(first, 100, 105, 3));
    CHECK(holds(second, 0, 100, 1));
    CHECK(holds(second, 100, 110, 2));
    second.set_length(10);  // and again: back into the shared page
    write(second, 20, 4);
    CHECK(holds(first, 0, 64, 1));
    CHECK(holds(second, 0, 10, 1));
    CHECK(holds(second, 10, 20, 4));
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("cache: pages that were reserved but not filled are not written by two") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  for (const int64_t filled : {0, 30, 64}) {
    CAPTURE(filled);
    CacheSequence first(shape, budget);
    write(first, filled, 1);
    REQUIRE(first.reserve(filled + 130).ok());  // a pass that was cancelled
    CacheSequence second = first;
    write(first, filled + 130, 2);
    write(second, filled + 130, 3);
    CHECK(holds(first, filled, filled + 130, 2));
    CHECK(holds(second, filled, filled + 130, 3));
  }
}

TEST_CASE("cache: a refused reserve leaves what is there, and less still fits") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(3 * page + page / 2);
  {
    CacheSequence first(shape, budget), second(shape, budget);
    write(first, 128, 1);
    const Status refused = second.reserve(129);
    REQUIRE(refused.code() == Code::out_of_memory);
    CHECK(refused.message().find("memory_budget") != std::string::npos);
    CHECK(second.length() == 0);
    write(second, 60, 2);
    CHECK(second.reserve(65).code() == Code::out_of_memory);
    CHECK(holds(first, 0, 128, 1));
    CHECK(holds(second, 0, 60, 2));
    CacheSequence third = second;  // shared: no bytes, but no room for the copy that writing needs
    CHECK(third.reserve(61).code() == Code::out_of_memory);
    CHECK(holds(third, 0, 60, 2));
    first.set_length(64);
    write(third, 64, 3);
    CHECK(holds(second, 0, 60, 2));
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("budget: takes up to its limit, and a lying size does not wrap around") {
  MemoryBudget budget(100);
  CHECK(budget.take(100));
  CHECK_FALSE(budget.take(1));
  CHECK_FALSE(budget.take(UINT64_MAX));
  budget.give(40);
  CHECK(budget.take(40));
  budget.give(100);
  CHECK(budget.used() == 0);
}

namespace {

// Gives what it holds in pieces of 10.
struct Hoard final : Reclaimer {
  Hoard(MemoryBudget& b, uint64_t bytes) : budget(b), held(bytes) {}
  uint64_t reclaim(uint64_t bytes) noexcept override {
    ++asked;
    const uint64_t given = std::min((bytes + 9) / 10 * 10, held);
    held -= given;
    budget.give(given);
    return given;
  }
  MemoryBudget& budget;
  uint64_t held;
  int asked = 0;
};

}  // namespace

TEST_CASE("budget: a reclaimer is asked for what is missing, and only when that can help") {
  MemoryBudget budget(100);
  REQUIRE(budget.take(100));
  Hoard hoard(budget, 60);
  CHECK_FALSE(budget.take(1));
  budget.set_reclaimer(&hoard);
  CHECK(budget.take(5));
  CHECK(hoard.held == 50);
  CHECK(budget.take(5));  // left over from the last piece
  CHECK(hoard.asked == 1);
  CHECK_FALSE(budget.take(101));
  CHECK(hoard.held == 50);
  CHECK(budget.take(50));
  CHECK(hoard.held == 0);
  CHECK_FALSE(budget.take(1));
  CHECK(budget.used() == 100);
  budget.set_reclaimer(nullptr);
}

TEST_CASE("budget: threads that take and give never pass the limit, and nothing is lost") {
  MemoryBudget budget(100);
  std::atomic<bool> passed{false};
  const auto work = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 20000; ++i) {
      const uint64_t bytes = 1 + random() % 60;
      if (!budget.take(bytes)) continue;
      if (budget.used() > 100) passed = true;
      budget.give(bytes);
    }
  };
  std::thread other(work, 1);
  work(2);
  other.join();
  CHECK_FALSE(passed);
  CHECK(budget.used() == 0);
}

TEST_CASE("cache: a fork of a long conversation costs no pages, and its pages go one by one as the two part") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(0);
  CacheSequence trunk(shape, budget);
  write(trunk, 64 * 20 + 10, 1);
  std::vector<CacheSequence> forks(8, trunk);
  CHECK(budget.used() == 21 * page);
  for (size_t f = 0; f < forks.size(); ++f) {
    CHECK(forks[f].share(20).shared());
    write(forks[f], 64 * 20 + 20, static_cast<uint8_t>(10 + f));
    CHECK_FALSE(forks[f].share(20).shared());
  }
  CHECK(budget.used() == 29 * page);
  for (size_t f = 0; f < forks.size(); ++f) {
    CHECK(holds(forks[f], 0, 64 * 20 + 10, 1));
    CHECK(holds(forks[f], 64 * 20 + 10, 64 * 20 + 20, static_cast<uint8_t>(10 + f)));
  }
  trunk.set_length(64 * 5);  // the forks still hold all of it
  CHECK(budget.used() == 28 * page);
  forks.resize(1, trunk);
  forks[0].set_length(64 * 10);
  CHECK(budget.used() == 10 * page);
  CHECK(holds(forks[0], 0, 64 * 10, 1));
}

TEST_CASE("cache: random writes, copies and truncations equal plain arrays") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  std::mt19937 random(3);
  {
    std::vector<CacheSequence> sequences(3, CacheSequence(shape, budget));
    std::vector<std::vector<uint8_t>> plain(3);
    for (int round = 0; round < 3000; ++round) {
      const size_t a = random() % 3, b = random() % 3;
      const auto value = static_cast<uint8_t>(1 + random() % 255);
      switch (random() % 4) {
        case 0:
        case 1: {
          const size_t until = plain[a].size() + random() % 90;
          if (until > 600) break;
          write(sequences[a], static_cast<int64_t>(until), value);
          plain[a].resize(until, value);
          break;
        }
        case 2: {
          const size_t length = plain[a].empty() ? 0 : random() % plain[a].size();
          sequences[a].set_length(static_cast<int64_t>(length));
          plain[a].resize(length);
          break;
        }
        default:
          sequences[a] = sequences[b];
          plain[a] = plain[b];
      }
      for (size_t s = 0; s < 3; ++s) {
        REQUIRE(sequences[s].length() == static_cast<int64_t>(plain[s].size()));
        for (size_t p = 0; p < plain[s].size(); ++p) {
          REQUIRE(slot(sequences[s], static_cast<int64_t>(p)) == static_cast<std::byte>(plain[s][p]));
        }
      }
    }
  }
  CHECK(budget.used() == 0);
}
