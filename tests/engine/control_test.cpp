// Control of the thought and the answer, tool calls, samples, votes and guesses, on models that say what they are told
// to (scripted_model.h) and on random ones.
#include <algorithm>
#include <thread>

#include "engine/client.h"
#include "engine/scripted_model.h"

using namespace pensee;
using namespace pensee::test;

namespace {

struct Whole {
  std::vector<pensee_event> events;  // strings are gone
  std::vector<std::string> texts;
  std::string thought, answer, call_text;
  struct Call {
    std::string id, name, arguments;
  };
  std::vector<Call> calls;
  int32_t finish = 0;
  pensee_usage usage = {};
  std::vector<int32_t> tokens;
  int forced = 0;
};

Whole read_all(const StreamHandle& stream) {
  Whole all;
  while (true) {
    pensee_event e = PENSEE_EVENT_INIT;
    PENSEE_REQUIRE_OK(pensee_stream_next(stream.get(), -1, &e, &call_error));
    if (e.kind == PENSEE_EVENT_END) {
      all.finish = e.finish_reason;
      all.usage = *e.usage;
      return all;
    }
    const std::string text(e.text, e.text_length);
    if (e.kind == PENSEE_EVENT_THOUGHT) all.thought += text;
    if (e.kind == PENSEE_EVENT_ANSWER) all.answer += text;
    if (e.kind == PENSEE_EVENT_TOOL_CALL) all.call_text += text;
    if (e.tool_name) all.calls.push_back({e.tool_call_id, e.tool_name, e.tool_arguments_json});
    if (e.token_id >= 0) all.tokens.push_back(e.token_id);
    all.forced += e.forced;
  }
}

Whole say(const ModelHandle& model, pensee_options options, const pensee_prompt& prompt) {
  return read_all(open_stream(new_session(model), prompt, options));
}

pensee_options plain(int64_t max_tokens = 400) {
  pensee_options options = PENSEE_OPTIONS_INIT;
  options.max_tokens = max_tokens;
  options.temperature = 0;
  return options;
}

ScriptedModel::Settings thinker() {
  ScriptedModel::Settings s;
  s.script = {"<think>", "First ", "I add ", "the two", ". ", "</think>", "It ", "is ", "42", "."};
  s.closing = {"So ", "forty-two", "!"};
  return s;
}

}  // namespace

TEST_CASE("thought: opened by the model, closed by the model, and counted") {
  const ScriptedModel script(thinker());
  const auto all = say(open_model(script.path()), plain(), prompt_of("Hm?"));
  CHECK(all.thought == "First I add the two. ");
  CHECK(all.answer == "It is 42.");
  CHECK(all.finish == PENSEE_FINISH_STOP);
  CHECK(all.usage.thought_tokens == 6);
  CHECK(all.usage.answer_tokens == 4);
}

TEST_CASE("think_budget: the family's sentence, one's own, or none closes the thought") {
  const ScriptedModel script(thinker());
  const ModelHandle model = open_model(script.path());
  pensee_options options = plain();
  options.think_budget = 3;  // the tag counts
  const auto own_words = say(model, options, prompt_of("Hm?"));
  CHECK(own_words.thought.starts_with("First I add "));
  CHECK(own_words.thought.size() > std::string("First I add ").size() + 5);
  CHECK(own_words.answer == "\n\nSo forty-two!");
  CHECK(own_words.finish == PENSEE_FINISH_BUDGET);
  options.budget_text = " Enough.";
  const auto given = say(model, options, prompt_of("Hm?"));
  CHECK(given.thought.starts_with("First I add  Enough."));
  CHECK(given.answer == "\n\nSo forty-two!");
  options.budget_text = "";
  CHECK(say(model, options, prompt_of("Hm?")).thought.substr(0, 13) == std::string("First I add \n").substr(0, 13));
  CHECK(given.forced > 5);
}

