// One generation: texts, tags, budgets, stop strings, limits and seeds, on a small model whose every token has a text.
#include <algorithm>
#include <thread>

#include "engine/client.h"
#include "engine/small_model.h"

using namespace pensee;
using namespace pensee::test;

namespace {

const SmallModel& small() {
  static const SmallModel model;
  return model;
}
ModelHandle open_small() { return open_model(small().path()); }

std::string texts_of(const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) text += text_of(id);
  return text;
}

std::string rendered(const ModelHandle& model, const pensee_prompt& prompt) {
  std::string text(4096, '\0');
  size_t length = 0;
  PENSEE_REQUIRE_OK(
      pensee_render_prompt(model.get(), &prompt, nullptr, text.data(), text.size(), &length, &call_error));
  text.resize(length);
  return text;
}

const std::vector<int32_t> kPlain = {40, 41, 42};

}  // namespace

TEST_CASE("prompt: a question goes through the template, a conversation too, ids go as they are") {
  const ModelHandle model = open_small();
  const pensee_prompt question = prompt_of("Is 7 prime?");
  const std::string expected = "User: Is 7 prime?\nAssistant: <think>\n";
  CHECK(rendered(model, question) == expected);
  pensee_prompt conversation = PENSEE_PROMPT_INIT;
  conversation.messages_json =
      R"([{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"user","content":"c"}])";
  CHECK(rendered(model, conversation) == "system: S\nUser: a\nassistant: b\nUser: c\nAssistant: <think>\n");

  auto ids = tokenize(model, expected);
  CHECK(texts_of(ids) == expected);
  CHECK(std::count(ids.begin(), ids.end(), kThink) == 1);
  const auto by_text = ask_new(model, question, greedy(12));
  const auto by_ids = ask_new(model, prompt_of(ids), greedy(12));
  CHECK(by_text.tokens == by_ids.tokens);
  CHECK(by_text.usage.prompt_tokens == static_cast<int64_t>(ids.size()));
  CHECK(by_text.thought == texts_of(by_text.tokens));  // the prompt has opened the thought
  CHECK(by_text.answer.empty());
  CHECK(by_text.usage.thought_tokens == 12);
  CHECK(by_text.usage.answer_tokens == 0);
  CHECK(ask_new(model, prompt_of(kPlain), greedy(12)).thought.empty());
}

TEST_CASE("limits: max_tokens, and the end of the context, to the token") {
  const ModelHandle model = open_small();
  const auto many = ask_new(model, prompt_of(kPlain), greedy(64));
  REQUIRE(many.tokens.size() == 64);
  for (const int64_t count : {1, 2, 7, 63}) {
    const auto some = ask_new(model, prompt_of(kPlain), greedy(count));
    CHECK(some.finish == PENSEE_FINISH_LENGTH);
    CHECK(some.tokens == std::vector<int32_t>(many.tokens.begin(), many.tokens.begin() + count));
    CHECK(some.answer == texts_of(some.tokens));
    CHECK(some.usage.answer_tokens == count);
    for (size_t i = 0; i < some.positions.size(); ++i) CHECK(some.positions[i] == static_cast<int64_t>(3 + i));
  }
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  options.context_max = 20;
  const ModelHandle narrow = open_model(small().path(), options);
  for (const size_t length : {1u, 3u, 18u, 19u}) {
    const std::vector<int32_t> prompt(length, 42);
    const auto filled = ask_new(narrow, prompt_of(prompt), greedy(0));
    CHECK(filled.finish == PENSEE_FINISH_LENGTH);
    CHECK(filled.tokens.size() == 20 - length);
    CHECK(filled.positions.back() == 19);
  }
  const std::vector<int32_t> too_long(20, 42);
  const pensee_prompt prompt = prompt_of(too_long);
  pensee_stream* stream = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  const SessionHandle session = new_session(narrow);
  CHECK(pensee_stream_open(session.get(), &prompt, nullptr, &stream, &error) == PENSEE_CONTEXT_FULL);
  CHECK(stream == nullptr);
  CHECK(ask(session, prompt_of(kPlain), greedy(2)).tokens.size() == 2);  // not busy
}

