// Paused, trimmed, with fewer threads, short of memory: what an application on a phone asks of a model may cost time,
// never a token. The oracle of the tokens is transformers' (tests/goldens).
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

#include "engine/client.h"
#include "engine/small_model.h"
#include "models/golden.h"

using namespace pensee;
using namespace pensee::test;

namespace {

std::vector<GoldenPrompt> goldens() { return read_golden(kGolden + "/golden.safetensors"); }

pensee_memory memory_of(const ModelHandle& model) {
  pensee_memory memory = PENSEE_MEMORY_INIT;
  PENSEE_REQUIRE_OK(pensee_model_get_memory(model.get(), &memory, &call_error));
  return memory;
}

uint64_t trim(const ModelHandle& model, int32_t level) {
  uint64_t freed = 0;
  PENSEE_REQUIRE_OK(pensee_model_trim(model.get(), level, &freed, &call_error));
  return freed;
}

double cpu_seconds() {
  timespec t = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

pensee_status next_within(const StreamHandle& stream, int64_t ms, pensee_event& event) {
  event = PENSEE_EVENT_INIT;
  return pensee_stream_next(stream.get(), ms, &event, nullptr);
}

// Takes what still comes of a stream whose model is paused: at most the pass that ran.
void take_what_comes(const StreamHandle& stream, Answered& to) {
  pensee_event event;
  while (next_within(stream, 100, event) == PENSEE_OK) {
    REQUIRE(event.kind != PENSEE_EVENT_END);
    if (event.token_id >= 0) to.tokens.push_back(event.token_id);
  }
}

// A thread lowers itself when it first runs, which may take its time.
bool within_seconds(const std::function<bool()>& holds) {
  for (int i = 0; i < 500 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return holds();
}

// How many threads of this process have which niceness.
std::map<int, int> niceness() {
  std::map<int, int> count;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "stat");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    std::istringstream fields(text.substr(text.rfind(')') + 2));  // from field 3 on; niceness is the 19th
    std::string field;
    for (int i = 3; i <= 19; ++i) fields >> field;
    ++count[std::stoi(field)];
  }
  return count;
}

}  // namespace

TEST_CASE("pause: a stream that was opened meanwhile waits without spinning, and resume gives its tokens") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  pensee_model_pause(model.get());
  pensee_model_pause(model.get());
  const StreamHandle stream = open_stream(new_session(model), prompt_of(prompts[1].ids), greedy(32));
  pensee_event event;
  const double before = cpu_seconds();
  CHECK(next_within(stream, 0, event) == PENSEE_TIMEOUT);
  CHECK(next_within(stream, 400, event) == PENSEE_TIMEOUT);
  CHECK(cpu_seconds() - before < 0.1);
  std::vector<float> logprobs(prompts[0].ids.size());  // computed by this thread, so it goes on
  CHECK(pensee_logprobs(model.get(), prompts[0].ids.data(), prompts[0].ids.size(), logprobs.data(), nullptr) ==
        PENSEE_OK);
  pensee_model_resume(model.get());
  const Answered all = drain(stream);
  CHECK(all.tokens == prompts[1].greedy);
  CHECK(all.usage.seconds > 0.4);
}

TEST_CASE("pause: in the middle of a generation nothing is lost, however often") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  const auto alone = ask_new(model, prompt_of(prompts[2].ids), greedy(0)).tokens;  // so many that they take a while
  CHECK(std::equal(prompts[2].greedy.begin(), prompts[2].greedy.end(), alone.begin()));
  for (int round = 0; round < 4; ++round) {
    const StreamHandle stream = open_stream(new_session(model), prompt_of(prompts[2].ids), greedy(0));
    Answered all;
    for (int i = 0; i < 3 * round; ++i) REQUIRE(take(stream.get(), all));
    pensee_model_pause(model.get());
    take_what_comes(stream, all);
    trim(model, PENSEE_TRIM_SESSIONS);  // the stream's own pages stay
    pensee_model_resume(model.get());
    CHECK(all.tokens.size() < alone.size());
    while (take(stream.get(), all)) {
    }
    CHECK(all.tokens == alone);
  }
}

TEST_CASE("pause: cancelling and freeing streams, sessions and the model work meanwhile") {
  ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  SessionHandle session = new_session(model);
  StreamHandle running = open_stream(session, prompt_of(prompts[1].ids), greedy(0));
  Answered some;
  REQUIRE(take(running.get(), some));
  pensee_model_pause(model.get());
  StreamHandle waiting = open_stream(new_session(model), prompt_of(prompts[0].ids), greedy(32));
  pensee_stream_cancel(waiting.get());
  CHECK(drain(waiting).finish == PENSEE_FINISH_CANCELLED);
  pensee_session_cancel(session.get());
  CHECK(drain(running).finish == PENSEE_FINISH_CANCELLED);
  StreamHandle freed = open_stream(session, prompt_of(prompts[1].ids), greedy(0));
  freed.reset();
  session.reset();
  running.reset();
  waiting.reset();
  model.reset();  // would hang if the scheduler did not hear it
  pensee_model_pause(nullptr);
  pensee_model_resume(nullptr);
}

