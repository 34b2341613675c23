// Constraints: what jsonschema and re say of texts (constraint_cases.json, written by constraint_oracle.py), and the
// promises of constraint.h. The vocabulary is made here: every byte, some words, a token in the middle of characters.
#include "sampling/constraint.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "base/json.h"
#include "sampling/tool_constraint.h"

using namespace pensee;

namespace {

constexpr TokenId kEos = 0, kOther = 1;  // special both
constexpr int64_t kColumns = 400;        // more than there are tokens

class Bytes : public Tokenizer {
 public:
  Bytes() {
    texts_ = {"<eos>", "<other>"};
    for (int byte = 0; byte < 256; ++byte) texts_.emplace_back(1, static_cast<char>(byte));
    for (const char* word : {"\"}", "{\"", "\": ", "\", \"", "name", "yes", "no", "12", "  ", "\n  ", "tr", "ue", "[1",
                             "\xE6\x97", "\xA5\xE6", "a\"b", "aaaaaaaa", "null}", "yes"}) {
      texts_.emplace_back(word);
    }
  }
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions) const override {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(2 + static_cast<unsigned char>(c));
    return ids;
  }
  Status decode_append(TokenId id, bool, std::string& out) const override {
    if (id < 0 || id >= vocab_size()) return Status(Code::bad_argument, "no token");
    out += texts_[static_cast<size_t>(id)];
    return Status();
  }
  int32_t vocab_size() const override { return static_cast<int32_t>(texts_.size()); }
  bool is_special(TokenId id) const override { return id == kEos || id == kOther; }
  TokenId find(std::string_view token) const override {
    const auto found = std::find(texts_.begin(), texts_.end(), token);
    return found == texts_.end() ? -1 : static_cast<TokenId>(found - texts_.begin());
  }
  TokenId bos() const override { return -1; }
  TokenId eos() const override { return kEos; }
  bool adds_bos() const override { return false; }

 private:
  std::vector<std::string> texts_;
};

const std::shared_ptr<const Bytes> tokenizer = std::make_shared<Bytes>();

std::unique_ptr<ConstraintCompiler> compiler() { return ConstraintCompiler::create(tokenizer, kColumns, {kEos}); }

std::shared_ptr<const CompiledConstraint> compile(ConstraintKind kind, std::string_view text) {
  auto compiled = compiler()->compile(kind, text);
  REQUIRE_MESSAGE(compiled.ok(), compiled.status().message());
  return *compiled;
}

Status error_of(ConstraintKind kind, std::string_view text) {
  auto compiled = compiler()->compile(kind, text);
  return compiled.ok() ? Status() : compiled.status();
}

bool in(const std::vector<uint32_t>& mask, TokenId id) { return mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1; }

std::vector<uint32_t> mask_of(ConstraintMatcher& matcher) {
  std::vector<uint32_t> mask(matcher.mask_words(), 0xDEADBEEF);
  const Status status = matcher.fill_mask(mask);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return mask;
}

bool accepts(const std::shared_ptr<const CompiledConstraint>& compiled, std::string_view text) {
  ConstraintMatcher matcher(compiled);
  return matcher.accept_text(text) && matcher.may_end();
}

// Byte by byte, the mask asked before each.
bool accepts_by_tokens(const std::shared_ptr<const CompiledConstraint>& compiled, std::string_view text) {
  ConstraintMatcher matcher(compiled);
  for (const char c : text) {
    const TokenId id = 2 + static_cast<unsigned char>(c);
    const bool masked_in = in(mask_of(matcher), id);
    CHECK(matcher.accept_token(id) == masked_in);
    if (!masked_in) return false;
  }
  return matcher.may_end() && in(mask_of(matcher), kEos);
}