TEST_CASE("loops: a thought that goes in circles is closed and answered, unless the guard is off") {
  for (const int loop : {1, 2, 4}) {
    ScriptedModel::Settings s = thinker();
    s.script = {"<think>", "again ", "and ", "again, ", "round ", "it ", "goes. "};
    s.loop = loop;
    const ScriptedModel script(s);
    const ModelHandle model = open_model(script.path());
    const auto closed = say(model, plain(), prompt_of("Hm?"));
    CHECK(closed.finish == PENSEE_FINISH_LOOP);
    CHECK(closed.answer == "\n\nSo forty-two!");
    CHECK(closed.usage.thought_tokens < 250);
    pensee_options options = plain();
    options.loop_guard = PENSEE_LOOP_GUARD_OFF;
    const auto endless = say(model, options, prompt_of("Hm?"));
    CHECK(endless.finish == PENSEE_FINISH_LENGTH);
    CHECK(endless.answer.empty());
    options.loop_guard = PENSEE_LOOP_GUARD_ON;
    options.loop_ngram = 4;
    options.loop_repeats = 2;
    CHECK(say(model, options, prompt_of("Hm?")).usage.thought_tokens < closed.usage.thought_tokens);
  }
}

TEST_CASE("min_thought: the model cannot close its thought before") {
  const ScriptedModel script(thinker());
  const ModelHandle model = open_model(script.path());
  pensee_options options = plain(60);
  options.min_thought = 20;
  CHECK(say(model, options, prompt_of("Hm?")).usage.thought_tokens >= 20);
}

TEST_CASE("prefixes: the thought and the answer begin as they are told to") {
  ScriptedModel::Settings s = thinker();
  s.script = {"It ", "is ", "42", "."};
  const ScriptedModel script(s);
  const ModelHandle model = open_model(script.path());
  CHECK(say(model, plain(), prompt_of("Hm?")).answer == "It is 42.");
  pensee_options options = plain();
  options.open_thought = 1;
  options.thought_prefix = "Let me see: It ";
  const auto opened = say(model, options, prompt_of("Hm?"));
  CHECK(opened.thought == "\nLet me see: It is 42.");
  options = plain();
  options.answer_prefix = "Well: It ";
  const auto answered = say(model, options, prompt_of("Hm?"));
  CHECK(answered.answer == "Well: It is 42.");
  CHECK(answered.thought.empty());
  options.answer_budget = 3;
  const auto short_one = say(model, options, prompt_of("Hm?"));
  CHECK(short_one.usage.answer_tokens == 3);
  CHECK(short_one.finish == PENSEE_FINISH_LENGTH);
}

TEST_CASE("prefixes: an answer's prefix waits for the thought to end") {
  const ScriptedModel script(thinker());
  const ModelHandle model = open_model(script.path());
  pensee_options options = plain();
  options.answer_prefix = "Well: It ";
  const auto all = say(model, options, prompt_of("Hm?"));
  CHECK(all.thought == "First I add the two. ");
  CHECK(all.answer == "Well: It is 42.");
}

