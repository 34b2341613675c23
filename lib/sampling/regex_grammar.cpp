#include "sampling/regex_grammar.h"

#include <optional>

#include "sampling/grammar_text.h"
#include "sampling/regex_parts.h"

namespace pensee {
namespace {

using Kind = RegexPart::Kind;

struct Writer {
  std::string_view where;
  bool json = false;  // the text stands in a JSON string

  Result<std::string> write(const RegexPart& part) const;
  Result<std::string> whole(const RegexPart& part, RegexMatch match) const;

 private:
  struct Alternative {
    std::vector<const RegexPart*> parts;
    bool begins = false, ends = false;  // anchored
  };
  Status split(const RegexPart& part, bool begins, bool ends, std::vector<Alternative>& out) const;
  Result<std::string> sequence(const std::vector<const RegexPart*>& parts) const;
};

// The one character that `part` is, if it is one.
std::optional<unicode::CodePoint> single(const RegexPart& part) {
  const auto& ranges = part.set.ranges();
  if (part.kind != Kind::set || ranges.size() != 1 || ranges[0].first != ranges[0].second) return std::nullopt;
  return ranges[0].first >= 0xD800 && ranges[0].first <= 0xDFFF ? std::nullopt : std::optional(ranges[0].first);
}

Result<std::string> Writer::write(const RegexPart& part) const {
  switch (part.kind) {
    case Kind::set: {
      std::string piece = json ? grammar::json_one_of(part.set) : grammar::one_of(part.set);
      if (piece.empty()) {
        return Status::format(Code::bad_argument, "{}: no character fits at byte {}", where, part.at);
      }
      return piece;
    }
    case Kind::sequence: {
      std::vector<const RegexPart*> parts;
      for (const RegexPart& child : part.children) parts.push_back(&child);
      PENSEE_ASSIGN(std::string piece, sequence(parts));
      return part.children.size() == 1 ? piece : "(" + piece + ")";
    }
    case Kind::choice: {
      std::vector<std::string> all;
      for (const RegexPart& child : part.children) {
        PENSEE_ASSIGN(std::string piece, write(child));
        all.push_back(std::move(piece));
      }
      return grammar::choice(all);
    }
    case Kind::repeat: {
      PENSEE_ASSIGN(const std::string piece, write(part.children[0]));
      // A quantifier on a quantifier is no notation of the engine's.
      return grammar::repeat(part.children[0].kind == Kind::set ? piece : "(" + piece + ")", part.min, part.max);
    }
    case Kind::begin:
    case Kind::end:
      break;
  }
  return Status::unsupported("{}: '{}' at byte {}, inside the pattern, is not supported", where,
                             part.kind == Kind::begin ? "^" : "$", part.at);
}

Result<std::string> Writer::sequence(const std::vector<const RegexPart*>& parts) const {
  std::string out, plain;
  const auto flush = [&] {
    if (!plain.empty()) out += (out.empty() ? "" : " ") + grammar::literal(plain);
    plain.clear();
  };
  for (const RegexPart* part : parts) {
    if (const auto c = single(*part)) {
      const bool literal = !json || (*c >= ' ' && *c < 0x80 && *c != '"' && *c != '\\');
      if (!literal) flush();
      unicode::append_utf8(*c, plain);  // single characters in a row are one literal
      if (!literal) out += (out.empty() ? "" : " ") + grammar::json_string_inside(plain), plain.clear();
      continue;
    }
    flush();
    PENSEE_ASSIGN(const std::string piece, write(*part));
    out += (out.empty() ? "" : " ") + piece;
  }
  flush();
  return out.empty() ? "\"\"" : out;
}

// The alternatives of the whole pattern, each with the anchors that stand at its ends.
Status Writer::split(const RegexPart& part, bool begins, bool ends, std::vector<Alternative>& out) const {
  if (part.kind == Kind::choice) {
    for (const RegexPart& child : part.children) PENSEE_TRY(split(child, begins, ends, out));
    return Status();
  }
  Alternative made;
  made.begins = begins;
  made.ends = ends;
  if (part.kind == Kind::sequence) {
    for (const RegexPart& child : part.children) made.parts.push_back(&child);
  } else {
    made.parts.push_back(&part);
  }
  while (!made.parts.empty() && made.parts.front()->kind == Kind::begin) {
    made.begins = true;
    made.parts.erase(made.parts.begin());
  }
  while (!made.parts.empty() && made.parts.back()->kind == Kind::end) {
    made.ends = true;
    made.parts.pop_back();
  }
  if (made.parts.size() == 1 && (made.parts[0]->kind == Kind::choice || made.parts[0]->kind == Kind::sequence)) {
    return split(*made.parts[0], made.begins, made.ends, out);
  }
  out.push_back(std::move(made));
  return Status();
}

Result<std::string> Writer::whole(const RegexPart& part, RegexMatch match) const {
  std::vector<Alternative> alternatives;
  const bool anchored = match == RegexMatch::whole;
  PENSEE_TRY(split(part, anchored, anchored, alternatives));
  std::vector<std::string> all;
  for (const Alternative& one : alternatives) {
    PENSEE_ASSIGN(std::string piece, sequence(one.parts));
    if (!one.begins) piece = "char* " + piece;
    if (!one.ends) piece += " char*";
    all.push_back(std::move(piece));
  }
  return grammar::choice(all);
}

}  // namespace

Result<std::string> regex_grammar(std::string_view pattern) {
  const std::string_view where = "regular expression";
  PENSEE_ASSIGN(const RegexPart part, parse_regex_parts(pattern, where));
  PENSEE_ASSIGN(const std::string piece, (Writer{where, false}.whole(part, RegexMatch::whole)));
  return "root ::= " + piece + "\n";
}

Result<std::string> regex_in_json(std::string_view pattern, RegexMatch match, std::string_view where) {
  PENSEE_ASSIGN(const RegexPart part, parse_regex_parts(pattern, where));
  return Writer{where, true}.whole(part, match);
}

}  // namespace pensee
