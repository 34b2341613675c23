// Many at once, cancelled, slow, refused, destroyed: whatever the company of a generation, its tokens are those that
// it has alone. The oracle of the tokens is transformers' (tests/goldens).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "engine/client.h"
#include "engine/small_model.h"
#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

std::vector<GoldenPrompt> goldens() { return read_golden(kGolden + "/golden.safetensors"); }

std::vector<int32_t> random_ids(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % 320);
  return ids;
}

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

pensee_model_options without_prefix_cache() {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  options.prefix_cache_bytes = -1;
  return options;
}

}  // namespace

TEST_CASE("scheduler: many generations at once give the tokens that each gives alone") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  struct Work {
    std::vector<int32_t> prompt;
    pensee_options options;
    std::vector<int32_t> expected;
  };
  std::vector<Work> works;
  for (const GoldenPrompt& p : prompts) {
    works.push_back({p.ids, greedy(static_cast<int64_t>(p.greedy.size())), p.greedy});
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const pensee_options options = sampled(40, seed);
      works.push_back({p.ids, options, ask_new(model, prompt_of(p.ids), options).tokens});
    }
  }
  for (uint32_t i = 0; i < 4; ++i) {
    const auto ids = random_ids(20 + 90 * i, i);
    works.push_back({ids, greedy(30), ask_new(model, prompt_of(ids), greedy(30)).tokens});
  }
  std::vector<StreamHandle> streams;
  for (const Work& w : works) streams.push_back(open_stream(new_session(model), prompt_of(w.prompt), w.options));
  std::vector<Answered> answers(works.size());
  std::vector<size_t> running;
  for (size_t i = 0; i < works.size(); ++i) running.push_back(i);
  while (!running.empty()) std::erase_if(running, [&](size_t i) { return !take(streams[i].get(), answers[i]); });
  for (size_t i = 0; i < works.size(); ++i) {
    CAPTURE(i);
    CHECK(answers[i].tokens == works[i].expected);
    CHECK(answers[i].finish == PENSEE_FINISH_LENGTH);
  }
}

TEST_CASE("session: what is cached is not computed again, and the tokens are those of a new session") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  const SessionHandle session = new_session(model);
  const auto first = ask(session, prompt_of(prompts[2].ids), greedy(32));
  CHECK(first.tokens == prompts[2].greedy);
  CHECK(first.usage.cached_tokens == 0);

  const auto again = ask(session, prompt_of(prompts[2].ids), greedy(32));
  CHECK(again.tokens == prompts[2].greedy);
  CHECK(again.usage.cached_tokens == static_cast<int64_t>(prompts[2].ids.size()) - 1);

  const auto longer = joined(joined(prompts[2].ids, first.tokens), random_ids(9, 5));
  const auto continued = ask(session, prompt_of(longer), greedy(20));
  CHECK(continued.usage.cached_tokens == static_cast<int64_t>(prompts[2].ids.size()) + 31);  // the last was not fed
  CHECK(continued.tokens == ask_new(model, prompt_of(longer), greedy(20)).tokens);

  for (const size_t shared : {0u, 1u, 63u, 64u, 65u, 130u}) {
    CAPTURE(shared);
    auto other = longer;
    other.resize(shared);
    other = joined(other, random_ids(30, 77));
    other[shared] = (longer[shared] + 1) % 320;
    const auto turned = ask(session, prompt_of(other), greedy(12));
    CHECK(turned.usage.cached_tokens == static_cast<int64_t>(shared));
    CHECK(turned.tokens == ask_new(model, prompt_of(other), greedy(12)).tokens);
    ask(session, prompt_of(longer), greedy(1));  // back to the long one
  }
}

