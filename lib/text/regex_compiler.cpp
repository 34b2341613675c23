// Turns the tree of a pattern into the matcher's program. A repeated single code point becomes one instruction; other
// repetitions are written out (copies up to the minimum, then a loop that leaves when a round consumed nothing), and a
// program that would grow beyond kProgramMax is refused.
#include <algorithm>

#include "text/regex_parser.h"
#include "text/tokenizer.h"

namespace pensee {
namespace {
constexpr size_t kProgramMax = 20000;
}

class RegexCompiler {
 public:
  RegexCompiler(Regex& out, std::string_view where, std::string_view pattern)
      : out_(out), where_(where), pattern_(pattern) {}

  Status emit(const RegexNode& node) {
    if (out_.program_.size() > kProgramMax) {
      return Status::unsupported("{}: pattern \"{}\" unfolds to more than {} steps", where_, pattern_, kProgramMax);
    }
    switch (node.kind) {
      case RegexNode::Kind::empty: return Status();
      case RegexNode::Kind::character: return add({.op = Regex::Op::one_char, .x = node.character}), Status();
      case RegexNode::Kind::set: return add({.op = Regex::Op::one_set, .x = new_set(node.set)}), Status();
      case RegexNode::Kind::place: return add({.op = Regex::Op::assertion, .place = node.place}), Status();
      case RegexNode::Kind::sequence:
        for (const RegexNode& child : node.children) PENSEE_TRY(emit(child));
        return Status();
      case RegexNode::Kind::choice: return emit_choice(node);
      case RegexNode::Kind::repeat: return emit_repeat(node);
      case RegexNode::Kind::look_behind: return emit_behind(node);
      case RegexNode::Kind::look_ahead: return emit_body(node.children[0], Regex::Op::look, node.negative);
      case RegexNode::Kind::atomic: return emit_body(node.children[0], Regex::Op::atomic, false);
    }
    return Status();
  }

 private:
  using Op = Regex::Op;
  uint32_t here() const { return static_cast<uint32_t>(out_.program_.size()); }
  uint32_t add(const Regex::Instruction& i) {
    out_.program_.push_back(i);
    return here() - 1;
  }
  uint32_t new_set(const unicode::CodeSet& set) {
    for (uint32_t i = 0; i < out_.sets_.size(); ++i) {
      if (out_.sets_[i].ranges() == set.ranges()) return i;
    }
    out_.sets_.push_back(set);
    return static_cast<uint32_t>(out_.sets_.size() - 1);
  }

  Status emit_choice(const RegexNode& node) {
    std::vector<uint32_t> jumps;
    for (size_t i = 0; i + 1 < node.children.size(); ++i) {
      const uint32_t split = add({.op = Op::split});
      out_.program_[split].x = here();
      PENSEE_TRY(emit(node.children[i]));
      jumps.push_back(add({.op = Op::jump}));
      out_.program_[split].y = here();
    }
    PENSEE_TRY(emit(node.children.back()));
    for (const uint32_t jump : jumps) out_.program_[jump].x = here();
    return Status();
  }

  // A body that is matched on its own, ended by accept; x is where the rest goes on.
  Status emit_body(const RegexNode& inner, Op op, bool negative) {
    const uint32_t head = add({.op = op, .negative = negative});
    PENSEE_TRY(emit(inner));
    add({.op = Op::accept});
    out_.program_[head].x = here();
    return Status();
  }

  Status emit_behind(const RegexNode& node) {
    const RegexNode* inner = &node.children[0];
    while (inner->kind == RegexNode::Kind::sequence && inner->children.size() == 1) inner = &inner->children[0];
    unicode::CodeSet set = inner->set;
    if (inner->kind == RegexNode::Kind::character) set.add(inner->character, inner->character);
    else if (inner->kind != RegexNode::Kind::set) {
      return Status::unsupported("{}: pattern \"{}\" looks behind by more than one character, which is not supported",
                                 where_, pattern_);
    }
    add({.op = Op::behind, .negative = node.negative, .x = new_set(set)});
    return Status();
  }