std::string walk(const std::shared_ptr<const CompiledConstraint>& compiled, uint32_t seed, size_t tokens_max) {
  std::mt19937 random(seed);
  ConstraintMatcher matcher(compiled);
  std::string text;
  for (size_t i = 0; i < tokens_max; ++i) {
    const auto mask = mask_of(matcher);
    std::vector<TokenId> ids;
    for (TokenId id = 0; id < kColumns; ++id) {
      if (in(mask, id)) ids.push_back(id);
    }
    REQUIRE(!ids.empty());
    CHECK(in(mask, kEos) == matcher.may_end());
    CHECK(matcher.must_end() == (ids == std::vector<TokenId>{kEos}));
    CHECK(!in(mask, kOther));
    CHECK(ids.back() < tokenizer->vocab_size());
    const TokenId id = ids[random() % ids.size()];
    REQUIRE(matcher.accept_token(id));
    if (id == kEos) return text;
    std::string piece;
    REQUIRE(tokenizer->decode_append(id, false, piece).ok());
    text += piece;
  }
  return text + "...";
}

}  // namespace

TEST_CASE("constraints: texts are accepted and refused as jsonschema and re do") {
  std::ifstream file(PENSEE_TEST_DATA "/sampling/constraint_cases.json");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto cases = json::parse(text, "constraint_cases.json");
  REQUIRE_MESSAGE(cases.ok(), cases.status().message());
  REQUIRE(cases->array()->size() > 100);
  for (const json::Value& one : *cases->array()) {
    const std::string& pattern = *one.find("text")->string();
    CAPTURE(pattern);
    const bool regex = *one.find("kind")->string() == "regex";
    const auto compiled = compile(regex ? ConstraintKind::regex : ConstraintKind::json_schema, pattern);
    for (const char* verdict : {"accepted", "refused"}) {
      for (const json::Value& value : *one.find(verdict)->array()) {
        CAPTURE(*value.string());
        CHECK(accepts(compiled, *value.string()) == (verdict[0] == 'a'));
        CHECK(accepts_by_tokens(compiled, *value.string()) == (verdict[0] == 'a'));
      }
    }
  }
}

TEST_CASE("constraints: whatever is walked out of the masks is JSON, and fits when read again") {
  const char* schemas[] = {
      R"({"type": "object"})",
      R"({"type": "array", "items": {"type": ["string", "null"], "maxLength": 4}, "maxItems": 4})",
      R"({"type": "object", "properties": {"\u65e5": {"const": {"a": [1, "\u00e9"]}}, "n": {"type": "number"}},
          "additionalProperties": {"type": "boolean"}})",
      R"({"$defs": {"t": {"type": "object", "properties": {"v": {"type": "integer"}, "t": {"$ref": "#/$defs/t"}}}},
          "$ref": "#/$defs/t"})"};
  int ended = 0;
  for (const char* schema : schemas) {
    const auto compiled = compile(ConstraintKind::json_schema, schema);
    for (uint32_t seed = 0; seed < 40; ++seed) {
      const std::string text = walk(compiled, seed, 300);
      if (text.ends_with("...")) continue;
      ++ended;
      CAPTURE(text);
      const auto value = json::parse(text, "walk");
      CHECK_MESSAGE(value.ok(), value.status().message());
      CHECK(accepts(compiled, text));
    }
  }
  CHECK(ended > 60);
}