TEST_CASE("tool calls: come as events with name and arguments, inside a thought too, and in parallel") {
  const std::vector<std::string> call = {
      "<tool_call>", "\n{\"name\": \"calc\", ", "\"arguments\": {\"x\": ", "1}}", "\n", "</tool_call>"};
  for (const bool in_thought : {false, true}) {
    ScriptedModel::Settings s;
    s.script = {"<think>", "I need ", "a sum. "};
    if (!in_thought) s.script.push_back("</think>");
    s.script.insert(s.script.end(), call.begin(), call.end());
    const ScriptedModel script(s);
    const ModelHandle model = open_model(script.path());
    pensee_prompt prompt = prompt_of("Hm?");
    prompt.tools_json = R"([{"type":"function","function":{"name":"calc","parameters":{"type":"object"}}}])";
    const auto all = say(model, plain(), prompt);
    CHECK(all.finish == PENSEE_FINISH_TOOL_CALL);
    REQUIRE(all.calls.size() == 1);
    CHECK(all.calls[0].name == "calc");
    CHECK(all.calls[0].arguments == "{\"x\": 1}");
    CHECK(!all.calls[0].id.empty());
    CHECK(all.call_text == all.calls[0].arguments);
    CHECK(all.thought == "I need a sum. ");
    CHECK(all.answer.find("calc") == std::string::npos);

    pensee_reply* reply = nullptr;
    const SessionHandle session = new_session(model);
    const pensee_options options = plain();
    PENSEE_REQUIRE_OK(pensee_session_ask(session.get(), &prompt, &options, &reply, &call_error));
    CHECK(pensee_reply_num_tool_calls(reply) == 1);
    CHECK(std::string(pensee_reply_tool_call(reply, 0)->name) == "calc");
    CHECK(pensee_reply_tool_call(reply, 1) == nullptr);
    const auto message = json::parse(pensee_reply_message_json(reply), "message");
    REQUIRE(message.ok());
    CHECK(message->find("tool_calls")->array()->size() == 1);
    CHECK(*message->find("reasoning_content")->string() == "I need a sum.");
    pensee_reply_free(reply);
  }
}

TEST_CASE("tags: a literal closing tag in the thought's code ends nothing") {
  ScriptedModel::Settings s;
  s.script = {"<think>", "The tag ", "`<", "/th", "ink>", "` ends it. ", "</think>", "Yes", "."};
  const ScriptedModel script(s);
  const auto all = say(open_model(script.path()), plain(), prompt_of("Hm?"));
  CHECK(all.thought == "The tag `</think>` ends it. ");
  CHECK(all.answer == "Yes.");
}

TEST_CASE("samples: n replies to one prompt, each what its seed gives alone") {
  const ModelHandle model = open_model(kGolden);
  const std::vector<int32_t> prompt = {5, 9, 200, 7, 7, 31};
  pensee_options options = sampled(20, 77);
  options.n = 4;
  pensee_reply* reply = nullptr;
  const SessionHandle session = new_session(model);
  const pensee_prompt asked = prompt_of(prompt);
  PENSEE_REQUIRE_OK(pensee_session_ask(session.get(), &asked, &options, &reply, &call_error));
  REQUIRE(pensee_reply_num_samples(reply) == 4);
  CHECK(pensee_reply_sample(reply, 4) == nullptr);
  int distinct = 0;
  std::vector<std::vector<int32_t>> seen;
  for (size_t i = 0; i < 4; ++i) {
    const pensee_reply* sample = pensee_reply_sample(reply, i);
    size_t count = 0;
    const int32_t* ids = pensee_reply_token_ids(sample, &count);
    const std::vector<int32_t> tokens(ids, ids + count);
    pensee_options alone = sampled(20, pensee_reply_usage(sample)->seed);
    CHECK(ask_new(model, asked, alone).tokens == tokens);
    CHECK((i == 0) == (pensee_reply_usage(sample)->seed == 77));
    if (i > 0) CHECK(pensee_reply_usage(sample)->cached_tokens == 5);
    distinct += std::find(seen.begin(), seen.end(), tokens) == seen.end();
    seen.push_back(tokens);
  }
  CHECK(distinct == 4);
  pensee_reply_free(reply);
}

