// The prefix cache against a model that keeps a plain list of prefixes: the same lengths found, the same victims, and
// pages that hold what their tokens say whoever wrote and whoever forked.
#include "cache/prefix_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

using namespace pensee;

namespace {

using Ids = std::vector<int32_t>;

CacheShape shape_of() {
  CacheShape shape;
  shape.layers.resize(1);
  shape.layers[0].key_dim = 1;
  shape.layout();  // a float a position
  return shape;
}

// What position p must hold: a digest of all tokens up to it, as attention makes it.
std::vector<float> digests(std::span<const int32_t> tokens) {
  std::vector<float> all;
  uint32_t state = 17;
  for (const int32_t t : tokens) {
    state = state * 2654435761u + static_cast<uint32_t>(t) + 1;
    all.push_back(static_cast<float>(state >> 8));
  }
  return all;
}
float* slot(const CacheSequence& sequence, int64_t position) {
  return reinterpret_cast<float*>(sequence.page(position / kPagePositions)) + position % kPagePositions;
}
Status compute(CacheSequence& sequence, std::span<const int32_t> tokens) {
  const auto values = digests(tokens);
  PENSEE_TRY(sequence.reserve(static_cast<int64_t>(tokens.size())));
  for (auto p = static_cast<size_t>(sequence.length()); p < tokens.size(); ++p) {
    *slot(sequence, static_cast<int64_t>(p)) = values[p];
  }
  sequence.set_length(static_cast<int64_t>(tokens.size()));
  return Status();
}
bool right(const CacheSequence& sequence, std::span<const int32_t> tokens) {
  const auto values = digests(tokens);
  for (int64_t p = 0; p < sequence.length(); ++p) {
    if (*slot(sequence, p) != values[static_cast<size_t>(p)]) return false;
  }
  return true;
}

// Pages of few kinds, so that prefixes meet; now and then one that differs from its kind somewhere.
Ids random_tokens(std::mt19937& random, size_t most) {
  Ids tokens;
  const size_t length = 1 + random() % most;
  while (tokens.size() < length) {
    const auto kind = static_cast<int32_t>(random() % 3);
    const size_t odd = random() % 4 == 0 ? random() % 64 : 64;
    for (size_t i = 0; i < 64; ++i) tokens.push_back(i == odd ? 10 + static_cast<int32_t>(random() % 3) : kind);
  }
  tokens.resize(length);
  return tokens;
}

// Prefixes in a list, searched from end to end.
struct Model {
  struct Entry {
    Ids prefix;
    int64_t used;  // larger: later
    const std::byte* page;
  };
  std::vector<Entry> entries;
  size_t pages_max = 0;
  int64_t clock = 0;

  Entry* find(std::span<const int32_t> prefix) {
    for (Entry& e : entries) {
      if (std::equal(e.prefix.begin(), e.prefix.end(), prefix.begin(), prefix.end())) return &e;
    }
    return nullptr;
  }
  void touch(std::span<const int32_t> tokens) {
    ++clock;
    for (size_t n = 64; n <= tokens.size(); n += 64) {
      if (Entry* e = find(tokens.first(n))) e->used = clock * 1000 - static_cast<int64_t>(n / 64);
    }
  }
  size_t longest(const Ids& tokens) {
    const Ids* best = nullptr;
    size_t most = 0;
    for (const Entry& e : entries) {
      const size_t common = static_cast<size_t>(
          std::mismatch(e.prefix.begin(), e.prefix.end(), tokens.begin(), tokens.end()).first - e.prefix.begin());
      if (common <= e.prefix.size() - 64 || common == 0) continue;  // ends before this page
      const bool later = e.prefix >= tokens, best_later = best && *best >= tokens;
      const bool closer = !best || common > most || (common == most && later && (!best_later || e.prefix < *best)) ||
                          (common == most && !later && !best_later && e.prefix > *best);
      if (!closer) continue;
      best = &e.prefix;
      most = common;
    }
    if (best) touch(Ids(*best));
    return most;
  }
  bool is_end(const Entry& e) const {
    return std::none_of(entries.begin(), entries.end(), [&](const Entry& o) {
      return o.prefix.size() > e.prefix.size() && std::equal(e.prefix.begin(), e.prefix.end(), o.prefix.begin());
    });
  }
  bool evict(const std::vector<CacheSequence>& users, bool used_too, std::span<const int32_t> tip) {
    Entry* victim = nullptr;
    bool victim_used = true;
    for (Entry& e : entries) {
      bool used = false;
      for (const CacheSequence& s : users) {
        for (int64_t i = 0; i * kPagePositions < s.length(); ++i) used |= s.page(i) == e.page;
      }
      if (!is_end(e) || (used && !used_too)) continue;
      if (std::equal(e.prefix.begin(), e.prefix.end(), tip.begin(), tip.end())) continue;
      if (victim && (used > victim_used || (used == victim_used && e.used > victim->used))) continue;
      victim = &e;
      victim_used = used;
    }
    if (!victim) return false;
    entries.erase(entries.begin() + (victim - entries.data()));
    return true;
  }
  void offer(const Ids& tokens, const CacheSequence& sequence, const std::vector<CacheSequence>& users) {
    const std::span<const int32_t> all(tokens);
    size_t n = 64;
    for (; n <= tokens.size(); n += 64) {
      if (find(all.first(n))) continue;
      bool room = true;
      while (room && entries.size() + 1 > pages_max) room = evict(users, true, all.first(n - 64));
      if (!room) break;
      entries.push_back({Ids(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n)), 0,
                         sequence.page(static_cast<int64_t>(n / 64 - 1))});
    }
    touch(all.first(n - 64));
  }
};

}  // namespace