TEST_CASE("constraints: bounds of numbers hold at the bound itself, and where doubles round") {
  struct Case {
    const char* schema;
    std::vector<const char*> yes, no;
  };
  const Case cases[] = {
      {R"({"type": "number", "minimum": 0.5, "exclusiveMaximum": 1})",
       {"0.5", "0.50", "0.999999", "0.8444218515250481", "0.9999999999999"},
       {"0.4999", "1", "1.0", "0.99999999999999999999", "0", "-0.7", "5e-1"}},
      {R"({"type": "number", "exclusiveMinimum": 0})", {"0.1", "0.00001", "12", "3.25"}, {"0", "0.0", "-1", "-0.0"}},
      {R"({"type": "number", "maximum": -2.5})", {"-2.5", "-2.51", "-100", "-3"}, {"-2.49", "-2", "0", "2.5"}},
      {R"({"type": "number", "minimum": -1, "maximum": 1})",
       {"-1", "1", "0", "-0.5", "0.25", "1.0"},
       {"1.01", "-1.1", "10"}},
      {R"({"type": "integer", "minimum": -3, "exclusiveMaximum": 12})",
       {"-3", "0", "11", "9"},
       {"-4", "12", "01", "1.0", ""}},
      {R"({"type": "integer", "minimum": 95, "maximum": 1205})",
       {"95", "99", "100", "999", "1000", "1205"},
       {"94", "1206", "9", "2000", "095"}},
      {R"({"type": "integer", "multipleOf": 7})", {"0", "7", "-14", "7007"}, {"1", "-13", "07"}},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.schema));
    const auto compiled = compile(ConstraintKind::json_schema, one.schema);
    for (const char* text : one.yes) CHECK_MESSAGE(accepts(compiled, text), text);
    for (const char* text : one.no) CHECK_MESSAGE(!accepts(compiled, text), text);
  }
}

TEST_CASE("constraints: objects keep the order of the schema, and list no more than they say") {
  const auto compiled =
      compile(ConstraintKind::json_schema, R"({"properties": {"a": {"type": "null"}, "b": true, "c": false},
      "required": ["b"]})");
  CHECK(accepts(compiled, R"({"a": null, "b": [1, {"x": {}}]})"));
  CHECK(accepts(compiled, R"({"b":1})"));
  CHECK(!accepts(compiled, R"({"b": 1, "a": null})"));
  CHECK(!accepts(compiled, R"({"a": null})"));
  CHECK(!accepts(compiled, R"({"b": 1, "c": 1})"));
  CHECK(!accepts(compiled, R"({"b": 1, "d": 1})"));
  // Others may come, but not in the disguise of a listed one.
  const auto open = compile(ConstraintKind::json_schema,
                            R"({"properties": {"ab": {"type": "null"}}, "additionalProperties": {"type": "integer"}})");
  CHECK(accepts(open, R"({"ab": null, "abc": 1, "a": 2, "": 3, "b\n": 4})"));
  CHECK(!accepts(open, R"({"ab": null, "ab": 1})"));
  CHECK(!accepts(open, R"({"\u0061b": 1})"));
}

TEST_CASE("constraints: whitespace is bounded everywhere") {
  const auto compiled = compile(ConstraintKind::json_object, "");
  CHECK(accepts(compiled, "{\n    \"a\": [\n        1,\n        2\n    ]\n}"));
  ConstraintMatcher matcher(compiled);
  REQUIRE(matcher.accept_text("{"));
  int spaces = 0;
  while (matcher.accept_text("\n") || matcher.accept_text(" ") || matcher.accept_text("\t")) {
    REQUIRE(++spaces < 100);
  }
  CHECK(!accepts(compiled, " {}"));
  CHECK(!accepts(compiled, "{} "));
}

TEST_CASE("constraints: a token that is refused changes nothing; special tokens and padding never come") {
  const auto compiled = compile(ConstraintKind::regex, "(yes|no){1,2}");
  ConstraintMatcher matcher(compiled);
  for (const TokenId id : {kEos, kOther, tokenizer->vocab_size(), static_cast<TokenId>(kColumns), -1}) {
    CHECK(!matcher.accept_token(id));
  }
  CHECK(!matcher.accept_text("yep"));
  CHECK(!matcher.may_end());
  // Two tokens have one text: both may come.
  const auto mask = mask_of(matcher);
  CHECK(in(mask, tokenizer->find("yes")));
  CHECK(in(mask, tokenizer->vocab_size() - 1));
  CHECK(matcher.accept_token(tokenizer->vocab_size() - 1));
  CHECK(matcher.may_end());
  CHECK(!matcher.must_end());
  CHECK(matcher.accept_text("no"));
  CHECK(matcher.must_end());
  CHECK(matcher.accept_token(kEos));
  CHECK(matcher.may_end());
  CHECK(!matcher.accept_token(kEos));
  for (const uint32_t word : mask_of(matcher)) CHECK(word == 0);
}

