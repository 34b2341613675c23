#include "engine/scheduler.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <system_error>

namespace pensee {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// So short that it lies inside the string: telling that memory is out must not need any.
Status no_memory() { return Status(Code::out_of_memory, "out of memory"); }

}  // namespace

Scheduler::~Scheduler() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Scheduler::submit(const std::vector<std::shared_ptr<Request>>& samples) {
  Requests added(samples.begin(), samples.end());
  const auto count = static_cast<int64_t>(samples.size());
  std::lock_guard lock(mutex_);
  const int64_t room = engine_.options.max_concurrent + engine_.options.max_waiting - unfinished_;
  if (count > room) {
    return Status::format(Code::busy, "{} generations wait already (max_waiting {}): try again later",
                          unfinished_ - engine_.options.max_concurrent, engine_.options.max_waiting);
  }
  if (!started_) {
    try {  // the standard library's only way to say that the system refused a thread
      thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error&) {
      return Status(Code::out_of_memory, "the system refused to start the scheduler's thread");
    }
    started_ = true;
  }
  unfinished_ += count;
  incoming_.splice(incoming_.end(), added);
  wake_.notify_all();
  return Status();
}

void Scheduler::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

bool Scheduler::anything_to_do() {
  const auto cancelled = [](const auto& r) { return r->cancelled.load(); };
  if (paused_) return std::ranges::any_of(active_, cancelled) || std::ranges::any_of(waiting_, cancelled);
  return std::any_of(active_.begin(), active_.end(), [](const auto& r) { return r->cancelled || !r->queue->full(); }) ||
         std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& r) { return r->cancelled || may_begin(*r); });
}

void Scheduler::loop() {
  lower_this_thread(engine_.options.thread_priority);
  while (true) {
    if (shrink_.exchange(false)) {
      logits_ = {};
      hidden_ = {};
      trace_ = {};
    }
    {
      const bool idle = !anything_to_do();
      std::unique_lock lock(mutex_);
      if (idle) wake_.wait(lock, [&] { return stop_ || woken_ || !incoming_.empty(); });
      woken_ = false;
      if (stop_) return;
      waiting_.splice(waiting_.end(), incoming_);
    }
    try {  // the standard library's only way to say that memory is out
      step();
    } catch (const std::bad_alloc&) {
      for (const auto& request : active_) finish(*request, Finish::error, no_memory());
    }
    remove_finished();
  }
}

void Scheduler::step() {
  for (Requests* list : {&waiting_, &active_}) {
    for (const auto& request : *list) {
      if (request->cancelled) finish(*request, Finish::cancelled, Status());
    }
  }
  remove_finished();
  if (paused_) return;
  admit();
  const std::vector<Part> parts = choose_parts();
  if (!parts.empty()) run_parts(parts);
}

// A sample waits until the prompt that it shares is computed.
bool Scheduler::may_begin(const Request& r) const {
  if (static_cast<int32_t>(active_.size()) >= engine_.options.max_concurrent) return false;
  if (r.leader && r.leader->in_prompt && !r.leader->done) return false;
  if (r.at_once == 0) return true;
  const auto same = [&](const auto& other) { return other->queue == r.queue; };
  return std::count_if(active_.begin(), active_.end(), same) < r.at_once;
}

void Scheduler::admit() {
  waiting_.sort([](const auto& a, const auto& b) { return a->options().priority > b->options().priority; });
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto request = next++;
    if (!may_begin(**request)) continue;
    active_.splice(active_.end(), waiting_, request);
    begin(*active_.back());
  }
}

