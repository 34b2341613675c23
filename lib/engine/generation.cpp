#include "engine/generation.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "sampling/tool_constraint.h"

namespace pensee {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr int64_t kSpaceTokens = 4;  // that may stand before an opening tag

// Tokens whose text holds one of `breakers`.
std::vector<int32_t> tokens_with(const Engine& engine, const std::vector<std::string>& breakers) {
  std::vector<int32_t> found;
  const Tokenizer* tokenizer = engine.content.tokenizer.get();
  if (!tokenizer) return found;
  std::string text;
  for (int32_t id = 0; id < tokenizer->vocab_size(); ++id) {
    text.clear();
    if (!tokenizer->decode_append(id, false, text).ok()) continue;
    const auto holds = [&](const std::string& breaker) { return text.find(breaker) != text.npos; };
    if (std::any_of(breakers.begin(), breakers.end(), holds)) found.push_back(id);
  }
  return found;
}

void settle_sampling(const Engine& engine, const GenerateOptions& o, const std::vector<std::string>& breakers,
                     SamplerSettings& s) {
  if (s.temperature < 0) s.temperature = *o.temperature;
  if (s.top_p < 0) s.top_p = *o.top_p;
  if (s.top_k < 0) s.top_k = *o.top_k;
  if (s.min_p < 0) s.min_p = o.min_p;
  if (s.dry_multiplier != 0) s.dry_breakers = tokens_with(engine, breakers);
}

// What the prompt ends with, from which the splitter learns whether a thought is open.
std::string tail_of(const Engine& engine, std::span<const int32_t> prompt) {
  std::string text;
  const Tokenizer* tokenizer = engine.content.tokenizer.get();
  if (!tokenizer) return text;
  constexpr size_t look_back = 64;
  for (const int32_t id : prompt.last(std::min(prompt.size(), look_back))) {
    if (!tokenizer->decode_append(id, false, text).ok()) text.clear();
  }
  return text;
}

uint64_t fresh_seed() {
  static std::atomic<uint64_t> calls{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return Random(static_cast<uint64_t>(now) ^ (calls.fetch_add(1) << 48)).next() | 1;
}

// The length of the longest end of `text` that is a proper begin of `stop`.
size_t held_for(std::string_view text, std::string_view stop) {
  for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

EventKind kind_of(Channel channel) {
  if (channel == Channel::thought) return EventKind::thought;
  return channel == Channel::answer ? EventKind::answer : EventKind::tool_call;
}

GenerateOptions settle_options(const Engine& engine, GenerateOptions options) {
  const GenerationDefaults& d = engine.content.defaults;
  if (!options.temperature) options.temperature = d.temperature.value_or(0.6f);
  if (!options.top_p) options.top_p = d.top_p.value_or(0.95f);
  if (!options.top_k) options.top_k = d.top_k.value_or(0);
  if (options.seed == 0) options.seed = fresh_seed();
  if (options.think_budget < 0) {
    options.think_budget = plan_effort(engine.content.dialect, options.effort).think_budget;
  }
  if (!options.sampling) {
    options.sampling.emplace();
    options.sampling->temperature = options.sampling->top_p = options.sampling->min_p = -1;
    options.sampling->top_k = -1;
  }
  settle_sampling(engine, options, options.dry_breakers, *options.sampling);
  if (options.answer_sampling) {
    settle_sampling(engine, options, options.answer_dry_breakers, *options.answer_sampling);
  }
  return options;
}

Generation::Generation(const Engine& engine, GenerateOptions options, std::span<const int32_t> prompt,
                       Splitter splitter)
    : engine_(engine),
      options_(std::move(options)),
      sampler_(*options_.sampling, options_.seed, engine.kernels),
      splitter_(std::move(splitter)),
      loop_guard_({options_.loop_ngram, options_.loop_repeats, options_.loop_window}),
      history_(prompt.begin(), prompt.end()) {}

Result<std::unique_ptr<Generation>> Generation::create(const Engine& engine, GenerateOptions options,
                                                       std::span<const int32_t> prompt) {
  const bool offered = options.tools && options.tool_choice != ToolChoice::none;
  const auto tools = offered ? std::make_shared<const ToolTypes>(*options.tools) : nullptr;
  Splitter splitter(engine.content.dialect, tail_of(engine, prompt), tools);
  std::unique_ptr<Generation> made(new Generation(engine, std::move(options), prompt, std::move(splitter)));
  PENSEE_TRY(made->prepare());
  return made;
}

Status Generation::prepare() {
  const int64_t vocab = engine_.content.model->config.vocab_size;
  PENSEE_TRY(check(*options_.sampling, static_cast<int32_t>(vocab)));
  if (options_.answer_sampling) PENSEE_TRY(check(*options_.answer_sampling, static_cast<int32_t>(vocab)));
  if (options_.constraint) {
    PENSEE_TRY(engine_.require_tokenizer());
    PENSEE_ASSIGN(answer_constraint_,
                  engine_.constraints().compile(options_.constraint->kind, options_.constraint->text));
    ConstraintMatcher trial(answer_constraint_);
    if (!options_.answer_prefix.empty() && !trial.accept_text(options_.answer_prefix)) {
      return Status(Code::bad_argument, "answer_prefix does not fit what the answer is held to");
    }
  }
  const bool holds_tools = options_.tool_choice == ToolChoice::strict || options_.tool_choice == ToolChoice::required;
  if (holds_tools) {
    if (!options_.tools || !options_.tools->array()) return Status(Code::bad_argument, "tool_choice needs tools");
    PENSEE_TRY(engine_.require_tokenizer());
    PENSEE_TRY(prepare_tools());
  }
  skip_space_ = steers_answer();
  const Dialect& dialect = engine_.content.dialect;
  const bool opens = options_.open_thought || !options_.thought_prefix.empty();
  if (opens && !dialect.thinks()) return Status::unsupported("this model marks no thought: it cannot be opened for it");
  const bool open = splitter_.channel() == Channel::thought;
  if (opens && !open) PENSEE_TRY(force_text(dialect.opens));
  if (opens) return force_text(options_.thought_prefix);
  const bool skips = plan_effort(dialect, options_.effort).skip_thought;
  return skips && !open && !splitter_.thought_closed() ? force_text(dialect.skips) : Status();
}

// Compiled here, so that a schema that does not hold is known before anything is computed.
Status Generation::prepare_tools() {
  const std::vector<const CallSyntax*>& calls = engine_.content.dialect.calls;
  if (calls.empty() || calls.front()->body == CallBody::parameters || calls.front()->body == CallBody::python ||
      calls.front()->bare) {
    return Status::unsupported(
        "this model writes the arguments of a tool call in a form that cannot be held to a schema");
  }
  const json::Value& tools = *options_.tools;
  if (calls.front()->body == CallBody::objects) {
    PENSEE_ASSIGN(const std::string schema, tool_call_schema(tools));
    PENSEE_ASSIGN(call_constraint_, engine_.constraints().compile(ConstraintKind::json_schema, schema));
    return Status();
  }
  for (const json::Value& tool : *tools.array()) {
    const json::Value* function = tool.find("function");
    const json::Value* name = (function ? function : &tool)->find("name");
    if (!name || !name->string()) return Status(Code::bad_argument, "a tool has no name");
    PENSEE_ASSIGN(const std::string schema, tool_arguments_schema(tools, *name->string()));
    PENSEE_ASSIGN(argument_constraints_[*name->string()],
                  engine_.constraints().compile(ConstraintKind::json_schema, schema));
  }
  return Status();
}

Status Generation::force_text(std::string_view text) {
  if (text.empty()) return Status();
  PENSEE_TRY(engine_.require_tokenizer());
  PENSEE_ASSIGN(const std::vector<int32_t> ids, engine_.content.tokenizer->encode(text, {}));
  PENSEE_TRY(engine_.check_ids(ids));
  forced_.insert(forced_.end(), ids.begin(), ids.end());
  return Status();
}

int64_t Generation::tokens_left() const {
  const int64_t far = INT64_MAX;
  const int64_t total = options_.max_tokens > 0 ? options_.max_tokens - thought_tokens_ - answer_tokens_ : far;
  const bool thinking = splitter_.channel() == Channel::thought;
  const int64_t thought =
      thinking && options_.think_budget >= 0 && !closing_ ? options_.think_budget - thought_tokens_ : far;
  const int64_t answer = !thinking && options_.answer_budget > 0 ? options_.answer_budget - answer_tokens_ : far;
  return std::max<int64_t>(0, std::min({total, thought, answer}));
}

// ---- choosing

void Generation::close_thought(Finish why) {
  closing_ = true;
  closed_by_ = why;
  forced_.clear();
  const Dialect& dialect = engine_.content.dialect;
  std::string text = options_.budget_text ? *options_.budget_text + dialect.closes : dialect.closes_at_budget;
  if (thought_tokens_ == 0 && !options_.budget_text) text = dialect.closes;  // nothing was thought
  splitter_.expect_close();
  // A tokenizer may know more tokens than the weights: such a thought cannot be closed from here.
  if (!force_text(text).ok()) forced_.clear();
  // The answer matters more than a sentence of ours.
  const int64_t room = tokens_left();
  if (!options_.budget_text && static_cast<int64_t>(forced_.size()) > room / 4) {
    forced_.clear();
    if (!force_text(dialect.closes).ok()) forced_.clear();
  }
}

void Generation::watch_thought(bool end_thought) {
  if (closing_ || splitter_.channel() != Channel::thought) return;
  const bool spent = options_.think_budget >= 0 && thought_tokens_ >= options_.think_budget;
  if (end_thought || spent) {
    close_thought(end_thought ? Finish::none : Finish::budget);
  } else if (options_.loop_guard && looping_) {
    close_thought(Finish::loop);
  }
}

bool Generation::closes_thought(int32_t token) const {
  if (engine_.content.eos_ids.contains(token)) return true;
  Splitter after = splitter_;
  bool mark = false;
  const std::string bytes = bytes_of(engine_, token, &mark);
  std::vector<Piece> pieces;
  after.push(bytes, mark, pieces);
  return after.channel() != Channel::thought;
}

bool Generation::opens_thought(int32_t token) const {
  Splitter after = splitter_;
  bool mark = false;
  const std::string bytes = bytes_of(engine_, token, &mark);
  std::vector<Piece> pieces;
  after.push(bytes, mark, pieces);
  const bool only_space = bytes.find_first_not_of(kSpace) == bytes.npos;
  return after.channel() == Channel::thought || (only_space && answer_tokens_ < kSpaceTokens);
}

// While min_thought is not reached, what would end the thought is taken out of the choice, one token after another.
int32_t Generation::choose_in_thought(std::span<const float> logits) {
  int32_t token = sampler_.sample(logits, history_);
  if (thought_tokens_ >= options_.min_thought || closing_) return token;
  constexpr int attempts = 16;
  mask_.assign((logits.size() + 31) / 32, ~0u);
  for (int i = 0; i < attempts && token >= 0 && closes_thought(token); ++i) {
    mask_[static_cast<size_t>(token) / 32] &= ~(1u << (token % 32));
    const int32_t other = sampler_.sample(logits, history_, mask_);
    if (other < 0) break;
    token = other;
  }
  return token;
}

int32_t Generation::draw(std::span<const float> logits) {
  if (!matcher_) return sampler_.sample(logits, history_);
  mask_.assign(matcher_->mask_words(), 0);
  status_ = matcher_->fill_mask(mask_);
  if (!status_.ok()) return -1;
  const int32_t token = sampler_.sample(logits, history_, mask_);
  skip_space_ = false;
  if (in_call_ && engine_.content.eos_ids.contains(token)) {  // the call is complete, not the reply
    end_held_call();
    return choose(logits, false);
  }
  if (token < 0 || !matcher_->accept_token(token)) {
    status_ = Status(Code::internal, "the constraint allows no token that the weights know");
    return -1;
  }
  return token;
}

// A call is held from its begin where it is one JSON object, else from the begin of its arguments.
void Generation::follow_tool_call() {
  if (splitter_.channel() != Channel::tool_call) {
    if (in_call_) matcher_.reset();
    in_call_ = false;
    return;
  }
  if (!in_call_) {
    in_call_ = true;
    call_held_ = false;
    matcher_.reset();
  }
  if (matcher_ && matcher_->must_end()) end_held_call();
  if (call_held_) return;
  const Splitter::CallPhase phase = splitter_.tool_call_phase();
  if (call_constraint_) {
    matcher_.emplace(call_constraint_);
  } else if (phase.part == Splitter::CallPhase::Part::arguments) {
    const auto found = argument_constraints_.find(std::string(phase.name));
    if (found == argument_constraints_.end()) return;
    matcher_.emplace(found->second);
    if (!matcher_->accept_text(phase.arguments)) matcher_.reset();
  } else {
    return;
  }
  call_held_ = true;
}

void Generation::end_held_call() {
  matcher_.reset();
  if (!call_constraint_) return;
  const std::string_view end = engine_.content.dialect.calls.front()->end;
  if (!end.empty()) status_ = force_text("\n" + std::string(end));
}

bool Generation::steers_answer() const {
  return options_.constraint.has_value() || !options_.answer_prefix.empty() ||
         options_.tool_choice == ToolChoice::required;
}

// The thought is over, or there will be none.
void Generation::begin_answer() {
  answer_settled_ = true;
  if (options_.answer_sampling) sampler_.set(*options_.answer_sampling);
  if (answer_constraint_) matcher_.emplace(answer_constraint_);
  const bool apart = splitter_.thought_closed() && !engine_.content.dialect.harmony;
  if (!steers_answer()) return;
  if (apart && !closing_) status_ = force_text("\n\n");
  if (options_.tool_choice == ToolChoice::required && status_.ok()) {
    const CallSyntax& call = *engine_.content.dialect.calls.front();
    status_ = force_text(std::string(call.sections[0]) + std::string(call.begin));
  }
  if (status_.ok()) status_ = force_text(options_.answer_prefix);
  if (matcher_ && !options_.answer_prefix.empty()) matcher_->accept_text(options_.answer_prefix);
}

// The model may still open a thought of its own: its free choice tells. Any other choice is taken back where the
// answer is to begin in a certain way.
int32_t Generation::choose_answer(std::span<const float> logits) {
  const bool open = engine_.content.dialect.thinks() && !splitter_.thought_closed() && !splitter_.answer_begun() &&
                    options_.effort != Effort::none;
  if (!answer_settled_ && open) {
    const int32_t free = sampler_.sample(logits, history_);
    if (free < 0 || opens_thought(free)) return free;
    begin_answer();
    const bool steered = matcher_ || !forced_.empty() || options_.answer_sampling;
    if (!steered) return free;
  } else if (!answer_settled_) {
    begin_answer();
  }
  if (!status_.ok()) return -1;
  if (!forced_.empty()) return choose(logits, false);
  return draw(logits);
}

int32_t Generation::choose(std::span<const float> logits, bool end_thought) {
  watch_thought(end_thought);
  if (forced_.empty()) follow_tool_call();
  took_forced_ = !forced_.empty();
  if (took_forced_) {
    const int32_t token = forced_.front();
    forced_.erase(forced_.begin());
    return token;
  }
  if (!status_.ok()) return -1;
  if (splitter_.channel() == Channel::thought) {
    if (answer_settled_ && !splitter_.thought_closed()) {  // what looked like an answer was the begin of a tag
      answer_settled_ = false;
      sampler_.set(*options_.sampling);
    }
    return choose_in_thought(logits);
  }
  if (splitter_.channel() == Channel::answer) return choose_answer(logits);
  return draw(logits);
}

// ---- making events

std::string bytes_of(const Engine& engine, int32_t token, bool* mark) {
  std::string bytes;
  const Tokenizer* tokenizer = engine.content.tokenizer.get();
  if (!tokenizer) return bytes;
  *mark = engine.content.dialect.is_mark(token);
  // Ids beyond the tokenizer's texts (a padded vocabulary) have none.
  if (!tokenizer->decode_append(token, !*mark, bytes).ok()) bytes.clear();
  return bytes;
}

void Generation::count(Channel before) {
  const Channel after = splitter_.channel();
  if (before == Channel::answer && after == Channel::thought) {  // the opening tag, and what space came before it
    thought_tokens_ += answer_tokens_ + 1;
    answer_tokens_ = 0;
  } else {
    ++(before == Channel::thought ? thought_tokens_ : answer_tokens_);
  }
}

Finish Generation::natural_finish() const {
  if (calls_ > 0) return Finish::tool_call;
  return closed_by_ != Finish::none ? closed_by_ : Finish::stop;
}

int32_t Generation::step(std::span<const float> logits, int64_t position, bool end_thought, std::vector<Event>& out) {
  const int32_t token = choose(logits, end_thought);
  if (token < 0) {
    finish_ = Finish::error;
    if (status_.ok()) status_ = Status(Code::internal, "no token could be chosen");
    return -1;
  }
  if (!options_.ignore_eos && engine_.content.eos_ids.contains(token)) {
    bool mark = false;
    const std::string bytes = bytes_of(engine_, token, &mark);
    if (mark) text_events(bytes, true, Event(), out);
    finish_ = natural_finish();
    return -1;
  }
  Event event;
  event.token_id = token;
  event.position = position;
  event.forced = took_forced_;
  const float log_denominator = log_sum_exp(logits, engine_.kernels, room_);
  event.logprob = logits[static_cast<size_t>(token)] - log_denominator;
  if (options_.top_logprobs > 0) {
    event.alternatives = top_alternatives(logits, log_denominator, options_.top_logprobs);
  }
  bool mark = false;
  const std::string bytes = bytes_of(engine_, token, &mark);
  const Channel before = splitter_.channel();
  text_events(bytes, mark, std::move(event), out);
  history_.push_back(token);
  if (before == Channel::thought) looping_ = loop_guard_.push(token);
  count(before);
  const bool called = options_.tool_choice == ToolChoice::required && calls_ > 0;
  const bool held = matcher_ && matcher_->must_end();
  const bool complete = (called || held) && splitter_.channel() == Channel::answer;
  if (stopped_ || complete) {
    finish_ = natural_finish();
  } else if (options_.max_tokens > 0 && thought_tokens_ + answer_tokens_ >= options_.max_tokens) {
    finish_ = Finish::length;
  } else if (options_.answer_budget > 0 && answer_tokens_ >= options_.answer_budget) {
    finish_ = Finish::length;
  }
  return finish_ == Finish::none ? token : -1;
}

// The first event carries the token; others, on the other side of a tag, do not.
void Generation::text_events(std::string_view bytes, bool mark, Event token_event, std::vector<Event>& out) {
  std::vector<Piece> pieces;
  if (mark) {
    splitter_.push(joiner_.flush(), false, pieces);
    splitter_.push(bytes, true, pieces);
  } else {
    splitter_.push(joiner_.push(bytes), false, pieces);
  }
  pass_on(std::move(pieces), std::move(token_event), out);
}

void Generation::pass_on(std::vector<Piece> pieces, Event token_event, std::vector<Event>& out) {
  if (pieces.empty() && token_event.token_id >= 0) pieces.push_back({splitter_.channel(), "", std::nullopt});
  for (Piece& piece : pieces) {
    if (piece.channel == Channel::answer) {
      if (skip_space_) {
        piece.text.erase(0, std::min(piece.text.size(), piece.text.find_first_not_of(kSpace)));
        skip_space_ = piece.text.empty();
      }
      stopped_ = stop_in(piece.text);
    }
    calls_ += piece.call.has_value();
    token_event.kind = kind_of(piece.channel);
    token_event.text = std::move(piece.text);
    token_event.call = std::move(piece.call);
    if (token_event.token_id < 0 && token_event.text.empty() && !token_event.call) continue;
    Event next;
    next.position = token_event.position;
    out.push_back(std::move(token_event));
    token_event = std::move(next);
    if (stopped_) return;
  }
}

bool Generation::stop_in(std::string& text) {
  if (options_.stop.empty()) return false;
  held_answer_ += text;
  size_t first = held_answer_.npos, held = 0;
  for (const std::string& stop : options_.stop) {
    first = std::min(first, held_answer_.find(stop));
    held = std::max(held, held_for(held_answer_, stop));
  }
  const bool found = first != held_answer_.npos;
  const size_t sure = found ? first : held_answer_.size() - held;
  text = held_answer_.substr(0, sure);
  held_answer_.erase(0, found ? held_answer_.npos : sure);
  return found;
}

void Generation::flush(std::vector<Event>& out) {
  if (stopped_) return;
  std::vector<Piece> pieces;
  splitter_.push(joiner_.flush(), false, pieces);
  splitter_.flush(pieces);
  pass_on(std::move(pieces), Event(), out);
  if (stopped_ || held_answer_.empty()) return;
  Event event;
  event.kind = EventKind::answer;
  event.text = std::move(held_answer_);
  held_answer_.clear();
  out.push_back(std::move(event));
}

}  // namespace pensee