  Status emit_repeat(const RegexNode& node) {
    const RegexNode* inner = &node.children[0];
    while (inner->kind == RegexNode::Kind::sequence && inner->children.size() == 1) inner = &inner->children[0];
    if (inner->kind == RegexNode::Kind::set || inner->kind == RegexNode::Kind::character) {
      unicode::CodeSet set = inner->set;
      if (inner->kind == RegexNode::Kind::character) set.add(inner->character, inner->character);
      add({.op = Op::repeat, .mode = node.mode, .x = new_set(set), .min = node.min, .max = node.max});
      return Status();
    }
    if (node.mode == Regex::Mode::possessive) {
      const uint32_t head = add({.op = Op::atomic});
      PENSEE_TRY(emit_loop(node, *inner, true));
      add({.op = Op::accept});
      out_.program_[head].x = here();
      return Status();
    }
    return emit_loop(node, *inner, node.mode == Regex::Mode::greedy);
  }

  Status emit_loop(const RegexNode& node, const RegexNode& inner, bool greedy) {
    for (uint32_t i = 0; i < node.min; ++i) PENSEE_TRY(emit(inner));
    std::vector<uint32_t> leave;  // splits whose other way is the end
    if (node.max == kRepeatForever) {
      const uint32_t split = add({.op = Op::split});
      const uint32_t mark = out_.registers_++;
      add({.op = Op::mark, .x = mark});
      PENSEE_TRY(emit(inner));
      add({.op = Op::if_moved, .x = split, .y = mark});
      leave.push_back(split);
    } else {
      for (uint32_t i = node.min; i < node.max; ++i) {
        leave.push_back(add({.op = Op::split}));
        PENSEE_TRY(emit(inner));
        if (here() > kProgramMax) break;  // the next emit() refuses it
      }
    }
    for (const uint32_t split : leave) {
      Regex::Instruction& i = out_.program_[split];
      (greedy ? i.x : i.y) = split + 1;
      (greedy ? i.y : i.x) = here();
    }
    return emit(RegexNode());
  }

  Regex& out_;
  std::string_view where_;
  std::string_view pattern_;
};

Result<Regex> Regex::compile(std::string_view pattern, std::string_view where) {
  if (!valid_utf8(pattern, nullptr)) return Status::corrupt("{}: the pattern is not valid UTF-8", where);
  PENSEE_ASSIGN(const RegexNode tree, parse_regex(pattern, where));
  Regex regex;
  regex.name_ = format("{}: pattern \"{}\"", where, pattern);
  RegexCompiler compiler(regex, where, pattern);
  PENSEE_TRY(compiler.emit(tree));
  regex.program_.push_back({.op = Op::accept});
  for (unicode::CodeSet& set : regex.sets_) set.freeze();
  regex.set_guards();
  return regex;
}

// Follows every way that consumes nothing; gives up (always) when there are too many.
Regex::First Regex::first_of(uint32_t start) const {
  First first;
  std::vector<uint32_t> todo = {start};
  std::vector<uint32_t> seen;
  const auto add_set = [&](const unicode::CodeSet& set) {
    first.ascii[0] |= set.ascii()[0];
    first.ascii[1] |= set.ascii()[1];
    first.beyond |= set.has_non_ascii();
  };
  while (!todo.empty() && !first.always) {
    const uint32_t pc = todo.back();
    todo.pop_back();
    if (std::find(seen.begin(), seen.end(), pc) != seen.end()) continue;
    seen.push_back(pc);
    const Instruction& i = program_[pc];
    switch (i.op) {
      case Op::one_char:
        if (i.x < 128) first.ascii[i.x >> 6] |= uint64_t{1} << (i.x & 63);
        else first.beyond = true;
        break;
      case Op::one_set: add_set(sets_[i.x]); break;
      case Op::repeat:
        add_set(sets_[i.x]);
        if (i.min == 0) todo.push_back(pc + 1);
        break;
      case Op::split: todo.push_back(i.x), todo.push_back(i.y); break;
      case Op::jump: todo.push_back(i.x); break;
      case Op::if_moved: todo.push_back(i.x), todo.push_back(pc + 1); break;
      case Op::mark: case Op::behind: case Op::assertion: todo.push_back(pc + 1); break;
      case Op::look: todo.push_back(i.x); break;
      case Op::atomic: first.always = true; break;
      case Op::accept: first.always = true; break;
    }
    if (seen.size() > 100) first.always = true;
  }
  return first;
}

void Regex::set_guards() {
  firsts_.push_back(first_of(0));
  for (Instruction& i : program_) {
    if (i.op != Op::split) continue;
    i.guard_x = static_cast<uint32_t>(firsts_.size());
    firsts_.push_back(first_of(i.x));
    i.guard_y = static_cast<uint32_t>(firsts_.size());
    firsts_.push_back(first_of(i.y));
  }
}

}  // namespace pensee