// Finds what of the prompt is computed already: by the session, by the sample that shares it, by any other session. The
// last token is computed again even then: its logits are needed.
void Scheduler::begin(Request& r) {
  SessionState& session = *r.session;
  if (session.weights_version != engine_.weights_version) session.rewind(0);
  session.weights_version = engine_.weights_version;
  if (r.leader) {
    SessionState& first = *r.leader->session;
    const auto share = [&] {
      if (first.tokens.size() >= r.prompt.size()) session.adopt(first, r.prompt.size() - 1);
    };
    r.leader->done ? void(first.while_idle(share)) : share();  // once it is done, its session is the caller's again
  }
  r.leader.reset();
  const auto same = std::mismatch(r.prompt.begin(), r.prompt.end(), session.tokens.begin(), session.tokens.end());
  auto kept = std::min(static_cast<size_t>(same.first - r.prompt.begin()), r.prompt.size() - 1);
  if (r.options().trace_experts) kept = std::min(kept, session.routing_rows);
  session.rewind(kept);
  if (!r.options().trace_experts) {
    const std::span<const int32_t> wanted = std::span(r.prompt).first(r.prompt.size() - 1);
    kept = static_cast<size_t>(engine_.prefix_cache->adopt(wanted, session.cache));
    session.tokens.assign(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  r.usage.cached_tokens = static_cast<int64_t>(kept);
  r.to_feed.assign(r.prompt.begin() + static_cast<std::ptrdiff_t>(kept), r.prompt.end());
  const auto certain = r.generation->certain();
  r.to_feed.insert(r.to_feed.end(), certain.begin(), certain.end());
  r.guesses = certain.size();
  r.guesses_are_certain = true;
  r.pace = lately_.of_another();
  r.begun = Request::Clock::now();
}

// Those that decode come first, a row each and their guesses, but for a quarter that waiting prompts can count on;
// these share what is left. Each time another one is first among those of its priority.
std::vector<Scheduler::Part> Scheduler::choose_parts() {
  const auto runs = [](const Request& r) { return !r.done && !r.queue->full(); };
  const auto prompts = std::count_if(active_.begin(), active_.end(), [&](const auto& r) { return r->in_prompt; });
  const auto decoding = static_cast<int64_t>(active_.size()) - prompts;
  std::vector<Part> parts;
  int64_t rows_left = kBatchRows;
  for (const bool prompt : {false, true}) {
    const int64_t kept = !prompt && prompts > 0 ? kBatchRows / 4 : 0;
    int64_t others = prompt ? 0 : decoding;
    for (const auto& active : active_) {
      Request& request = *active;
      if (request.in_prompt != prompt) continue;
      --others;
      if (rows_left <= kept || !runs(request)) continue;
      if (!prompt) guess(request, decoding, rows_left - kept - 1 - others);
      add_part(request, rows_left, parts);
    }
  }
  if (!active_.empty()) active_.splice(active_.end(), active_, active_.begin());
  active_.sort([](const auto& a, const auto& b) { return a->options().priority > b->options().priority; });
  return parts;
}

// Appends guesses to the one token that waits to be computed.
void Scheduler::guess(Request& r, int64_t decoding, int64_t most) {
  PENSEE_DCHECK(r.guesses == 0);
  const int64_t context_left = engine_.context_max - r.session->cache.length() - 2;
  most = std::min({most, context_left, r.generation->tokens_left() - 1});
  if (most <= 0) return;
  const auto certain = r.generation->certain();
  r.guesses_are_certain = !certain.empty();
  if (r.guesses_are_certain) {
    const auto count = std::min(certain.size(), static_cast<size_t>(most));
    r.to_feed.insert(r.to_feed.end(), certain.begin(), certain.begin() + static_cast<std::ptrdiff_t>(count));
  } else if (r.drafter) {
    const auto limit = static_cast<int32_t>(std::min<int64_t>(most, r.options().draft_max));
    int32_t depth = r.pace.depth(limit, decoding, cost_, r.drafter->seconds_a_guess());
    const bool named = r.options().speculation != Speculation::automatic;
    if (named && r.usage.drafted_tokens == 0) depth = std::max(depth, 1);  // whoever names a way sees it tried
    if (depth > 0) r.drafter->propose(r.generation->history(), depth, r.to_feed);
    if (r.to_feed.size() == 1) {
      r.pace.rest();
      r.drafter->catch_up(r.generation->history());
    }
  }
  r.guesses = r.to_feed.size() - 1;
}

void Scheduler::add_part(Request& r, int64_t& rows_left, std::vector<Part>& parts) {
  CacheSequence& cache = r.session->cache;
  auto rows = static_cast<int32_t>(std::min<int64_t>(rows_left, static_cast<int64_t>(r.left())));
  Status reserved = cache.reserve(cache.length() + rows);
  if (!reserved.ok() && r.guesses > 0 && !r.in_prompt) {
    r.to_feed.resize(1);
    r.guesses = 0;
    rows = 1;
    reserved = cache.reserve(cache.length() + rows);
  }
  if (!reserved.ok()) {
    finish(r, Finish::error, reserved);
    return;
  }
  const size_t first_with_logits = r.to_feed.size() - 1 - r.guesses;
  const size_t end = r.fed + static_cast<size_t>(rows);
  const size_t logits = end > first_with_logits ? end - std::max(first_with_logits, r.fed) : 0;
  parts.push_back({&r, rows, static_cast<int32_t>(logits)});
  rows_left -= rows;
}

namespace {

// Of context: scratch grows seldom.
int64_t rounded(int64_t context) {
  constexpr int64_t step = 4096;
  return (context + step - 1) / step * step;
}

}  // namespace

Status Scheduler::run_pass(const Batch& batch, int64_t context, MutableView logits) {
  const Pass pass(*this);
  const Model& model = *engine_.content.model;
  PENSEE_TRY(reserve_scratch(
      decode_scratch_bytes(model, batch.rows(), logits.rows, rounded(context), engine_.pool->threads())));
  Compute compute = {*engine_.pool, scratch_, engine_.kernels};
  if (decode(model, batch, compute, logits)) return Status();
  return Status(Code::cancelled, "cancelled");
}

Status Scheduler::run_draft(const DraftBatch& batch, int64_t context, MutableView logits, MutableView hidden_out) {
  const Pass pass(*this);
  const Model& model = *engine_.content.model;
  PENSEE_TRY(reserve_scratch(
      draft_scratch_bytes(model, batch.batch.rows(), logits.rows, rounded(context), engine_.pool->threads())));
  Compute compute = {*engine_.pool, scratch_, engine_.kernels};
  if (draft(model, batch, compute, logits, hidden_out)) return Status();
  return Status(Code::cancelled, "cancelled");
}

void Scheduler::run_parts(const std::vector<Part>& parts) {
  std::vector<Run> runs;
  std::vector<int32_t> ids, positions, wanted;
  int64_t context = 0;
  bool decoding = true, tracing = false, hidden = false;
  for (const Part& part : parts) {
    CacheSequence& cache = part.request->session->cache;
    const auto first = static_cast<int32_t>(cache.length());
    runs.push_back({&cache, static_cast<int32_t>(ids.size()), part.rows, first});
    for (int32_t i = 0; i < part.rows; ++i) {
      ids.push_back(part.request->to_feed[part.request->fed + static_cast<size_t>(i)]);
      positions.push_back(first + i);
      if (i >= part.rows - part.logits_rows) wanted.push_back(static_cast<int32_t>(ids.size()) - 1);
    }
    context = std::max<int64_t>(context, first + part.rows);
    decoding = decoding && !part.request->in_prompt;
    tracing = tracing || part.request->options().trace_experts;
    hidden = hidden || (part.request->drafter && part.request->drafter->wants_hidden());
  }
  Batch batch;
  batch.runs = runs;
  batch.token_ids = ids;
  batch.positions = positions;
  batch.rows_with_logits = wanted;
  if (tracing) {
    trace_.ids.resize(ids.size() * engine_.routing_numbers());
    trace_.weights.resize(trace_.ids.size());
    batch.trace = {trace_.ids.data(), trace_.weights.data()};
  }
  std::vector<int32_t> all_rows;
  if (hidden) {
    const int64_t width = engine_.content.model->config.hidden_size;
    all_rows.resize(ids.size());
    std::iota(all_rows.begin(), all_rows.end(), 0);
    hidden_.resize(ids.size() * static_cast<size_t>(width));
    batch.rows_with_hidden = all_rows;
    batch.hidden = MutableView(hidden_.data(), batch.rows(), width);
  }
  batch.cancelled = [](void* user) {
    const auto& all = *static_cast<const std::vector<Part>*>(user);
    return std::all_of(all.begin(), all.end(), [](const Part& p) { return p.request->cancelled.load(); });
  };
  batch.cancelled_user = const_cast<std::vector<Part>*>(&parts);
  const auto vocab = static_cast<size_t>(engine_.content.model->config.vocab_size);
  logits_.resize(wanted.size() * vocab);
  const auto begin = Request::Clock::now();
  const MutableView logits(logits_.data(), static_cast<int64_t>(wanted.size()), static_cast<int64_t>(vocab));
  const Status status = run_pass(batch, context, logits);
  if (status.code() == Code::cancelled) return;  // the next step finishes them
  if (decoding) cost_.observe(batch.rows(), seconds(begin, Request::Clock::now()));
  std::vector<Choice> choices;
  size_t row = 0, logits_row = 0;
  for (const Part& part : parts) {
    if (status.ok()) {
      take_in(part, row);
      const auto given = static_cast<size_t>(part.rows - part.logits_rows);
      const auto count = static_cast<size_t>(part.logits_rows);
      const auto its_logits = std::span<const float>(logits_).subspan(logits_row * vocab, count * vocab);
      if (count > 0) choices.push_back({part.request, its_logits, count, row + given});
    } else {
      finish(*part.request, Finish::error, status);
    }
    row += static_cast<size_t>(part.rows);
    logits_row += static_cast<size_t>(part.logits_rows);
  }
  choose_all(choices);
  for (Choice& choice : choices) advance(choice);
}

// The next `count` rows of to_feed are in the cache for good; row `first_row` of the pass was the first of them.
void Scheduler::keep(Request& r, size_t count, size_t first_row) const {
  if (count == 0) return;
  SessionState& session = *r.session;
  if (r.drafter && r.drafter->wants_hidden()) {
    const auto width = static_cast<size_t>(engine_.content.model->config.hidden_size);
    r.drafter->learn(session.cache.length(), std::span(hidden_).subspan(first_row * width, count * width));
  }
  if (r.options().trace_experts && session.routing_rows == session.tokens.size()) {
    const size_t numbers = engine_.routing_numbers(), known = session.routing_rows * numbers;
    const auto append = [&](auto& to, const auto& from) {
      to.resize(known);
      const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first_row * numbers);
      to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count * numbers));
    };
    append(session.routing.ids, trace_.ids);
    append(session.routing.weights, trace_.weights);
    session.routing_rows += count;
  }
  const auto begin = r.to_feed.begin() + static_cast<std::ptrdiff_t>(r.fed);
  session.tokens.insert(session.tokens.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
  session.cache.set_length(session.cache.length() + static_cast<int64_t>(count));
  r.fed += count;
}

