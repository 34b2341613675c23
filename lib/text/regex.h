// Regular expressions for pre-tokenizers: Oniguruma's Ruby dialect (what the `tokenizers` library speaks) without
// captures and back references. A pattern is compiled to a short program for a backtracking matcher over code points
// with an explicit stack; a search that needs too many steps is an error, never a hang. Alternatives carry the ASCII
// bytes that they may begin with, so most are skipped without a try. A Regex is immutable; threads may share it, each
// with a Workspace of its own. (?i:) folds code point by code point, so "ss" never meets U+00DF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/unicode.h"

namespace pensee {

class Regex {
 public:
  // `where` names the pattern's home in messages ("tokenizer.json: pre_tokenizer").
  static Result<Regex> compile(std::string_view pattern, std::string_view where);

  struct Match {
    size_t begin = 0;
    size_t end = 0;
  };
  struct Frame {
    uint32_t kind;
    uint32_t pc;
    size_t at;     // where to go on
    size_t limit;  // give_back: the least end; lazy: repetitions so far; mark: unused
  };
  struct Workspace {
    std::vector<Frame> stack;
    std::vector<size_t> marks;
    uint64_t steps = 0;               // left to the search that runs
    uint64_t budget = UINT64_MAX;     // left to all searches together
  };
  // The leftmost match at or after `from` in valid UTF-8; false when there is none.
  Result<bool> find(std::string_view text, size_t from, Workspace& workspace, Match& match) const;

  enum class Op : uint8_t { one_char, one_set, repeat, split, jump, mark, if_moved, look, atomic, behind, assertion,
                            accept };
  enum class Mode : uint8_t { greedy, lazy, possessive };
  enum class Place : uint8_t { line_begin, line_end, text_begin, text_end, text_end_or_newline, word_edge,
                               no_word_edge };
  struct Instruction {
    Op op;
    Mode mode = Mode::greedy;
    Place place = Place::line_begin;
    bool negative = false;
    uint32_t x = 0;  // code point, set, target, register or the end of a body
    uint32_t y = 0;  // split: the other target
    uint32_t min = 0;
    uint32_t max = 0;
    uint32_t guard_x = 0;  // split: index in firsts_ of what each way may begin with
    uint32_t guard_y = 0;
  };
  // What may stand first: ASCII bytes, anything beyond ASCII, or (always) nothing needed at all.
  struct First {
    uint64_t ascii[2] = {0, 0};
    bool beyond = false;
    bool always = false;
    bool allows(std::string_view text, size_t at) const {
      if (always) return true;
      if (at >= text.size()) return false;
      const auto byte = static_cast<unsigned char>(text[at]);
      return byte < 128 ? ascii[byte >> 6] >> (byte & 63) & 1 : beyond;
    }
  };

 private:
  friend class RegexCompiler;
  enum class Outcome { matched, failed, too_many_steps };
  Outcome run(std::string_view text, uint32_t pc, size_t& at, Workspace& workspace) const;
  Outcome run_body(std::string_view text, uint32_t pc, size_t& at, Workspace& workspace) const;
  bool pop(std::string_view text, size_t base, uint32_t& pc, size_t& at, Workspace& workspace) const;
  bool repeat(const Instruction& i, std::string_view text, uint32_t pc, size_t& at, Workspace& workspace) const;
  bool place(Place place, std::string_view text, size_t at) const;
  First first_of(uint32_t pc) const;
  void set_guards();

  std::vector<Instruction> program_;
  std::vector<unicode::CodeSet> sets_;
  std::vector<First> firsts_;           // 0 is that of the whole program
  uint32_t registers_ = 0;
  std::string name_;
};

inline constexpr uint32_t kRepeatForever = UINT32_MAX;

}  // namespace pensee