TEST_CASE("votes: the majority wins, and what is certain is not computed further") {
  ScriptedModel::Settings s;  // replies so long that the scheduler cannot run ahead of the count
  s.script = {"It ", "is ", "42", "\n"};
  s.loop = 0;
  const ScriptedModel script(s);
  const ModelHandle model = open_model(script.path());
  const SessionHandle session = new_session(model);
  const pensee_prompt prompt = prompt_of("Hm?");
  const pensee_options options = plain(600);
  for (const int32_t all : {0, 1}) {
    pensee_vote_options wanted = PENSEE_VOTE_OPTIONS_INIT;
    wanted.n = 9;
    wanted.all = all;
    wanted.at_once = 1;
    pensee_vote* vote = nullptr;
    PENSEE_REQUIRE_OK(pensee_session_vote(session.get(), &prompt, &options, &wanted, &vote, &call_error));
    REQUIRE(pensee_vote_num_answers(vote) == 1);
    CHECK(std::string(pensee_vote_get_answer(vote, 0)->answer).find("42") != std::string::npos);
    CHECK(pensee_vote_get_answer(vote, 0)->weight == 1.0f);
    CHECK(pensee_vote_num_replies(vote) == 9);
    int voted = 0;
    for (size_t i = 0; i < 9; ++i) {
      voted += pensee_reply_finish_reason(pensee_vote_get_reply(vote, i)) == PENSEE_FINISH_LENGTH;
    }
    CHECK(pensee_vote_get_answer(vote, 0)->votes == voted);
    CHECK((voted == 9) == (all == 1));
    CHECK(voted >= 5);
    pensee_vote_free(vote);
  }
}

TEST_CASE("speculation: what repeats itself takes fewer passes, and the same tokens come") {
  ScriptedModel::Settings s;
  s.script = {"one ", "two ", "three ", "four ", "five ", "six ", "seven "};
  s.loop = 0;
  const ScriptedModel script(s);
  const ModelHandle model = open_model(script.path());
  pensee_options options = plain(200);
  options.speculation = PENSEE_SPECULATION_OFF;
  const auto off = say(model, options, prompt_of("Hm?"));
  CHECK(off.usage.drafted_tokens == 0);
  CHECK(off.usage.passes == 199);
  options.speculation = PENSEE_SPECULATION_NGRAM;
  // How far ahead it guesses follows the seconds that passes take: on a busy machine guessing may not seem to pay for a
  // while. The tokens and the sum hold always, and what was learnt of a disturbance fades.
  int64_t accepted_most = 0;
  for (int round = 0; round < 200 && accepted_most <= 50; ++round) {
    const auto on = say(model, options, prompt_of("Hm?"));
    CHECK(on.tokens == off.tokens);
    CHECK(on.usage.passes + on.usage.accepted_tokens == 199);
    accepted_most = std::max(accepted_most, on.usage.accepted_tokens);
  }
  CHECK(accepted_most > 50);
}

TEST_CASE("speculation: wishes that cannot be fulfilled are told") {
  const ModelHandle model = open_model(kGolden);
  const SessionHandle session = new_session(model);
  const std::vector<int32_t> ids = {1, 2};
  const pensee_prompt prompt = prompt_of(ids);
  pensee_stream* stream = nullptr;
  pensee_options options = greedy(4);
  options.speculation = PENSEE_SPECULATION_MTP;
  CHECK(pensee_stream_open(session.get(), &prompt, &options, &stream, nullptr) == PENSEE_UNSUPPORTED);
  options.speculation = PENSEE_SPECULATION_DRAFT;
  CHECK(pensee_stream_open(session.get(), &prompt, &options, &stream, nullptr) == PENSEE_BAD_ARGUMENT);
  options.draft_model = model.get();
  CHECK(pensee_stream_open(session.get(), &prompt, &options, &stream, nullptr) == PENSEE_BAD_ARGUMENT);
  CHECK(stream == nullptr);
}

TEST_CASE("queue: what is beyond max_concurrent waits, what is beyond max_waiting is refused, priority goes first") {
  pensee_model_options limits = PENSEE_MODEL_OPTIONS_INIT;
  limits.max_concurrent = 1;
  limits.max_waiting = 2;
  const ModelHandle model = open_model(kGolden, limits);
  const std::vector<int32_t> ids = {1, 2, 3};
  const pensee_prompt prompt = prompt_of(ids);
  const auto first = open_stream(new_session(model), prompt, greedy(2000));  // longer than its queue: it stays
  const auto low = open_stream(new_session(model), prompt, greedy(30));
  pensee_options urgent = greedy(30);
  urgent.priority = 5;
  const auto high = open_stream(new_session(model), prompt, urgent);
  const SessionHandle fourth = new_session(model);
  pensee_stream* refused = nullptr;
  const pensee_options options = greedy(30);
  CHECK(pensee_stream_open(fourth.get(), &prompt, &options, &refused, nullptr) == PENSEE_BUSY);
  pensee_stream_cancel(first.get());
  const auto high_one = read_all(high);
  const auto low_one = read_all(low);
  CHECK(low_one.tokens == high_one.tokens);
  CHECK(low_one.usage.seconds_waiting > high_one.usage.seconds_waiting);
  PENSEE_REQUIRE_OK(pensee_stream_open(fourth.get(), &prompt, &options, &refused, &call_error));
  pensee_stream_free(refused);
}