TEST_CASE("trim: gives everything but the weights back, and what was given back is computed again to the same tokens") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  const uint64_t weights = memory_of(model).used;
  CHECK(memory_of(model).weights <= weights);
  const SessionHandle session = new_session(model), other = new_session(model);
  CHECK(ask(session, prompt_of(prompts[2].ids), greedy(32)).tokens == prompts[2].greedy);
  CHECK(ask(other, prompt_of(prompts[2].ids), greedy(32)).tokens == prompts[2].greedy);
  const pensee_memory full = memory_of(model);
  CHECK(full.prefix_cache > 0);
  CHECK(full.scratch > 0);
  CHECK(full.used > weights);

  uint64_t freed = trim(model, PENSEE_TRIM_CACHES);  // the sessions know what they knew
  CHECK(memory_of(model).scratch == 0);
  CHECK(memory_of(model).used == full.used - freed);
  CHECK(freed >= full.scratch);
  const Answered kept = ask(session, prompt_of(prompts[2].ids), greedy(32));
  CHECK(kept.usage.cached_tokens == static_cast<int64_t>(prompts[2].ids.size()) - 1);
  CHECK(kept.tokens == prompts[2].greedy);

  const uint64_t before = memory_of(model).used;
  freed = trim(model, PENSEE_TRIM_SESSIONS);
  CHECK(memory_of(model).used == weights);
  CHECK(freed == before - weights);
  CHECK(memory_of(model).prefix_cache == 0);
  size_t count = 99;
  PENSEE_REQUIRE_OK(pensee_session_tokens(session.get(), nullptr, 0, &count, &call_error));
  CHECK(count == 0);
  const Answered again = ask(session, prompt_of(prompts[2].ids), greedy(32));
  CHECK(again.usage.cached_tokens == 0);
  CHECK(again.tokens == prompts[2].greedy);
  CHECK(ask(other, prompt_of(prompts[1].ids), greedy(32)).tokens == prompts[1].greedy);
}

TEST_CASE("threads: more or fewer while it generates, the tokens and the scores stay") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  for (const int32_t threads : {5, 1, 3, 0, 2}) {
    const StreamHandle stream = open_stream(new_session(model), prompt_of(prompts[1].ids), greedy(32));
    Answered all;
    for (int i = 0; i < 5; ++i) REQUIRE(take(stream.get(), all));
    PENSEE_REQUIRE_OK(pensee_model_set_threads(model.get(), threads, &call_error));
    while (take(stream.get(), all)) {
    }
    CHECK(all.tokens == prompts[1].greedy);
    PENSEE_REQUIRE_OK(pensee_model_get_info(model.get(), &info, &call_error));
    CHECK((threads == 0 ? info.threads >= 1 : info.threads == threads));
    CHECK(ask_new(model, prompt_of(prompts[2].ids), greedy(32)).tokens == prompts[2].greedy);
  }
  pensee_error error = PENSEE_ERROR_INIT;
  CHECK(pensee_model_set_threads(model.get(), -1, &error) == PENSEE_BAD_ARGUMENT);
  CHECK(pensee_model_set_threads(model.get(), 1025, &error) == PENSEE_BAD_ARGUMENT);
  CHECK(pensee_model_trim(model.get(), 2, nullptr, &error) == PENSEE_BAD_ARGUMENT);
}

