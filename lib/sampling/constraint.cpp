#include "sampling/constraint.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "sampling/grammar_machine.h"
#include "sampling/regex_grammar.h"
#include "sampling/schema_grammar.h"

namespace pensee {
namespace {

constexpr size_t kTextMax = 256 * 1024;  // of a schema, regex or grammar, in bytes
constexpr size_t kKept = 64;             // compiled texts an engine keeps

const char* name_of(ConstraintKind kind) {
  switch (kind) {
    case ConstraintKind::json_schema:
      return "JSON schema";
    case ConstraintKind::regex:
      return "regular expression";
    case ConstraintKind::grammar:
      return "grammar";
    case ConstraintKind::json_object:
      return "JSON object";
  }
  return "constraint";
}

// The grammar of a text, written down.
Result<std::string> to_grammar(ConstraintKind kind, std::string_view text) {
  switch (kind) {
    case ConstraintKind::json_schema: {
      PENSEE_ASSIGN(const json::Value schema, json::parse(text, "JSON schema"));
      return schema_grammar(schema);
    }
    case ConstraintKind::regex:
      return regex_grammar(text);
    case ConstraintKind::json_object:
      return schema_grammar(json::Object{{"type", "object"}});
    case ConstraintKind::grammar:
      break;
  }
  return std::string(text);
}

Result<grammar::Program> to_program(ConstraintKind kind, std::string_view text) {
  PENSEE_ASSIGN(const std::string written, to_grammar(kind, text));
  PENSEE_ASSIGN(const grammar::Source source, grammar::parse(written));
  auto program = grammar::Program::make(source);
  if (program.ok() || kind == ConstraintKind::grammar) return program;
  return Status(program.status().code(), std::string(name_of(kind)) + ": as a " + program.status().message());
}

// What a text became. Its machine grows as texts go into it, is shared by all that walk there, and is replaced by a
// fresh one when it has grown too much.
class Compiled : public CompiledConstraint {
 public:
  Compiled(std::shared_ptr<const grammar::Program> program, std::shared_ptr<const TokenTrie> trie, int64_t columns,
           std::vector<TokenId> eos_ids)
      : program_(std::move(program)), trie_(std::move(trie)), columns_(columns), eos_ids_(std::move(eos_ids)) {
    machine_ = fresh();
  }
  int64_t vocab_size() const override { return columns_; }
  const std::vector<TokenId>& eos_ids() const { return eos_ids_; }
  const TokenTrie& trie() const { return *trie_; }

  struct Shared {
    Shared(std::shared_ptr<const grammar::Program> program, std::shared_ptr<const TokenTrie> trie, size_t words)
        : machine(std::move(program), std::move(trie), words) {}
    std::mutex mutex;
    grammar::Machine machine;
  };
  std::shared_ptr<Shared> machine() const {
    const std::lock_guard lock(mutex_);
    return machine_;
  }
  // The machine to go on with when `full` has grown too much.
  std::shared_ptr<Shared> instead_of(const std::shared_ptr<Shared>& full) const {
    const std::lock_guard lock(mutex_);
    if (machine_ == full) machine_ = fresh();
    return machine_;
  }

 private:
  std::shared_ptr<Shared> fresh() const { return std::make_shared<Shared>(program_, trie_, mask_words()); }

  std::shared_ptr<const grammar::Program> program_;
  std::shared_ptr<const TokenTrie> trie_;
  int64_t columns_;
  std::vector<TokenId> eos_ids_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Shared> machine_;
};

class Compiler : public ConstraintCompiler {
 public:
  Compiler(std::shared_ptr<const Tokenizer> tokenizer, int64_t columns, std::set<TokenId> eos_ids)
      : tokenizer_(std::move(tokenizer)), columns_(columns), eos_ids_(std::move(eos_ids)) {}

  Result<std::shared_ptr<const CompiledConstraint>> compile(ConstraintKind kind, std::string_view text) override {
    if (text.size() > kTextMax) {
      return Status::format(Code::bad_argument, "{}: {} bytes; at most {}", name_of(kind), text.size(), kTextMax);
    }
    size_t bad_byte = 0;
    if (!valid_utf8(text, &bad_byte)) {
      return Status::format(Code::bad_argument, "{}: byte {} is not UTF-8", name_of(kind), bad_byte);
    }
    if (text.find('\0') != text.npos) {
      return Status::format(Code::bad_argument, "{}: byte {} is zero", name_of(kind), text.find('\0'));
    }
    const std::lock_guard lock(mutex_);
    const auto known =
        std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.kind == kind && k.text == text; });
    if (known != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, known);
      return kept_.front().compiled;
    }
    PENSEE_TRY(open());
    auto program = to_program(kind, text);
    if (!program.ok()) return as_argument(program.status());
    auto compiled =
        std::make_shared<const Compiled>(std::make_shared<const grammar::Program>(*std::move(program)), trie_, columns_,
                                         std::vector<TokenId>(eos_ids_.begin(), eos_ids_.end()));
    if (compiled->machine()->machine.start() == grammar::kTooMany) {
      return Status::format(Code::bad_argument, "{}: too ambiguous: too much may come first", name_of(kind));
    }
    kept_.push_front({kind, std::string(text), std::move(compiled)});
    if (kept_.size() > kKept) kept_.pop_back();
    return kept_.front().compiled;
  }

 private:
  struct Kept {
    ConstraintKind kind;
    std::string text;
    std::shared_ptr<const CompiledConstraint> compiled;
  };

  // A request's text is an argument, not a file.
  static Status as_argument(const Status& status) {
    return status.code() == Code::file_corrupt ? Status(Code::bad_argument, status.message()) : status;
  }
  Status open();

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const int64_t columns_;
  const std::set<TokenId> eos_ids_;
  std::mutex mutex_;
  std::shared_ptr<const TokenTrie> trie_;
  std::list<Kept> kept_;  // the latest used first
};