TEST_CASE("stop: the answer ends before the first string that appears, whichever tokens spell it") {
  const ModelHandle model = open_small();
  const std::string whole = ask_new(model, prompt_of(kPlain), greedy(60)).answer;
  for (const size_t at : {0u, 1u, 5u, 30u}) {
    for (const size_t length : {1u, 2u, 3u, 7u}) {
      const std::string stop = whole.substr(at, length);
      CAPTURE(stop);
      const char* stops[] = {"never to be seen", stop.c_str(), "\x01"};
      pensee_options options = greedy(60);
      options.stop = stops;
      options.num_stop = 3;
      const auto stopped = ask_new(model, prompt_of(kPlain), options);
      CHECK(stopped.answer == whole.substr(0, whole.find(stop)));
      CHECK(stopped.finish == PENSEE_FINISH_STOP);
    }
  }
  // Of two, the earlier; what only begins one is given out at the end.
  const std::string late = whole.substr(20, 4), early = whole.substr(8, 3),
                    begun = whole.substr(whole.size() - 3) + "~?";
  const char* two[] = {late.c_str(), early.c_str()};
  pensee_options options = greedy(60);
  options.stop = two;
  options.num_stop = 2;
  CHECK(ask_new(model, prompt_of(kPlain), options).answer ==
        whole.substr(0, std::min(whole.find(early), whole.find(late))));
  const char* one[] = {begun.c_str()};
  options.stop = one;
  options.num_stop = 1;
  CHECK(ask_new(model, prompt_of(kPlain), options).answer == whole);
}

TEST_CASE("stop: strings count in the answer alone") {
  const ModelHandle model = open_small();
  const std::string thought = ask_new(model, prompt_of("Hm?"), greedy(30)).thought;
  const std::string stop = thought.substr(4, 2);
  const char* stops[] = {stop.c_str()};
  pensee_options options = greedy(30);
  options.stop = stops;
  options.num_stop = 1;
  CHECK(ask_new(model, prompt_of("Hm?"), options).thought == thought);
}

TEST_CASE("budget: the thought is closed at the limit by the tags' own tokens, and the answer follows") {
  const ModelHandle model = open_small();
  const auto closing = tokenize(model, "\n</think>\n\n");
  REQUIRE(std::count(closing.begin(), closing.end(), kEndThink) == 1);
  const auto free_thought = ask_new(model, prompt_of("Hm?"), greedy(30));
  for (const int64_t budget : {0, 1, 9}) {
    CAPTURE(budget);
    pensee_options options = greedy(30);
    options.think_budget = budget;
    options.budget_text = "";
    const auto bounded = ask_new(model, prompt_of("Hm?"), options);
    const auto begin = bounded.tokens.begin();
    CHECK(std::equal(begin, begin + budget, free_thought.tokens.begin()));
    CHECK(std::equal(closing.begin(), closing.end(), begin + budget));
    CHECK(bounded.thought == texts_of({begin, begin + budget}) + "\n");
    const auto rest = begin + budget + static_cast<std::ptrdiff_t>(closing.size());
    CHECK(bounded.answer == "\n\n" + texts_of({rest, bounded.tokens.end()}));
    CHECK(bounded.usage.thought_tokens == budget + 2);  // with the line feed and the tag
    CHECK(bounded.usage.thought_tokens + bounded.usage.answer_tokens == 30);
    CHECK(bounded.finish == PENSEE_FINISH_LENGTH);
    // What follows is what the model says after that text, as if the closing had been its own.
    auto fed = tokenize(model, "User: Hm?\nAssistant: <think>\n");
    fed.insert(fed.end(), begin, rest);
    const auto continued = ask_new(model, prompt_of(fed), greedy(bounded.tokens.end() - rest));
    CHECK(continued.tokens == std::vector<int32_t>(rest, bounded.tokens.end()));
    // STOP after a budget was spent says so.
    const std::string stop = bounded.answer.substr(4, 2);
    const char* stops[] = {stop.c_str()};
    options.stop = stops;
    options.num_stop = 1;
    CHECK(ask_new(model, prompt_of("Hm?"), options).finish == PENSEE_FINISH_BUDGET);
  }
}

TEST_CASE("budget: a prompt without a thought is not closed") {
  const ModelHandle model = open_small();
  pensee_options options = greedy(20);
  options.think_budget = 0;
  const auto answer = ask_new(model, prompt_of(kPlain), options);
  CHECK(answer.tokens == ask_new(model, prompt_of(kPlain), greedy(20)).tokens);
  CHECK(answer.thought.empty());
}

