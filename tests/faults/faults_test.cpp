// Every allocation, every read and every start of a thread fails once in turn, alone and with all that follow. The
// library must answer with a status, lose nothing (memory, descriptors), and work again as soon as the system does.
#include "faults/faults.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>

#include "engine/client.h"
#include "engine/small_model.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const std::string kGguf = PENSEE_TEST_DATA "/goldens/data/gguf_qwen2_tied_q4_1/model.gguf";

const SmallModel& small() {
  static const SmallModel model;
  return model;
}

int64_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

// What is missing of `before`. The scheduler lets go of a request a moment after its reader has seen the end.
int64_t lost_since(int64_t before) {
  for (int i = 0; i < 1000 && live_allocations() != before; ++i) ::usleep(1000);
  return live_allocations() - before;
}

// Until nothing was let go of for a while.
void settle() {
  for (int64_t before = -1; before != live_allocations(); ::usleep(50000)) before = live_allocations();
}

// A scenario allocates nothing of its own, so that each failure is one of the library's.
using Scenario = std::function<pensee_status()>;

struct Outcome {
  int64_t calls = 0;  // that could fail
  int64_t refused = 0;
};

// Fails the 1st, 2nd, .. call until the scenario has no more of them. The statuses of failures must be `allowed`.
Outcome fail_each(Fault fault, bool lasting, std::initializer_list<pensee_status> allowed, const Scenario& scenario,
                  int64_t stride = 1) {
  REQUIRE(scenario() == PENSEE_OK);  // also fills what is made once a process
  settle();
  const int64_t descriptors = open_descriptors();
  Outcome outcome;
  int unharmed = 0;
  while (unharmed < 3) {  // threads make the number of calls differ a little
    const int64_t memory = live_allocations();
    arm(fault, 1 + outcome.calls * stride, lasting);
    const pensee_status status = scenario();
    const bool failed = disarm();
    const int64_t lost = lost_since(memory);
    if (!failed) {
      ++unharmed;
      REQUIRE(status == PENSEE_OK);
      continue;
    }
    ++outcome.calls;
    outcome.refused += status != PENSEE_OK;
    CAPTURE(outcome.calls);
    CAPTURE(lasting);
    if (status != PENSEE_OK && std::find(allowed.begin(), allowed.end(), status) == allowed.end()) {
      REQUIRE_MESSAGE(false, "status ", pensee_status_name(status));
    }
    REQUIRE(lost == 0);
    if (outcome.calls % 16 == 0) REQUIRE(open_descriptors() == descriptors);
  }
  CHECK(open_descriptors() == descriptors);
  CHECK(scenario() == PENSEE_OK);
  return outcome;
}

pensee_status opened(const std::string& path, int32_t threads, pensee_model** model) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  options.threads = threads;
  return pensee_model_open(path.c_str(), &options, model, &error);
}

pensee_status open_and_close(const std::string& path, int32_t threads) {
  pensee_model* model = nullptr;
  const pensee_status status = opened(path, threads, &model);
  if ((status == PENSEE_OK) != (model != nullptr)) return PENSEE_INTERNAL;  // a failing call leaves its outputs alone
  pensee_model_free(model);
  return status;
}

// What is asked of a model once it is open. The first refusal ends it.
pensee_status text_and_scores(const pensee_model* model) {
  constexpr const char* text = "User: 1+1?\nAssistant: <think>\n";
  static float logits[8 * 320];
  int32_t ids[64];
  char out[256];
  size_t count = 0, length = 0;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.messages_json = R"([{"role":"user","content":"1+1?"}])";
  pensee_status status = pensee_tokenize(model, text, std::strlen(text), 0, ids, 64, &count, &error);
  if (status == PENSEE_OK) status = pensee_detokenize(model, ids, count, 0, out, sizeof out, &length, &error);
  if (status == PENSEE_OK && std::string_view(out, length) != text) return PENSEE_INTERNAL;
  if (status == PENSEE_OK) status = pensee_render_prompt(model, &prompt, nullptr, out, sizeof out, &length, &error);
  if (status == PENSEE_OK && std::string_view(out, length) != text) return PENSEE_INTERNAL;
  if (status == PENSEE_OK) status = pensee_logits(model, ids, 8, logits, &error);
  if (status == PENSEE_OK) status = pensee_logprobs(model, ids, count, logits, &error);
  return status;
}

// Pulls until END, which must come whatever fails. A call that fails in between is told, and made again.
pensee_status generate(const pensee_model* model, bool expect_all) {
  pensee_session* session = nullptr;
  pensee_stream* stream = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  prompt.text = "1+1?";
  pensee_options options = greedy(20);
  constexpr const char* stop[] = {"never seen"};
  options.think_budget = 5;
  options.top_logprobs = 3;
  options.stop = stop;
  options.num_stop = 1;
  pensee_status status = pensee_session_new(model, &session, &error);
  if (status == PENSEE_OK) status = pensee_stream_open(session, &prompt, &options, &stream, &error);
  int tokens = 0;
  while (status == PENSEE_OK) {
    pensee_event event = PENSEE_EVENT_INIT;
    status = pensee_stream_next(stream, -1, &event, &error);
    tokens += event.token_id >= 0;
    if (event.kind == PENSEE_EVENT_END) break;
  }
  if (status == PENSEE_OK && expect_all && tokens != 20) status = PENSEE_INTERNAL;
  pensee_session_free(session);
  pensee_stream_free(stream);
  return status;
}

pensee_status ask_question(const pensee_model* model) {
  pensee_reply* reply = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const pensee_options options = greedy(12);
  const pensee_status status = pensee_ask(model, "1+1?", &options, &reply, &error);
  if ((status == PENSEE_OK) != (reply != nullptr)) return PENSEE_INTERNAL;
  pensee_reply_free(reply);
  return status;
}

}  // namespace