Status Compiler::open() {
  if (trie_) return Status();
  if (columns_ <= 0 || columns_ > INT32_MAX) {
    return Status::format(Code::bad_argument, "constraint: {} columns of logits", columns_);
  }
  PENSEE_ASSIGN(TokenTrie trie, TokenTrie::make(*tokenizer_, columns_, eos_ids_));
  trie_ = std::make_shared<const TokenTrie>(std::move(trie));
  return Status();
}

}  // namespace

// A place in the shared machine.
class ConstraintMatcher::Walk {
 public:
  explicit Walk(std::shared_ptr<const CompiledConstraint> constraint)
      : constraint_(std::move(constraint)), shared_(compiled().machine()) {
    const std::lock_guard lock(shared_->mutex);
    place_ = shared_->machine.start();
  }

  Status fill_mask(std::span<uint32_t> mask) {
    std::fill(mask.begin(), mask.end(), 0u);
    if (ended_) return Status();
    move_if_full();
    const std::lock_guard lock(shared_->mutex);
    PENSEE_ASSIGN(const auto words, shared_->machine.mask(place_));
    std::copy(words.begin(), words.end(), mask.begin());
    bool any = std::any_of(words.begin(), words.end(), [](uint32_t word) { return word != 0; });
    if (shared_->machine.accepts(place_)) {
      any = true;
      for (const TokenId id : compiled().eos_ids()) {
        if (id >= 0 && id < compiled().vocab_size()) mask[static_cast<size_t>(id) / 32] |= 1u << (id % 32);
      }
    }
    if (any) return Status();
    return Status(Code::bad_argument,
                  "constraint: no token of this model can go on from here: its vocabulary lacks "
                  "the bytes that the grammar asks for");
  }
  bool accept_token(TokenId id) {
    const auto& eos = compiled().eos_ids();
    if (std::find(eos.begin(), eos.end(), id) != eos.end()) return may_end() && !ended_ && (ended_ = true);
    const std::string_view text = compiled().trie().text(id);
    return !text.empty() && accept_text(text);
  }
  bool accept_text(std::string_view bytes) {
    if (ended_) return bytes.empty();
    move_if_full();
    const std::lock_guard lock(shared_->mutex);
    grammar::PlaceId place = place_;
    for (const char byte : bytes) {
      place = shared_->machine.step(place, static_cast<uint8_t>(byte));
      if (place <= grammar::kNowhere) return false;
    }
    place_ = place;
    return true;
  }
  bool may_end() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->machine.accepts(place_);
  }
  bool must_end() const {
    const std::lock_guard lock(shared_->mutex);
    return ended_ || (shared_->machine.accepts(place_) && !shared_->machine.goes_on(place_));
  }

 private:
  const Compiled& compiled() const { return static_cast<const Compiled&>(*constraint_); }
  void move_if_full() {
    const auto old = shared_;
    const std::lock_guard lock(old->mutex);
    if (!old->machine.is_full()) return;
    shared_ = compiled().instead_of(old);
    if (shared_ == old) return;
    const std::lock_guard other(shared_->mutex);  // always the newer one second
    place_ = shared_->machine.import(old->machine, place_);
  }

  std::shared_ptr<const CompiledConstraint> constraint_;
  std::shared_ptr<Compiled::Shared> shared_;
  grammar::PlaceId place_ = grammar::kNowhere;
  bool ended_ = false;
};

std::unique_ptr<ConstraintCompiler> ConstraintCompiler::create(std::shared_ptr<const Tokenizer> tokenizer,
                                                               int64_t vocab_size, std::set<TokenId> eos_ids) {
  return std::make_unique<Compiler>(std::move(tokenizer), vocab_size, std::move(eos_ids));
}

ConstraintMatcher::ConstraintMatcher(std::shared_ptr<const CompiledConstraint> constraint)
    : words_(constraint->mask_words()), walk_(std::make_unique<Walk>(std::move(constraint))) {}
ConstraintMatcher::~ConstraintMatcher() = default;
ConstraintMatcher::ConstraintMatcher(ConstraintMatcher&&) noexcept = default;
ConstraintMatcher& ConstraintMatcher::operator=(ConstraintMatcher&&) noexcept = default;

Status ConstraintMatcher::fill_mask(std::span<uint32_t> mask) {
  PENSEE_DCHECK(mask.size() == words_);
  return walk_->fill_mask(mask);
}
bool ConstraintMatcher::accept_token(TokenId id) { return walk_->accept_token(id); }
bool ConstraintMatcher::accept_text(std::string_view bytes) { return walk_->accept_text(bytes); }
bool ConstraintMatcher::may_end() const { return walk_->may_end(); }
bool ConstraintMatcher::must_end() const { return walk_->must_end(); }

}  // namespace pensee