TEST_CASE("end_thought: closes the thought from another thread while it runs") {
  const ModelHandle model = open_small();
  const SessionHandle session = new_session(model);
  const StreamHandle stream = open_stream(session, prompt_of("Hm?"), greedy(300));
  Answered all;
  for (int i = 0; i < 4; ++i) REQUIRE(take(stream.get(), all));
  std::thread([&] { pensee_stream_end_thought(stream.get()); }).join();
  while (take(stream.get(), all)) {
  }
  CHECK(all.thought.size() >= 4);
  CHECK(all.thought.ends_with("\n"));
  CHECK(all.answer.starts_with("\n\n"));
  CHECK(all.usage.answer_tokens > 0);
  CHECK(std::count(all.tokens.begin(), all.tokens.end(), kEndThink) == 1);
  CHECK(all.finish == PENSEE_FINISH_LENGTH);
}

TEST_CASE("budget: a closing tag that the weights do not know is not forced on them") {
  const SmallModel odd(5000);  // the tokenizer gives </think> an id beyond the vocabulary
  pensee_model* opened = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  if (pensee_model_open(odd.path().c_str(), nullptr, &opened, &error) != PENSEE_OK) return;
  const ModelHandle model(opened, pensee_model_free);
  const std::vector<int32_t> thinking = {40, 41, kThink, 95};
  pensee_options options = greedy(20);
  options.think_budget = 2;
  const auto found = ask_new(model, prompt_of(thinking), options);
  CHECK(found.status == PENSEE_OK);
  for (const int32_t token : found.tokens) CHECK(token < 320);
}

TEST_CASE("end of text: ends the answer unless it is ignored, and makes no event") {
  const ModelHandle model = open_model(kGolden);  // its end token is 1; random weights reach it now and then
  int ended = 0;
  for (uint64_t seed = 1; seed < 60 && ended < 3; ++seed) {
    pensee_options options = sampled(200, seed);
    const auto all = ask_new(model, prompt_of(kPlain), options);
    const auto end = std::find(all.tokens.begin(), all.tokens.end(), 1);
    if (end == all.tokens.end()) continue;
    ++ended;
    options.ignore_eos = 0;
    const auto cut = ask_new(model, prompt_of(kPlain), options);
    CHECK(cut.tokens == std::vector<int32_t>(all.tokens.begin(), end));
    CHECK(cut.finish == PENSEE_FINISH_STOP);
  }
  CHECK(ended > 0);
}

TEST_CASE("seed: the same text for the same seed, another for another, and usage tells the one that was drawn") {
  const ModelHandle model = open_small();
  const auto first = ask_new(model, prompt_of(kPlain), sampled(40, 7));
  CHECK(ask_new(model, prompt_of(kPlain), sampled(40, 7)).tokens == first.tokens);
  CHECK(ask_new(model, prompt_of(kPlain), sampled(40, 8)).tokens != first.tokens);
  CHECK(first.usage.seed == 7);
  const auto drawn = ask_new(model, prompt_of(kPlain), sampled(40, 0));
  CHECK(drawn.usage.seed != 0);
  CHECK(ask_new(model, prompt_of(kPlain), sampled(40, 0)).usage.seed != drawn.usage.seed);
  CHECK(ask_new(model, prompt_of(kPlain), sampled(40, drawn.usage.seed)).tokens == drawn.tokens);
}

TEST_CASE("session: a second stream is refused until the first has ended") {
  const ModelHandle model = open_small();
  const SessionHandle session = new_session(model);
  const StreamHandle first = open_stream(session, prompt_of(kPlain), greedy(0));
  const pensee_prompt prompt = prompt_of(kPlain);
  pensee_stream* second = nullptr;
  pensee_error error = PENSEE_ERROR_INIT;
  CHECK(pensee_stream_open(session.get(), &prompt, nullptr, &second, &error) == PENSEE_BUSY);
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_stream_cancel(first.get());
  drain(first);
  CHECK(pensee_stream_next(first.get(), 0, &event, &error) == PENSEE_NO_MORE_EVENTS);
  CHECK(ask(session, prompt_of(kPlain), greedy(3)).tokens.size() == 3);
}