TEST_CASE("prefix cache: random sessions find what a plain list of prefixes finds, and the same ones go") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  for (const size_t pages_max : {0, 1, 2, 5, 12, 40}) {
    CAPTURE(pages_max);
    MemoryBudget budget(0);
    {
      std::mt19937 random(static_cast<uint32_t>(pages_max) + 1);
      PrefixCache cache(shape, budget, pages_max * page + page / 2);
      Model model;
      model.pages_max = pages_max;
      std::vector<CacheSequence> sequences(4, CacheSequence(shape, budget));
      std::vector<Ids> tokens(4);
      int64_t found = 0;
      for (int round = 0; round < 2500; ++round) {
        CAPTURE(round);
        const size_t s = random() % 4;
        switch (random() % 8) {
          case 0:
          case 1:
          case 2: {  // another conversation, or the same one with another end
            const size_t kept = random() % 2 ? 0 : random() % (tokens[s].size() + 1);
            Ids wanted(tokens[s].begin(), tokens[s].begin() + static_cast<std::ptrdiff_t>(kept));
            const Ids more = random_tokens(random, 400 - std::min<size_t>(kept, 300));
            wanted.insert(wanted.end(), more.begin(), more.end());
            sequences[s].set_length(static_cast<int64_t>(kept));
            const auto expected = static_cast<int64_t>(std::max(kept, model.longest(wanted)));
            REQUIRE(cache.adopt(wanted, sequences[s]) == expected);
            REQUIRE(sequences[s].length() == expected);
            REQUIRE(right(sequences[s], wanted));
            found += expected - static_cast<int64_t>(kept);
            REQUIRE(compute(sequences[s], wanted).ok());
            tokens[s] = wanted;
            break;
          }
          case 3:
          case 4:
          case 5:
            model.offer(tokens[s], sequences[s], sequences);
            cache.offer(tokens[s], sequences[s]);
            break;
          case 6:
            sequences[s] = CacheSequence(shape, budget);
            tokens[s].clear();
            break;
          default:
            for (uint64_t i = random() % 3; i > 0; --i) {
              REQUIRE(cache.reclaim(1) == (model.evict(sequences, false, {}) ? page : 0));
            }
        }
        REQUIRE(cache.bytes() == model.entries.size() * page);
        REQUIRE(cache.bytes() <= cache.limit());
        for (size_t i = 0; i < 4; ++i) REQUIRE(right(sequences[i], tokens[i]));
      }
      CHECK((found > 0) == (pages_max > 0));
      sequences.clear();
      CHECK(budget.used() == cache.bytes());
      cache.clear();
      CHECK(budget.used() == 0);
    }
    CHECK(budget.used() == 0);
  }
}