TEST_CASE("stream: cancelled while decoding and while the prompt is read, the session goes on") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  const SessionHandle session = new_session(model);
  const auto long_prompt = random_ids(500, 3);
  int in_prompt = 0;
  // A busy machine may let the prompt end before this thread gets its turn to cancel: then again.
  for (int round = 0; round < 12 || (in_prompt == 0 && round < 1000); ++round) {
    CAPTURE(round);
    Answered cut;
    const StreamHandle stream = round % 2 == 0 ? open_stream(session, prompt_of(prompts[1].ids), greedy(0))
                                               : open_stream(session, prompt_of(long_prompt), greedy(0));
    if (round % 2 == 0) {
      for (int i = 0; i < 3; ++i) REQUIRE(take(stream.get(), cut));
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(300 * (round % 12 - 1)));
    }
    if (round % 4 < 2) {
      pensee_stream_cancel(stream.get());
    } else {
      pensee_session_cancel(session.get());
    }
    while (take(stream.get(), cut)) {
    }
    if (cut.finish != PENSEE_FINISH_LENGTH) CHECK(cut.finish == PENSEE_FINISH_CANCELLED);
    CHECK(cut.status == PENSEE_OK);
    in_prompt += cut.tokens.empty();
    CHECK(ask(session, prompt_of(prompts[1].ids), greedy(32)).tokens == prompts[1].greedy);
  }
  CHECK(in_prompt > 0);
}

TEST_CASE("stream: one that is cancelled does not disturb those beside it") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  for (int round = 0; round < 5; ++round) {
    const StreamHandle stays = open_stream(new_session(model), prompt_of(prompts[2].ids), greedy(32));
    const StreamHandle goes = open_stream(new_session(model), prompt_of(prompts[1].ids), greedy(0));
    // Nobody reads this one: its full queue holds it before the end of the context, however fast the machine is.
    const StreamHandle late = open_stream(new_session(model), prompt_of(random_ids(240, 9)), greedy(0));
    Answered some;
    for (int i = 0; i <= round; ++i) take(goes.get(), some);
    pensee_stream_cancel(goes.get());
    pensee_stream_cancel(late.get());
    CHECK(drain(stays).tokens == prompts[2].greedy);
    CHECK(drain(goes).finish == PENSEE_FINISH_CANCELLED);
    CHECK(drain(late).finish == PENSEE_FINISH_CANCELLED);
  }
}

TEST_CASE("stream: a slow reader pauses its generation, and misses nothing") {
  const ModelHandle model = open_model(kGolden);
  const auto ids = random_ids(4, 1);
  const auto quick = ask_new(model, prompt_of(ids), greedy(0));
  REQUIRE(quick.tokens.size() == 508);  // to the end of the context
  const StreamHandle slow = open_stream(new_session(model), prompt_of(ids), greedy(0));
  const StreamHandle stopped = open_stream(new_session(model), prompt_of(ids), greedy(0));
  for (int i = 0; i < 3; ++i) CHECK(ask_new(model, prompt_of(ids), greedy(0)).tokens == quick.tokens);  // time goes by
  pensee_stream_cancel(stopped.get());
  const auto few = drain(stopped);
  CHECK(few.finish == PENSEE_FINISH_CANCELLED);
  CHECK(few.tokens.size() >= kQueueEvents);
  CHECK(few.tokens.size() <= kQueueEvents + 1);
  CHECK(drain(slow).tokens == quick.tokens);
}

TEST_CASE("stream: memory_budget runs out in the middle, END tells, and the session can still do less") {
  const auto prompt = random_ids(60, 2);
  uint64_t needed = 0;
  std::vector<int32_t> expected;
  {
    const ModelHandle free_model = open_model(kGolden, without_prefix_cache());
    const SessionHandle session = new_session(free_model);
    expected = ask(session, prompt_of(prompt), greedy(100)).tokens;
    ask(session, prompt_of(random_ids(3, 3)), greedy(2));
    needed = free_model->engine->budget.used();  // weights, scratch, one page
  }
  pensee_model_options options = without_prefix_cache();
  options.memory_budget = needed + 100;
  const ModelHandle model = open_model(kGolden, options);
  const SessionHandle session = new_session(model);
  const auto cut = ask(session, prompt_of(prompt), greedy(100));
  CHECK(cut.finish == PENSEE_FINISH_ERROR);
  CHECK(cut.status == PENSEE_OUT_OF_MEMORY);
  CHECK(cut.message.find("memory_budget") != std::string::npos);
  REQUIRE(cut.tokens.size() == 5);  // the page holds 64 positions; the token after the last of them was still chosen
  CHECK(std::equal(cut.tokens.begin(), cut.tokens.end(), expected.begin()));
  const auto less = ask(session, prompt_of(prompt), greedy(4));
  CHECK(less.finish == PENSEE_FINISH_LENGTH);
  CHECK(std::equal(less.tokens.begin(), less.tokens.end(), expected.begin()));
  CHECK(ask(session, prompt_of(random_ids(100, 4)), greedy(4)).status == PENSEE_OUT_OF_MEMORY);
  CHECK(ask(session, prompt_of(prompt), greedy(4)).tokens == less.tokens);
}

