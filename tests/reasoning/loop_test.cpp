// The loop guard against circles of every period, against a slow description of the rule, and against text that only
// looks repetitive.
#include "reasoning/loop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <random>
#include <string>

#include "base/file.h"

using namespace pensee;

namespace {

// Places of alarms.
std::vector<size_t> alarms(const std::vector<int32_t>& tokens, LoopSettings settings = {}) {
  LoopGuard guard(settings);
  std::vector<size_t> places;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (guard.push(tokens[i])) places.push_back(i);
  }
  return places;
}

// Whether the tokens before `end` are a circle and have been for `spare` tokens more: by trying every period.
bool is_circle(const std::vector<int32_t>& tokens, size_t end, const LoopSettings& s, size_t spare) {
  const auto n = static_cast<size_t>(s.ngram), repeats = static_cast<size_t>(s.repeats);
  for (size_t period = 1; period <= end; ++period) {
    const size_t step = (n + period - 1) / period * period, needed = (repeats - 1) * step + n;
    if (needed > static_cast<size_t>(s.window) || needed + spare > end) continue;
    bool same = true;
    for (size_t i = end - needed - spare + period; i < end; ++i) same = same && tokens[i] == tokens[i - period];
    if (same) return true;
  }
  return false;
}

// Words, numbers and signs with the space before them, as tokenizers cut text, each text an id.
std::vector<int32_t> words(const std::string& text) {
  std::map<std::string, int32_t> ids;
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    const auto letter = [&](size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at]));
    };
    if (letter(i) || (text[i] == ' ' && letter(end))) {
      while (letter(end)) ++end;
    } else {
      while (end < text.size() && text[end] == text[i]) ++end;
    }
    const std::string word = text.substr(i, end - i);
    tokens.push_back(ids.try_emplace(word, static_cast<int32_t>(ids.size())).first->second);
    i = end;
  }
  return tokens;
}

std::string read(const std::string& path) {
  const auto file = open_file(std::string(PENSEE_TEST_DATA) + "/../" + path);
  REQUIRE_MESSAGE(file.ok(), file.status().message());
  auto text = read_text(**file, 1 << 24);
  REQUIRE(text.ok());
  return *std::move(text);
}

}  // namespace

TEST_CASE("loop: a circle of any period is noticed, soon, and not before it is one") {
  std::mt19937 random(5);
  for (const size_t lead : {size_t{0}, size_t{1000}}) {
    for (size_t period = 1; period <= 500; ++period) {
      std::vector<int32_t> tokens;
      for (size_t i = 0; i < lead; ++i) tokens.push_back(static_cast<int32_t>(random() % 100000));
      std::vector<int32_t> circle;
      for (size_t i = 0; i < period; ++i) circle.push_back(static_cast<int32_t>(random() % 100000));
      // The n-gram comes back at the first multiple of the period that does not overlap it.
      const size_t step = (31 / period + 1) * period;
      for (size_t i = 0; i < 4 * step + 32; ++i) tokens.push_back(circle[i % period]);
      const auto found = alarms(tokens);
      CAPTURE(period);
      REQUIRE_FALSE(found.empty());
      CHECK(found[0] + 1 == lead + 3 * step + 32);
    }
  }
}

TEST_CASE("loop: an alarm is a circle, and a circle an alarm, seen by trying every period") {
  std::mt19937 random(9);
  int raised = 0, silent = 0;
  for (int round = 0; round < 300; ++round) {
    const LoopSettings s = {static_cast<int32_t>(3 + random() % 6), static_cast<int32_t>(2 + random() % 3),
                            static_cast<int32_t>(20 + random() % 60)};
    // Circles of small periods, broken now and then.
    std::vector<int32_t> tokens;
    const unsigned kinds = 2 + random() % 60;
    while (tokens.size() < 400) {
      const size_t period = 1 + random() % 12, length = 1 + random() % 90;
      const size_t begin = tokens.size();
      for (size_t i = 0; i < length; ++i) {
        tokens.push_back(i < period ? static_cast<int32_t>(random() % kinds) : tokens[begin + i - period]);
      }
    }
    LoopGuard guard(s);
    for (size_t end = 1; end <= tokens.size(); ++end) {
      const bool alarm = guard.push(tokens[end - 1]);
      if (alarm) REQUIRE(is_circle(tokens, end, s, 0));
      if (!alarm && kinds > 30) REQUIRE_FALSE(is_circle(tokens, end, s, 12 + static_cast<size_t>(s.ngram)));
      (alarm ? raised : silent) += 1;
    }
  }
  CHECK(raised > 1000);
  CHECK(silent > 1000);
}

TEST_CASE("loop: no alarm on prose, code, lists and tables") {
  for (const char* path :
       {"README.md", "docs/tour.md", "docs/abi.md", "lib/text/chat_template.cpp", "lib/base/json.cpp",
        "include/pensee/pensee.h", "lib/engine/scheduler.cpp", "docs/testing.md"}) {
    CAPTURE(std::string(path));
    const auto tokens = words(read(path));
    CHECK(tokens.size() > 300);
    CHECK(alarms(tokens).empty());
  }
  std::string list, table = "| n | square | even | note |\n|---|---|---|---|\n";
  for (int i = 1; i <= 400; ++i) {
    const std::string n = std::to_string(i);
    list += n + ". Step " + n + ": add " + n + " to the sum, which gives " + std::to_string(i * (i + 1) / 2) + ".\n";
    table += "| " + n + " | " + std::to_string(i * i) + " | " + (i % 2 ? "no" : "yes") + " | the same as before |\n";
  }
  CHECK(alarms(words(list)).empty());
  CHECK(alarms(words(table)).empty());
}

TEST_CASE("loop: a text that comes back too seldom, too short, too far apart or changed is none") {
  std::mt19937 random(2);
  const auto noise = [&](size_t n, std::vector<int32_t>& out) {
    for (size_t i = 0; i < n; ++i) out.push_back(static_cast<int32_t>(random() % 100000));
  };
  std::vector<int32_t> phrase, seldom, apart, brief, counted;
  noise(40, phrase);
  for (int i = 0; i < 20; ++i) {
    if (i < 3) seldom.insert(seldom.end(), phrase.begin(), phrase.end());
    apart.insert(apart.end(), phrase.begin(), phrase.end());
    brief.insert(brief.end(), phrase.begin(), phrase.begin() + 31);
    noise(10, seldom);
    noise(700, apart);
    noise(3, brief);
    counted.insert(counted.end(), phrase.begin(), phrase.end());
    counted.push_back(i);
  }
  CHECK(alarms(seldom).empty());
  CHECK(alarms(apart).empty());
  CHECK(alarms(brief).empty());
  CHECK(alarms(counted).empty());
}

TEST_CASE("loop: settings turn it off, and a reset forgets") {
  const std::vector<int32_t> same(5000, 7);
  CHECK(alarms(same, {0, 4, 2048}).empty());
  CHECK(alarms(same, {32, 4, 100}).empty());  // four do not fit
  CHECK(alarms(same, {-5, -5, -5}).empty());
  CHECK_FALSE(alarms(same, {1, 2, 2}).empty());
  LoopGuard guard;
  for (int i = 0; i < 100; ++i) CHECK_FALSE(guard.push(7));
  guard.reset();
  for (int i = 0; i < 100; ++i) CHECK_FALSE(guard.push(7));
  for (int i = 0; i < 100; ++i) guard.push(7);
  CHECK(guard.push(7) + guard.push(7) + [&] {
    bool any = false;
    for (int i = 0; i < 32; ++i) any |= guard.push(7);
    return any;
  }() > 0);
}