TEST_CASE("prefix cache: the memory budget comes first, and a refusal means that nothing could be spared") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(14 * page);
  std::mt19937 random(5);
  {
    PrefixCache cache(shape, budget, 1000 * page);
    std::vector<CacheSequence> sequences(4, CacheSequence(shape, budget));
    int refused = 0, reclaimed = 0;
    for (int round = 0; round < 4000; ++round) {
      CacheSequence& sequence = sequences[random() % 4];
      const Ids tokens = random_tokens(random, 300);
      sequence.set_length(0);
      cache.adopt(tokens, sequence);
      const uint64_t before = cache.bytes();
      const Status status = compute(sequence, tokens);
      reclaimed += cache.bytes() < before;
      REQUIRE(budget.used() <= budget.limit());
      if (status.ok()) {
        REQUIRE(right(sequence, tokens));
        cache.offer(tokens, sequence);
      } else {
        ++refused;
        REQUIRE(status.code() == Code::out_of_memory);
        REQUIRE(cache.reclaim(1) == 0);
        sequence.set_length(0);
        sequences[random() % 4] = CacheSequence(shape, budget);
      }
    }
    CHECK(refused > 10);
    CHECK(reclaimed > 100);
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("prefix cache: a page in use is charged once, and outlives its place in the cache") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(0);
  PrefixCache cache(shape, budget, 100 * page);
  const Ids tokens(200, 7);
  CacheSequence first(shape, budget), second(shape, budget);
  REQUIRE(compute(first, tokens).ok());
  cache.offer(tokens, first);
  CHECK(cache.bytes() == 3 * page);
  CHECK(budget.used() == 4 * page);
  CHECK(cache.adopt(tokens, second) == 192);
  CHECK(second.page(1) == first.page(1));
  CHECK(budget.used() == 4 * page);
  CHECK(cache.reclaim(10 * page) == 0);
  cache.clear();
  CHECK(cache.bytes() == 0);
  first.set_length(0);
  CHECK(budget.used() == 3 * page);
  CHECK(right(second, tokens));
  cache.offer(tokens, second);
  second.set_length(0);
  CHECK(budget.used() == 3 * page);
  CHECK(cache.reclaim(page + 1) == 2 * page);
  CHECK(cache.adopt(tokens, second) == 64);
}

TEST_CASE("prefix cache: a page that fits in part is taken in part, and never written") {
  const CacheShape shape = shape_of();
  MemoryBudget budget(0);
  PrefixCache cache(shape, budget, 1u << 20);
  Ids tokens(128, 7);
  CacheSequence first(shape, budget), second(shape, budget);
  REQUIRE(compute(first, tokens).ok());
  cache.offer(tokens, first);
  Ids other = tokens;
  other[100] = 8;
  REQUIRE(compute(second, std::span(other).first(70)).ok());  // its own partly filled page gives way
  CHECK(cache.adopt(other, second) == 100);
  CHECK(second.page(0) != first.page(0));
  CHECK(second.page(1) == first.page(1));
  REQUIRE(compute(second, other).ok());
  CHECK(second.page(1) != first.page(1));
  CHECK(right(second, other));
  CHECK(right(first, tokens));
  CHECK(cache.adopt(std::span(other).first(128), second) == 128);  // nothing better: it stays as it is
  CacheSequence third(shape, budget);
  CHECK(cache.adopt(std::span(tokens).first(127), third) == 127);
  CHECK(right(third, tokens));
}

TEST_CASE("prefix cache: sessions on many threads share pages and all see their own conversation") {
  const CacheShape shape = shape_of();
  const auto page = static_cast<uint64_t>(shape.page_bytes);
  MemoryBudget budget(40 * page);
  std::atomic<int> wrong{0}, refused{0};
  {
    PrefixCache cache(shape, budget, 20 * page);
    const auto work = [&](uint32_t seed) {
      std::mt19937 random(seed);
      CacheSequence sequence(shape, budget);
      for (int round = 0; round < 1500; ++round) {
        const Ids tokens = random_tokens(random, 500);
        sequence.set_length(0);
        cache.adopt(tokens, sequence);
        refused += !compute(sequence, tokens).ok();  // of 40 pages, 24 are in use at most
        wrong += !right(sequence, tokens);
        cache.offer(tokens, sequence);
        if (random() % 50 == 0) cache.clear();
      }
    };
    std::vector<std::thread> threads;
    for (uint32_t seed = 0; seed < 3; ++seed) threads.emplace_back(work, seed);
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(wrong == 0);
  CHECK(refused == 0);
  CHECK(budget.used() == 0);
}