TEST_CASE("scoring: while others generate and score, the logits are those of a quiet model") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  const auto& ids = prompts[2].ids;
  std::vector<float> expected(ids.size() * 320), logprobs(ids.size());
  PENSEE_REQUIRE_OK(pensee_logits(model.get(), ids.data(), ids.size(), expected.data(), &call_error));
  PENSEE_REQUIRE_OK(pensee_logprobs(model.get(), ids.data(), ids.size(), logprobs.data(), &call_error));
  CHECK(largest_difference(expected, prompts[2].logits) < 2e-4f);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> scorers;
  for (int t = 0; t < 2; ++t) {
    scorers.emplace_back([&, t] {
      while (!stop) {
        std::vector<float> row(expected.size());
        const bool whole = t == 0;
        const pensee_status status = whole ? pensee_logits(model.get(), ids.data(), ids.size(), row.data(), nullptr)
                                           : pensee_logprobs(model.get(), ids.data(), ids.size(), row.data(), nullptr);
        const auto& wanted = whole ? expected : logprobs;
        wrong += status != PENSEE_OK || !std::equal(wanted.begin(), wanted.end(), row.begin());
      }
    });
  }
  for (int i = 0; i < 4; ++i) {
    for (const GoldenPrompt& p : prompts) CHECK(ask_new(model, prompt_of(p.ids), greedy(32)).tokens == p.greedy);
  }
  stop = true;
  for (std::thread& thread : scorers) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("handles: freed in every order while generating, nothing is left behind") {
  const auto ids = random_ids(30, 6);
  int order[3] = {0, 1, 2};
  do {
    for (const int events : {0, 3, 1000}) {
      ModelHandle model = open_model(kGolden);
      const std::weak_ptr<Engine> engine = model->engine;
      SessionHandle session = new_session(model);
      StreamHandle stream = open_stream(session, prompt_of(ids), greedy(20));
      const std::weak_ptr<SessionState> state = session->state;
      Answered some;
      for (int i = 0; i < events && take(stream.get(), some); ++i) {
      }
      for (const int what : order) {
        if (what == 0) model.reset();
        if (what == 1) session.reset();
        if (what == 2) stream.reset();
      }
      CHECK(engine.expired());
      CHECK(state.expired());
    }
  } while (std::next_permutation(order, order + 3));
}

TEST_CASE("handles: what sessions took from the budget comes back when they are freed") {
  const ModelHandle model = open_model(kGolden, without_prefix_cache());
  const MemoryBudget& budget = model->engine->budget;
  ask_new(model, prompt_of(random_ids(300, 8)), greedy(8));  // the scratch stays
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t before = budget.used();
  {
    std::vector<SessionHandle> sessions;
    for (uint32_t i = 0; i < 4; ++i) {
      sessions.push_back(new_session(model));
      ask(sessions.back(), prompt_of(random_ids(100, i)), greedy(8));
    }
    CHECK(budget.used() ==
          before + 4 * 2 * static_cast<uint64_t>(model->engine->content.model->cache_shape.page_bytes));
  }
  for (int i = 0; i < 100 && budget.used() != before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(budget.used() == before);
}