// After a pass: what it read is counted, and the rows that are no guesses are kept.
void Scheduler::take_in(const Part& part, size_t first_row) {
  Request& r = *part.request;
  const ModelFacts& facts = engine_.content.model->facts;
  r.usage.flops += 2.0 * static_cast<double>(facts.parameters_active) * part.rows;
  r.usage.weight_bytes_read +=
      std::min(static_cast<double>(facts.weight_bytes), static_cast<double>(facts.active_weight_bytes) * part.rows);
  r.usage.passes += !r.in_prompt;
  keep(r, static_cast<size_t>(part.rows - part.logits_rows), first_row);
  if (r.drafter && r.in_prompt) r.drafter->catch_up(r.generation->history());
}

// A choice depends on its own generation alone and changes nothing else, so that they may share the threads. While
// somebody else computes, nobody waits for the threads.
void Scheduler::choose_all(std::span<Choice> choices) noexcept {
  auto choose = [&](int64_t i, int) {
    Choice& choice = choices[static_cast<size_t>(i)];
    try {  // the standard library's only way to say that memory is out
      choose_tokens(choice);
    } catch (const std::bad_alloc&) {
      choice.no_memory = true;
    }
  };
  size_t logits = 0;
  for (const Choice& choice : choices) logits += choice.logits.size();
  constexpr size_t worth_waking_others = 32768;
  const auto count = static_cast<int64_t>(choices.size());
  if (count > 1 && logits >= worth_waking_others && compute_lock_.try_lock()) {
    engine_.pool->run(count, choose);
    compute_lock_.unlock();
    if (drop_scratch_) release_scratch();
  } else {
    for (int64_t i = 0; i < count; ++i) choose(i, 0);
  }
}