TEST_CASE("turns: ten of them, and only what is new is computed; thoughts go without computing the prompt again") {
  ScriptedModel::Settings s = thinker();
  const ScriptedModel script(s);
  const ModelHandle model = open_model(script.path());
  const SessionHandle session = new_session(model);
  json::Array messages;
  int64_t saved = 0, prompts = 0;
  for (int turn = 0; turn < 10; ++turn) {
    json::Value user;
    user.set("role", "user");
    user.set("content", "Question number " + std::to_string(turn) + ", which is not short?");
    messages.push_back(user);
    const std::string text = json::dump(messages);
    pensee_prompt prompt = PENSEE_PROMPT_INIT;
    prompt.messages_json = text.c_str();
    pensee_reply* reply = nullptr;
    const pensee_options options = plain();
    PENSEE_REQUIRE_OK(pensee_session_ask(session.get(), &prompt, &options, &reply, &call_error));
    const pensee_usage usage = *pensee_reply_usage(reply);
    prompts += usage.prompt_tokens;
    saved += usage.cached_tokens;
    // New are the last answer and the question: the thought between them is not in the template's text.
    if (turn > 0) CHECK(usage.prompt_tokens - usage.cached_tokens < 80);
    auto message = json::parse(pensee_reply_message_json(reply), "message");
    REQUIRE(message.ok());
    messages.push_back(*message);
    pensee_reply_free(reply);
  }
  CHECK(saved > prompts * 3 / 4);
}

TEST_CASE("routing: seen with each token, told for the whole context, and replayed to the same log-probabilities") {
  const ModelHandle model = open_model(kGolden);
  const std::vector<int32_t> ids = {5, 9, 200, 7, 7, 31};
  const pensee_prompt prompt = prompt_of(ids);
  pensee_options options = sampled(20, 3);
  options.trace_experts = 1;
  pensee_reply* reply = nullptr;
  const SessionHandle session = new_session(model);
  PENSEE_REQUIRE_OK(pensee_session_ask(session.get(), &prompt, &options, &reply, &call_error));
  size_t count = 0;
  const int32_t* tokens = pensee_reply_token_ids(reply, &count);
  std::vector<int32_t> whole = ids;
  whole.insert(whole.end(), tokens, tokens + count);
  pensee_routing routing = PENSEE_ROUTING_INIT;
  PENSEE_REQUIRE_OK(pensee_reply_routing(reply, &routing, &call_error));
  CHECK(routing.positions == static_cast<int64_t>(whole.size()) - 1);  // the last token was not fed
  const auto numbers = static_cast<size_t>(routing.num_moe_layers * routing.num_experts_per_tok);
  std::vector<int32_t> replay(routing.expert_ids,
                              routing.expert_ids + static_cast<size_t>(routing.positions) * numbers);
  replay.resize(whole.size() * numbers, -1);
  std::vector<float> scored(whole.size()), weights(replay.size());
  std::vector<int32_t> used(replay.size());
  pensee_score_options how = PENSEE_SCORE_OPTIONS_INIT;
  for (const bool replayed : {false, true}) {
    how.expert_ids = replayed ? replay.data() : nullptr;
    how.expert_ids_out = used.data();
    how.expert_weights_out = weights.data();
    PENSEE_REQUIRE_OK(pensee_score(model.get(), whole.data(), whole.size(), &how, scored.data(), &call_error));
    size_t logprob_count = 0;
    const float* logprobs = pensee_reply_logprobs(reply, &logprob_count);
    REQUIRE(logprob_count == count);
    for (size_t i = 0; i < count; ++i) CHECK(scored[ids.size() + i] == logprobs[i]);
    CHECK(std::equal(used.begin(), used.begin() + static_cast<std::ptrdiff_t>(numbers * (whole.size() - 1)),
                     routing.expert_ids));
  }
  replay[0] = 1 << 20;
  how.expert_ids = replay.data();
  CHECK(pensee_score(model.get(), whole.data(), whole.size(), &how, scored.data(), nullptr) == PENSEE_BAD_ARGUMENT);
  pensee_reply_free(reply);
}