TEST_CASE("constraints: tokens that are parts of characters come where the character may") {
  const auto compiled = compile(ConstraintKind::regex, "[\\u65e5\\u672c]+");
  ConstraintMatcher matcher(compiled);
  CHECK(in(mask_of(matcher), tokenizer->find("\xE6\x97")));
  CHECK(!in(mask_of(matcher), tokenizer->find("\xA5\xE6")));
  REQUIRE(matcher.accept_token(tokenizer->find("\xE6\x97")));
  CHECK(!matcher.may_end());
  CHECK(in(mask_of(matcher), tokenizer->find("\xA5\xE6")));
  CHECK(matcher.accept_text("\xA5"));
  CHECK(matcher.may_end());
  // Never anything that is not UTF-8, as a surrogate or an overlong form.
  const auto any = compile(ConstraintKind::regex, "[^a]*");
  for (const char* bad : {"\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80", "\x80", "\xFF"}) CHECK(!accepts(any, bad));
  CHECK(accepts(any, "\xF0\x9F\x98\x80\n"));
}

TEST_CASE("constraints: grammars in GBNF, with their repetitions, groups and comments") {
  const auto compiled = compile(ConstraintKind::grammar,
                                "# a list\nroot ::= item ( \", \" item ){0,2}  # up to three\n"
                                "item ::= [a-c]+ | '\\x41\\u00e9' |\n  \"(\" root \")\" | [^\\x00-\\u00ff]");
  for (const char* text : {"a", "abc, A\xC3\xA9", "((a), b)", "a, b, c", "\xE6\x97\xA5"})
    CHECK_MESSAGE(accepts(compiled, text), text);
  for (const char* text : {"", "d", "a,b", "a, b, c, d", "(a", "()"}) CHECK_MESSAGE(!accepts(compiled, text), text);
  // A rule that recurses to the right or in the middle keeps its count of brackets, however deep.
  const auto nested = compile(ConstraintKind::grammar, "root ::= \"[\" root? \"]\"");
  ConstraintMatcher matcher(nested);
  constexpr int depth = 80000;  // more places than one machine keeps
  for (int i = 0; i < depth; ++i) REQUIRE(matcher.accept_token(2 + '['));
  for (int i = 0; i < depth; ++i) {
    REQUIRE(!matcher.may_end());
    REQUIRE(matcher.accept_token(2 + ']'));
  }
  CHECK(matcher.must_end());
}