TEST_CASE("faults: opening a folder and a GGUF, each allocation in turn") {
  for (const bool lasting : {false, true}) {
    for (const std::string& path : {small().path(), kGguf}) {
      // All that fail once; of those after which nothing works any more, some.
      const auto outcome = fail_each(
          Fault::allocation, lasting, {PENSEE_OUT_OF_MEMORY},
          [&] { return open_and_close(path, path == kGguf ? 2 : 1); }, lasting ? 11 : 1);
      CAPTURE(path);
      CHECK(outcome.calls > 100);
      CHECK(outcome.refused > outcome.calls * 9 / 10);
    }
  }
}

TEST_CASE("faults: saving a packed file and opening it, each allocation and read in turn") {
  const std::string path = small().path() + "/faults.packed";
  pensee_model* opened_model = nullptr;
  REQUIRE(opened(small().path(), 2, &opened_model) == PENSEE_OK);
  const ModelHandle model(opened_model, pensee_model_free);
  const Scenario saving = [&] {
    return pensee_model_save_packed(model.get(), path.c_str(), nullptr, nullptr, nullptr);
  };
  const Scenario opening = [&] { return open_and_close(path, 2); };
  for (const bool lasting : {false, true}) {
    for (const Scenario& scenario : {saving, opening}) {
      const auto outcome = fail_each(Fault::allocation, lasting, {PENSEE_OUT_OF_MEMORY}, scenario, lasting ? 11 : 3);
      CHECK(outcome.calls > 10);
      CHECK(outcome.refused > outcome.calls * 9 / 10);
    }
  }
  for (const Scenario& scenario : {saving, opening}) {
    const auto failed = fail_each(Fault::read_error, false, {PENSEE_FILE_IO}, scenario);
    CHECK(failed.calls > 2);
    CHECK(failed.refused == failed.calls);
    CHECK(fail_each(Fault::read_end, false, {PENSEE_FILE_CORRUPT}, scenario).refused == failed.calls);
    CHECK(fail_each(Fault::read_half, false, {}, scenario).refused == 0);
  }
  std::filesystem::remove(path);
}

TEST_CASE("faults: text, scores and generations of an open model, each allocation in turn") {
  pensee_model* opened_model = nullptr;
  REQUIRE(opened(small().path(), 2, &opened_model) == PENSEE_OK);
  const ModelHandle model(opened_model, pensee_model_free);
  REQUIRE(generate(model.get(), true) == PENSEE_OK);
  const Scenario scenarios[] = {[&] { return text_and_scores(model.get()); },
                                [&] { return generate(model.get(), false); },
                                [&] { return ask_question(model.get()); }};
  for (const bool lasting : {false, true}) {
    for (const Scenario& scenario : scenarios) {
      const auto outcome = fail_each(Fault::allocation, lasting, {PENSEE_OUT_OF_MEMORY}, scenario);

      CHECK(outcome.calls > 20);
      CHECK(outcome.refused > outcome.calls / 2);
      CHECK(generate(model.get(), true) == PENSEE_OK);
    }
  }
}

TEST_CASE("faults: the first work of a model, which starts its thread and takes its scratch") {
  for (const bool lasting : {false, true}) {
    for (int64_t number = 0, unharmed = 0; unharmed < 3; ++number) {  // 0: nothing fails; what is made once is made
      pensee_model* model = nullptr;
      const int64_t memory = live_allocations();
      const pensee_status open_status = opened(kGguf, 2, &model);
      arm(Fault::allocation, number, lasting);
      const pensee_status status = ask_question(model);
      unharmed += !disarm();
      const pensee_status again = ask_question(model);  // the same model, once there is memory
      pensee_model_free(model);
      const int64_t lost = lost_since(memory);
      CAPTURE(number);
      REQUIRE(open_status == PENSEE_OK);
      CHECK_MESSAGE((status == PENSEE_OK || status == PENSEE_OUT_OF_MEMORY), pensee_status_name(status));
      CHECK(again == PENSEE_OK);
      if (number > 0) REQUIRE(lost == 0);
    }
  }
}

TEST_CASE("faults: threads that the system refuses to start") {
  const auto opening = fail_each(Fault::thread, true, {}, [] { return open_and_close(kGguf, 4); });
  CHECK(opening.calls == 3);  // and each time fewer did the work
  CHECK(opening.refused == 0);
  for (int64_t number = 1; number <= 3; ++number) {
    pensee_model* model = nullptr;
    arm(Fault::thread, number, true);
    CHECK(opened(kGguf, 2, &model) == PENSEE_OK);
    CHECK(ask_question(model) == PENSEE_OUT_OF_MEMORY);  // the scheduler has no thread
    disarm();
    CHECK(ask_question(model) == PENSEE_OK);
    pensee_model_free(model);
    if (number == 2) break;
  }
}

TEST_CASE("faults: each read fails, ends early, is interrupted or gives half") {
  for (const std::string& path : {small().path(), kGguf}) {
    const Scenario scenario = [&] { return open_and_close(path, 2); };
    const auto failed = fail_each(Fault::read_error, false, {PENSEE_FILE_IO}, scenario);
    CAPTURE(path);
    CHECK(failed.calls > 4);
    CHECK(failed.refused == failed.calls);
    CHECK(fail_each(Fault::read_error, true, {PENSEE_FILE_IO}, scenario).refused == failed.calls);
    CHECK(fail_each(Fault::read_end, false, {PENSEE_FILE_CORRUPT}, scenario).refused == failed.calls);
    CHECK(fail_each(Fault::read_interrupted, false, {}, scenario).refused == 0);
    CHECK(fail_each(Fault::read_half, false, {}, scenario).refused == 0);
  }
}
