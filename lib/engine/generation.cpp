#include "engine/generation.h"

#include <algorithm>
#include <atomic>
#include <chrono>

namespace pensee {
namespace {

SamplerSettings settings_of(const GenerateOptions& o) {
  SamplerSettings s;
  s.temperature = o.temperature.value_or(0.0f);
  s.top_p = o.top_p.value_or(1.0f);
  s.top_k = o.top_k.value_or(0);
  s.min_p = o.min_p;
  return s;
}

// Whether the prompt ends with an opening tag: then the model goes on inside its thought.
bool opens_thought(const Engine& engine, std::span<const int32_t> prompt) {
  const Tokenizer* tokenizer = engine.content.tokenizer.get();
  if (!tokenizer) return false;
  constexpr size_t look_back = 16;
  std::string text;
  for (const int32_t id : prompt.last(std::min(prompt.size(), look_back))) {
    if (!tokenizer->decode_append(id, false, text).ok()) text.clear();
  }
  const size_t end = text.find_last_not_of(" \t\r\n");
  return end != text.npos && std::string_view(text).substr(0, end + 1).ends_with(engine.content.tags.open);
}

uint64_t fresh_seed() {
  static std::atomic<uint64_t> calls{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  return Random(static_cast<uint64_t>(now) ^ (calls.fetch_add(1) << 48)).next() | 1;
}

}  // namespace

GenerateOptions settle_options(const Engine& engine, GenerateOptions options) {
  const GenerationDefaults& d = engine.content.defaults;
  if (!options.temperature) options.temperature = d.temperature.value_or(0.6f);
  if (!options.top_p) options.top_p = d.top_p.value_or(0.95f);
  if (!options.top_k) options.top_k = d.top_k.value_or(0);
  if (options.seed == 0) options.seed = fresh_seed();
  return options;
}

Generation::Generation(const Engine& engine, GenerateOptions options, std::span<const int32_t> prompt)
    : engine_(engine),
      options_(std::move(options)),
      sampler_(settings_of(options_), options_.seed, engine.kernels),
      splitter_(engine.content.thinks ? engine.content.tags : ThinkTags{"", ""},
                engine.content.thinks && opens_thought(engine, prompt)) {}

bool Generation::budget_is_spent() const {
  return options_.think_budget >= 0 && thought_tokens_ >= options_.think_budget;
}

void Generation::force_close() {
  closing_ = true;
  auto ids = engine_.content.tokenizer->encode("\n" + engine_.content.tags.close + "\n\n", {});
  // A tokenizer may know more tokens than the weights: such a thought cannot be closed from here.
  if (ids.ok() && engine_.check_ids(*ids).ok()) forced_.assign(ids->begin(), ids->end());
}

int32_t Generation::choose(std::span<const float> logits, bool end_thought) {
  const bool open = splitter_.channel() == Channel::thought;
  if (open && !closing_ && (end_thought || budget_is_spent())) {
    closed_by_budget_ = !end_thought;
    force_close();
  }
  if (forced_.empty()) return sampler_.sample(logits);
  const int32_t token = forced_.front();
  forced_.pop_front();
  return token;
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

int32_t Generation::step(std::span<const float> logits, int64_t position, bool end_thought, std::vector<Event>& out) {
  const int32_t token = choose(logits, end_thought);
  if (!options_.ignore_eos && engine_.content.eos_ids.contains(token)) {
    finish_ = closed_by_budget_ ? Finish::budget : Finish::stop;
    return -1;
  }
  Event event;
  event.token_id = token;
  event.position = position;
  const float log_denominator = log_sum_exp(logits, engine_.kernels, room_);
  event.logprob = logits[static_cast<size_t>(token)] - log_denominator;
  if (options_.top_logprobs > 0) {
    event.alternatives = top_alternatives(logits, log_denominator, options_.top_logprobs);
  }
  std::string bytes;
  if (const Tokenizer* tokenizer = engine_.content.tokenizer.get()) {
    const bool tag =
        token == tokenizer->find(engine_.content.tags.open) || token == tokenizer->find(engine_.content.tags.close);
    // Ids beyond the tokenizer's texts (a padded vocabulary) have none.
    if (!tokenizer->decode_append(token, !tag, bytes).ok()) bytes.clear();
  }
  const Channel before = splitter_.channel();
  text_events(joiner_.push(bytes), std::move(event), out);
  count(before);
  if (stopped_) {
    finish_ = closed_by_budget_ ? Finish::budget : Finish::stop;
  } else if (options_.max_tokens > 0 && thought_tokens_ + answer_tokens_ >= options_.max_tokens) {
    finish_ = Finish::length;
  }
  return finish_ == Finish::none ? token : -1;
}

// The first event carries the token; a second one, on the other side of a tag, does not.
void Generation::text_events(std::string_view text, Event token_event, std::vector<Event>& out) {
  std::vector<Piece> pieces;
  splitter_.push(text, pieces);
  if (pieces.empty()) pieces.push_back({splitter_.channel(), ""});
  for (Piece& piece : pieces) {
    if (piece.channel == Channel::answer) stopped_ = stop_in(piece.text);
    token_event.kind = piece.channel == Channel::thought ? EventKind::thought : EventKind::answer;
    token_event.text = std::move(piece.text);
    if (token_event.token_id < 0 && token_event.text.empty()) continue;
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
    held = std::max(held, held_back(held_answer_, stop));
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
  splitter_.push(joiner_.flush(), pieces);
  splitter_.flush(pieces);
  for (Piece& piece : pieces) {
    if (piece.channel == Channel::answer) stopped_ = stop_in(piece.text);
    if (!piece.text.empty()) {
      Event event;
      event.kind = piece.channel == Channel::thought ? EventKind::thought : EventKind::answer;
      event.text = std::move(piece.text);
      out.push_back(std::move(event));
    }
    if (stopped_) return;
  }
  if (held_answer_.empty()) return;
  Event event;
  event.kind = EventKind::answer;
  event.text = std::move(held_answer_);
  held_answer_.clear();
  out.push_back(std::move(event));
}

}  // namespace pensee