TEST_CASE("constraints: errors name what is wrong and where") {
  struct Case {
    ConstraintKind kind;
    const char* text;
    Code code;
    const char* says;
  };
  const auto schema = ConstraintKind::json_schema;
  const auto regex = ConstraintKind::regex;
  const auto grammar = ConstraintKind::grammar;
  const Case cases[] = {
      {schema, "{", Code::bad_argument, "JSON schema"},
      {schema, "[1]", Code::bad_argument, "array"},
      {schema, "false", Code::bad_argument, "no value fits"},
      {schema, R"({"type": "strin"})", Code::bad_argument, "'strin'"},
      {schema, R"({"properties": {"a": {"type": 3}}})", Code::bad_argument, "/properties/a/type"},
      {schema, R"({"properties": {"a": {"not": {}}}})", Code::unsupported, "/properties/a/not"},
      {schema, R"({"type": "array", "uniqueItems": true})", Code::unsupported, "uniqueItems"},
      {schema, R"({"if": {}, "then": {}})", Code::unsupported, "/if"},
      {schema, R"({"$ref": "#/$defs/x"})", Code::bad_argument, "leads nowhere"},
      {schema, R"({"$ref": "other.json"})", Code::unsupported, "other.json"},
      {schema, R"({"$ref": "#"})", Code::bad_argument, "leads back to itself"},
      {schema, R"({"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {}}})", Code::unsupported, "beside $ref"},
      {schema, R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", Code::bad_argument, "no finite text"},
      {schema, R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", Code::unsupported, "oneOf"},
      {schema, R"({"allOf": [{"type": "integer"}, {"minimum": 3}]})", Code::unsupported, "allOf"},
      {schema, R"({"type": "integer", "minimum": 5, "maximum": 4})", Code::bad_argument, "no number"},
      {schema, R"({"type": "number", "multipleOf": 0.01})", Code::unsupported, "multipleOf"},
      {schema, R"({"type": "string", "pattern": "a", "maxLength": 3})", Code::unsupported, "maxLength"},
      {schema, R"({"type": "string", "pattern": "(a"})", Code::bad_argument, "/pattern"},
      {schema, R"({"type": "string", "minLength": 3, "maxLength": 2})", Code::bad_argument, "minLength"},
      {schema, R"({"enum": []})", Code::bad_argument, "enum"},
      {schema, R"({"type": "string", "enum": [1, 2]})", Code::bad_argument, "no value has the type"},
      {schema, R"({"items": [{}]})", Code::unsupported, "prefixItems"},
      {schema, R"({"required": ["b"], "additionalProperties": false})", Code::bad_argument, "false"},
      {regex, "a(b", Code::bad_argument, "byte 1"},
      {regex, "[z-a]", Code::bad_argument, "backwards"},
      {regex, "*a", Code::bad_argument, "byte 0"},
      {regex, "a{3,2}", Code::bad_argument, "swapped"},
      {regex, "(?=a)", Code::unsupported, "look-around"},
      {regex, "(a)\\1", Code::unsupported, "back-reference"},
      {regex, "a\\b", Code::unsupported, "word edge"},
      {regex, "a^b", Code::unsupported, "'^' at byte 1"},
      {regex, "a{1,100000}", Code::bad_argument, "10000 repetitions"},
      {regex, "((a{1,200}){1,200})", Code::bad_argument, "10000 repetitions"},
      {regex, "\xFF", Code::bad_argument, "byte 0 is not UTF-8"},
      {grammar, "", Code::bad_argument, "'root'"},
      {grammar, "root ::= a", Code::bad_argument, "'a' is not defined"},
      {grammar, "root ::= \"a\"\nroot ::= \"b\"", Code::bad_argument, "line 2"},
      {grammar, "root ::= \"a", Code::bad_argument, "column 10"},
      {grammar, "root ::= root \"a\" | \"b\"", Code::bad_argument, "left recursion"},
      {grammar, "root ::= x root | \"b\"\nx ::= \"\" | \"a\"", Code::bad_argument, "left recursion"},
      {grammar, "root ::= \"a\" root", Code::bad_argument, "no finite text"},
      {grammar, "root ::= (\"a\"", Code::bad_argument, "'(' without ')'"},
  };
  for (const Case& one : cases) {
    const Status status = error_of(one.kind, one.text);
    CAPTURE(std::string(one.text));
    CAPTURE(status.message());
    CHECK(status.code() == one.code);
    CHECK(status.message().find(one.says) != std::string::npos);
  }
}

TEST_CASE("constraints: hostile texts end in a Status, not in endless time or memory") {
  const auto times = [](const std::string& piece, size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += piece;
    return out;
  };
  CHECK(error_of(ConstraintKind::regex, std::string(1'000'000, 'a')).code() == Code::bad_argument);
  CHECK(error_of(ConstraintKind::regex, times("(", 5000) + times(")", 5000)).code() == Code::unsupported);
  CHECK(error_of(ConstraintKind::regex, times("(\\W{0,90}\\w{0,90}){0,100}", 3)).code() == Code::bad_argument);
  CHECK(error_of(ConstraintKind::json_schema, times("{\"items\":", 200) + "{}" + times("}", 200)).ok());
  CHECK(!error_of(ConstraintKind::json_schema, times("[", 1000)).ok());
  CHECK(!error_of(ConstraintKind::grammar, "root ::= " + times("(", 1000) + "\"a\"" + times(")", 1000)).ok());
  CHECK(!error_of(ConstraintKind::grammar, "root ::= ((\"a\"{10000}){10000}){10000}").ok());
  CHECK(!error_of(ConstraintKind::grammar, "root ::= x{0,10000} \"b\"\nx ::= \"\" | \"a\"").ok());
  // Doubling at each reference is no doubling of ours.
  std::string doubling = R"({"$ref": "#/$defs/d40", "$defs": {"d0": {"type": "null"})";
  for (int i = 1; i <= 40; ++i) {
    const std::string below = "{\"$ref\": \"#/$defs/d" + std::to_string(i - 1) + "\"}";
    doubling += ", \"d" + std::to_string(i) + "\": {\"properties\": {\"a\": " + below + ", \"b\": " + below + "}}";
  }
  CHECK(error_of(ConstraintKind::json_schema, doubling + "}}").ok());
  // Exponentially many readings: refused when the text gets there, and before time or memory do.
  ConstraintMatcher matcher(
      compile(ConstraintKind::grammar, "root ::= \"a\" x | \"a\" y | \".\"\nx ::= root \"b\"\ny ::= root \"c\""));
  int taken = 0;
  while (taken < 60 && matcher.accept_text("a")) ++taken;
  CHECK(taken < 30);
}

TEST_CASE("constraints: a text is compiled once, and threads may share it") {
  const auto one = compiler();
  const auto first = one->compile(ConstraintKind::json_object, "");
  const auto again = one->compile(ConstraintKind::json_object, "");
  REQUIRE(first.ok());
  REQUIRE(again.ok());
  CHECK(first->get() == again->get());
  std::vector<std::string> alone;
  for (uint32_t seed = 0; seed < 8; ++seed) alone.push_back(walk(*first, seed, 60));
  std::vector<std::string> together(8);
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    threads.emplace_back([&, seed] {
      const auto mine =
          one->compile(ConstraintKind::json_schema, "{\"type\": \"object\"}" + std::string(seed % 3, ' '));
      if (mine.ok()) together[seed] = walk(*mine, seed, 60);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(together == alone);
}

TEST_CASE("tool constraints: a whole call names one tool and fits its schema, references included") {
  const auto tools = json::parse(R"([
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"place":
        {"$ref": "#/$defs/place"}}, "required": ["place"], "$defs": {"place": {"type": "string", "minLength": 1}}}}},
    {"type": "function", "function": {"name": "now"}}])",
                                 "tools");
  REQUIRE(tools.ok());
  const auto call = tool_call_schema(*tools);
  REQUIRE_MESSAGE(call.ok(), call.status().message());
  const auto compiled = compile(ConstraintKind::json_schema, *call);
  CHECK(accepts(compiled, R"({"name": "get_weather", "arguments": {"place": "Rome"}})"));
  CHECK(accepts(compiled, R"({"name": "now", "arguments": {}})"));
  CHECK(!accepts(compiled, R"({"name": "now", "arguments": {"place": "Rome"}})"));
  CHECK(!accepts(compiled, R"({"name": "get_weather", "arguments": {"place": ""}})"));
  CHECK(!accepts(compiled, R"({"name": "get_time", "arguments": {}})"));
  const auto arguments = tool_arguments_schema(*tools, "get_weather");
  REQUIRE(arguments.ok());
  CHECK(accepts(compile(ConstraintKind::json_schema, *arguments), R"({"place": "Rome"})"));
  CHECK(tool_arguments_schema(*tools, "nobody").status().message().find("'nobody'") != std::string::npos);
  CHECK(tool_call_schema(json::Value(3)).status().code() == Code::bad_argument);
}