// The events go out, and what was chosen is fed next; rows whose guess was wrong are forgotten.
void Scheduler::advance(Choice& choice) {
  Request& r = *choice.request;
  if (choice.no_memory) return finish(r, Finish::error, no_memory());
  if (!r.guesses_are_certain && choice.rows > 1) {
    const auto guessed = static_cast<int64_t>(choice.rows) - 1, right = static_cast<int64_t>(choice.right);
    for (Pace* pace : {&r.pace, &lately_}) pace->observe(guessed, right);
    r.usage.drafted_tokens += guessed;
    r.usage.accepted_tokens += right;
  }
  const bool prompt_ends = r.in_prompt;
  if (prompt_ends) {
    r.in_prompt = false;
    r.first_token = Request::Clock::now();
  }
  const int64_t position = r.session->cache.length();
  // A page is given away when the token after it is known: a drafter has then written its row of the last position.
  if (prompt_ends || position % kPagePositions == 1) offer(*r.session);
  r.queue->push(std::move(choice.events));
  if (choice.token < 0) return finish(r, r.generation->finish(), r.generation->status());
  if (position + 1 >= engine_.context_max) return finish(r, Finish::length, Status());
  r.to_feed.assign(1, choice.token);
  r.fed = 0;
  r.guesses = 0;
}