TEST_CASE("upkeep: threads that pause, trim and change threads race four that generate, and no token changes") {
  const ModelHandle model = open_model(kGolden);
  const auto prompts = goldens();
  const auto sampled_alone = ask_new(model, prompt_of(prompts[2].ids), sampled(24, 7)).tokens;
  std::atomic<int> wrong{0}, left{4};
  const auto generate = [&](size_t who) {
    SessionHandle session = new_session(model);
    for (int round = 0; round < 12; ++round) {
      pensee_options options = greedy(32);
      options.n = round % 3 == 0 ? 3 : 1;
      const GoldenPrompt& p = prompts[(who + static_cast<size_t>(round)) % 3];
      const StreamHandle stream = open_stream(session, prompt_of(p.ids), options);
      std::vector<std::vector<int32_t>> tokens(3);
      pensee_event event = PENSEE_EVENT_INIT;
      for (int ends = 0; ends < std::max(options.n, 1);) {
        if (pensee_stream_next(stream.get(), -1, &event, nullptr) != PENSEE_OK) break;
        if (event.kind == PENSEE_EVENT_END) ++ends;
        if (event.token_id >= 0) tokens[static_cast<size_t>(event.sample)].push_back(event.token_id);
      }
      for (int i = 0; i < options.n; ++i) wrong += tokens[static_cast<size_t>(i)] != p.greedy;
      if (round % 4 == 3) wrong += ask(session, prompt_of(prompts[2].ids), sampled(24, 7)).tokens != sampled_alone;
      if (round % 5 == 4) session = new_session(model);
      if (round % 6 == 5) {  // half-way
        const StreamHandle cut = open_stream(session, prompt_of(p.ids), greedy(0));
        pensee_stream_cancel(cut.get());
      }
    }
    --left;
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) threads.emplace_back(generate, i);
  for (int i = 0; left > 0; ++i) {
    if (i % 2 == 0) pensee_model_pause(model.get());
    if (i % 3 == 0) trim(model, i % 6 == 0 ? PENSEE_TRIM_SESSIONS : PENSEE_TRIM_CACHES);
    if (i % 5 == 0) pensee_model_set_threads(model.get(), 1 + i % 4, nullptr);
    memory_of(model);
    if (i % 2 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pensee_model_resume(model.get());
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("low_memory: is asked before a generation fails, and trimming in it makes room") {
  const auto prompts = goldens();
  uint64_t limit = 0;
  {  // what one generation needs, and half a page more
    const ModelHandle alone = open_model(kGolden);
    const SessionHandle session = new_session(alone);
    ask(session, prompt_of(prompts[2].ids), greedy(32));
    limit = memory_of(alone).used + static_cast<uint64_t>(alone->engine->content.model->cache_shape.page_bytes) / 2;
  }
  struct Told {
    pensee_model* model = nullptr;
    int calls = 0;
    bool helps = true;
    uint64_t bytes = 0;
  } told;
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  options.memory_budget = limit;
  options.low_memory = [](void* user, uint64_t bytes) {
    Told& t = *static_cast<Told*>(user);
    ++t.calls;
    t.bytes = bytes;
    return t.helps && pensee_model_trim(t.model, PENSEE_TRIM_SESSIONS, nullptr, nullptr) == PENSEE_OK ? 1 : 0;
  };
  options.low_memory_user = &told;
  const ModelHandle model = open_model(kGolden, options);
  told.model = model.get();
  CHECK(told.calls == 0);
  const SessionHandle first = new_session(model), second = new_session(model);
  CHECK(ask(first, prompt_of(prompts[2].ids), greedy(32)).tokens == prompts[2].greedy);
  CHECK(told.calls == 0);
  std::vector<int32_t> other = prompts[2].ids;  // shares no page with the first
  other[0] = (other[0] + 1) % 320;
  const Answered helped = ask(second, prompt_of(other), greedy(4));
  CHECK(helped.finish == PENSEE_FINISH_LENGTH);
  CHECK(told.calls >= 1);
  CHECK(told.bytes > 0);
  CHECK(ask(first, prompt_of(prompts[2].ids), greedy(32)).tokens == prompts[2].greedy);

  told.helps = false;
  told.calls = 0;
  const Answered refused = ask(second, prompt_of(other), greedy(4));
  CHECK(refused.finish == PENSEE_FINISH_ERROR);
  CHECK(refused.status == PENSEE_OUT_OF_MEMORY);
  CHECK(told.calls >= 1);
}

TEST_CASE("thread_priority: the library's threads are lowered, those of the application are not") {
  const auto prompts = goldens();
  const std::map<int, int> before = niceness();
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  options.threads = 3;
  options.thread_priority = PENSEE_THREAD_PRIORITY_BACKGROUND;
  const ModelHandle model = open_model(kGolden, options);
  CHECK(ask_new(model, prompt_of(prompts[1].ids), greedy(32)).tokens == prompts[1].greedy);
  std::map<int, int> expected = before;
  expected[19] += 3;  // two workers and the scheduler
  CHECK(within_seconds([&] { return niceness() == expected; }));
  PENSEE_REQUIRE_OK(pensee_model_set_threads(model.get(), 5, &call_error));
  CHECK(ask_new(model, prompt_of(prompts[1].ids), greedy(32)).tokens == prompts[1].greedy);
  expected[19] += 2;
  CHECK(within_seconds([&] { return niceness() == expected; }));
  options.thread_priority = 3;
  pensee_model* none = nullptr;
  CHECK(pensee_model_open(kGolden.c_str(), &options, &none, nullptr) == PENSEE_BAD_ARGUMENT);
}
