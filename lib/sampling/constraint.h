// Constrained decoding: which tokens may come next so that the text fits a JSON schema, a regular expression or a
// grammar. Each text is compiled once an engine and kept: schemas and expressions are written as grammars
// (schema_grammar.h, regex_grammar.h), a grammar becomes automata over bytes (grammar_program.h), and those become
// masks of tokens as far as generations walk into them (grammar_machine.h). What it refuses: schema keywords that a
// grammar cannot hold a text to, texts and automata that are too large. Whitespace between JSON's tokens is bounded, so
// a model cannot spin in it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/tokenizer.h"

namespace pensee {

enum class ConstraintKind : uint8_t {
  json_schema,  // text: a JSON schema (object or boolean)
  regex,        // text: a regular expression (ECMAScript's syntax); the whole answer must match
  grammar,      // text: GBNF (sampling/grammar_parser.h) with a rule `root`
  json_object,  // text: empty; any JSON object
};

// Immutable; shared between threads, requests and matchers, and alive as long as any of them.
class CompiledConstraint {
 public:
  virtual ~CompiledConstraint() = default;
  virtual int64_t vocab_size() const = 0;  // columns of logits
  size_t mask_words() const { return static_cast<size_t>((vocab_size() + 31) / 32); }
};

// One an engine. Threads may call compile() at once.
class ConstraintCompiler {
 public:
  // `vocab_size`: columns of logits; those that the tokenizer does not know are never allowed. `eos_ids` end a text.
  // Cheap: the tokenizer's table is made by the first compile().
  static std::unique_ptr<ConstraintCompiler> create(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocab_size,
                                                    std::set<TokenId> eos_ids);
  virtual ~ConstraintCompiler() = default;

  // A broken text is bad_argument and names the place; what no grammar of ours can express is unsupported and is named.
  virtual Result<std::shared_ptr<const CompiledConstraint>> compile(ConstraintKind kind, std::string_view text) = 0;
};

// One a generation, one thread at a time.
class ConstraintMatcher {
 public:
  explicit ConstraintMatcher(std::shared_ptr<const CompiledConstraint> constraint);
  ~ConstraintMatcher();
  ConstraintMatcher(ConstraintMatcher&&) noexcept;
  ConstraintMatcher& operator=(ConstraintMatcher&&) noexcept;

  // Bit i of word i / 32: token i may come next; EOS tokens where the text may end. `mask` has mask_words() words.
  // At least one bit is set, if there are eos_ids, until the end was accepted. An error: the grammar leads where no
  // token of this vocabulary can go on, or allows more readings of the text than we follow.
  Status fill_mask(std::span<uint32_t> mask);
  // False: not allowed here, and nothing has changed. An EOS token is accepted where may_end().
  bool accept_token(TokenId id);
  bool accept_text(std::string_view bytes);
  bool may_end() const;   // the text is complete as it stands
  bool must_end() const;  // and nothing but an EOS token may follow
  size_t mask_words() const { return words_; }

 private:
  class Walk;
  size_t words_;
  std::unique_ptr<Walk> walk_;
};

}  // namespace pensee