// One token from each row of logits, as long as the row after it holds the token that was chosen. On any thread.
void Scheduler::choose_tokens(Choice& choice) const {
  Request& r = *choice.request;
  std::vector<Event>& events = choice.events;
  const auto vocab = static_cast<size_t>(engine_.content.model->config.vocab_size);
  const size_t numbers = engine_.routing_numbers();
  for (size_t i = 0; i < choice.rows; ++i) {
    const size_t row = choice.first_row + i;
    keep(r, 1, row);
    const size_t before = events.size();
    const int64_t position = r.session->cache.length();
    choice.token = r.generation->step(choice.logits.subspan(i * vocab, vocab), position, r.end_thought, events);
    for (size_t e = before; e < events.size(); ++e) {
      events[e].sample = r.sample;
      if (!r.options().trace_experts || events[e].token_id < 0) continue;
      const auto at = static_cast<std::ptrdiff_t>(row * numbers);
      const auto end = at + static_cast<std::ptrdiff_t>(numbers);
      events[e].experts.ids.assign(trace_.ids.begin() + at, trace_.ids.begin() + end);
      events[e].experts.weights.assign(trace_.weights.begin() + at, trace_.weights.begin() + end);
    }
    if (choice.token < 0 || position + 1 >= engine_.context_max) break;
    if (i + 1 == choice.rows || choice.token != r.to_feed[r.fed]) break;
    ++choice.right;
  }
}

void Scheduler::finish(Request& r, Finish reason, Status status) noexcept {
  if (r.done) return;
  r.done = true;
  std::vector<Event> events;
  Event end;
  try {
    r.generation->flush(events);
    for (Event& event : events) event.sample = r.sample;
    offer(*r.session);
    if (r.options().trace_experts) {
      auto routing = std::make_shared<ExpertRow>(r.session->routing);
      routing->ids.resize(r.session->routing_rows * engine_.routing_numbers());
      routing->weights.resize(routing->ids.size());
      end.routing = std::move(routing);
    }
  } catch (const std::bad_alloc&) {
    reason = Finish::error;
    status = no_memory();
  }
  end.kind = EventKind::end;
  end.sample = r.sample;
  end.finish = reason;
  end.status = std::move(status);
  settle_usage(r);
  end.usage = r.usage;
  r.session->busy = false;
  --unfinished_;
  r.queue->close(std::move(events), std::move(end));
}

void Scheduler::offer(const SessionState& session) noexcept {
  if (session.tokens.empty()) return;
  engine_.prefix_cache->offer(std::span(session.tokens).first(session.tokens.size() - 1), session.cache);
}

void Scheduler::settle_usage(Request& r) {
  Usage& u = r.usage;
  const auto now = Request::Clock::now();
  u.thought_tokens = r.generation->thought_tokens();
  u.answer_tokens = r.generation->answer_tokens();
  u.seconds = seconds(r.asked, now);
  if (r.begun != Request::Clock::time_point()) u.seconds_waiting = seconds(r.asked, r.begun);
  if (r.in_prompt) return;
  u.seconds_to_first_token = seconds(r.asked, r.first_token);
  const double prefill = seconds(r.begun, r.first_token);
  const double decoding = seconds(r.first_token, now);
  const auto generated = static_cast<double>(u.thought_tokens + u.answer_tokens);
  if (prefill > 0) u.prompt_tokens_per_second = static_cast<double>(u.prompt_tokens - u.cached_tokens) / prefill;
  if (decoding > 0 && generated > 1) u.tokens_per_second = (generated - 1) / decoding;
}

void Scheduler::remove_finished() {
  for (Requests* list : {&waiting_, &active_}) {
    std::erase_if(*list, [](const auto& request) { return request->done; });
  }
}

}  // namespace pensee