TEST_CASE("weights: replaced in place, sessions forget, and refused while something generates") {
  const ModelHandle model = open_model(kGolden);
  const std::vector<int32_t> ids = {5, 9, 200, 7, 7, 31};
  const SessionHandle session = new_session(model);
  const auto before = ask(session, prompt_of(ids), greedy(8));
  std::vector<float> norm(static_cast<size_t>(model->engine->content.model->config.hidden_size), 0.5f);
  norm[3] = -2;
  const int64_t shape[] = {static_cast<int64_t>(norm.size())};
  const pensee_tensor tensor = {"model.norm.weight", PENSEE_DTYPE_F32, 1, shape, norm.data()};
  {
    const auto running = open_stream(new_session(model), prompt_of(ids), greedy(1500));
    CHECK(pensee_model_set_weights(model.get(), &tensor, 1, nullptr) == PENSEE_BUSY);
  }
  PENSEE_REQUIRE_OK(pensee_model_set_weights(model.get(), &tensor, 1, &call_error));
  const auto after = ask(session, prompt_of(ids), greedy(8));
  CHECK(after.usage.cached_tokens == 0);
  CHECK(after.tokens != before.tokens);
  const pensee_tensor wrong = {"model.norm.weights", PENSEE_DTYPE_F32, 1, shape, norm.data()};
  pensee_error error = PENSEE_ERROR_INIT;
  CHECK(pensee_model_set_weights(model.get(), &wrong, 1, &error) == PENSEE_BAD_ARGUMENT);
  CHECK(std::string(error.message).find("model.norm.weights") != std::string::npos);
}

TEST_CASE("parsed: a text that was kept is split as a stream of the model would be") {
  const ScriptedModel script(thinker());
  const ModelHandle model = open_model(script.path());
  const std::string text = "<think>hm</think>\n\nIt is.<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  pensee_reply* reply = nullptr;
  PENSEE_REQUIRE_OK(pensee_parse_reply(model.get(), text.data(), text.size(), 0, &reply, &call_error));
  CHECK(std::string(pensee_reply_thought(reply)) == "hm");
  CHECK(std::string(pensee_reply_answer(reply)) == "It is.");
  CHECK(pensee_reply_num_tool_calls(reply) == 1);
  CHECK(pensee_reply_finish_reason(reply) == PENSEE_FINISH_TOOL_CALL);
  pensee_reply_free(reply);
}

TEST_CASE("mtp: the prediction layer's guesses change no token") {
  const ModelHandle model = open_model(PENSEE_TEST_DATA "/goldens/data/v3_mtp");
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    std::vector<int32_t> ids(static_cast<size_t>(3 + 50 * seed));
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>((i * 7 + seed * 13) % 200);
    for (pensee_options options : {greedy(60), sampled(60, seed)}) {
      options.speculation = PENSEE_SPECULATION_OFF;
      const auto off = ask_new(model, prompt_of(ids), options);
      options.speculation = PENSEE_SPECULATION_MTP;
      const auto on = ask_new(model, prompt_of(ids), options);
      CHECK(on.tokens == off.tokens);
      CHECK(on.usage.drafted_tokens > 0);
    }
  }
}
