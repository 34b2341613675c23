// What a model family's stream looks like: the tags around a thought, the way it writes tool calls, the words that
// close a thought for it, and what an effort means to it. Facts of the families stand in tables in dialect.cpp, as
// data; which rows hold for a model is found from what its chat template and its vocabulary contain. The control
// tokens among them ("marks") are found once here, so that a stream can be told "this is the token </think>, not
// seven letters that look like it".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "reasoning/effort.h"
#include "text/tokenizer.h"

namespace pensee {

struct ThinkTags {
  std::string open = "<think>";
  std::string close = "</think>";
};

enum class CallBody : uint8_t {
  objects,     // {"name": .., "arguments": {..}}, or a list of such
  named,       // NAME name_end {..arguments..}
  python,      // [NAME(KEY=VALUE, ..), ..]
  parameters,  // name_begin NAME name_end, then for each: key_begin KEY key_end value_begin VALUE value_end
};

// One way of writing tool calls; a field is empty where the way has no such text.
struct CallSyntax {
  const char* name;
  std::string_view evidence;  // in a template or as a token: this way is meant
  CallBody body;
  std::string_view begin, end;  // around a call
  std::string_view name_begin, name_end;
  std::string_view key_begin, key_end;
  std::string_view value_begin, value_end;
  std::string_view body_end;                 // after the last parameter
  std::array<std::string_view, 4> sections;  // around all calls: come out as nothing
  std::string_view id_begin = {};            // between the name and the rest: the call's id
  bool bare = false;                         // an object at the begin of an answer is a call, without any tag
};

struct Dialect {
  const char* family = "plain";
  ThinkTags think = {"", ""};  // empty: this model has no thought between tags
  bool harmony = false;        // gpt-oss: channels instead of tags
  std::vector<const CallSyntax*> calls;

  std::string opens;             // opens a thought at the begin of a reply
  std::string closes;            // closes an open thought
  std::string closes_at_budget;  // the same with a sentence before it, for a thought that is not finished
  std::string skips;             // at the begin of a reply: no thought at all

  std::vector<std::string> variables;  // of effort that the template knows: enable_thinking, reasoning_effort ...
  std::vector<std::string> levels;     // of reasoning_effort that the template or the family knows

  std::vector<TokenId> marks;           // control tokens, rising
  std::vector<std::string> token_tags;  // the texts of those: as text of other tokens they are suspicious

  bool thinks() const { return harmony || !think.close.empty(); }
  bool is_mark(TokenId id) const;
  bool is_token(std::string_view tag) const;
};

// `tokenizer` may be null, `architecture` is what the config calls it ("qwen3moe", "GptOssForCausalLM"); either may be
// empty. No template and no known token: a plain dialect, which knows Hermes' tool calls only.
Dialect detect_dialect(std::string_view template_source, const Tokenizer* tokenizer, std::string_view architecture);
// Thoughts between these tags, Hermes' tool calls: for tests and for models that nothing tells about.
Dialect tagged_dialect(ThinkTags tags);

// What asking for an effort means: variables for the template, a budget for the thought.
struct EffortPlan {
  json::Object variables;
  int64_t think_budget = -1;  // tokens; -1: no limit
  bool skip_thought = false;  // begin the reply with Dialect::skips if the prompt does not already
};
EffortPlan plan_effort(const Dialect& dialect, Effort effort);
const char* effort_name(Effort effort);

// Where a reply begins, seen from the end of its prompt.
struct ReplyStart {
  bool in_thought = false;      // the prompt has opened the thought
  bool thought_closed = false;  // ... and closed it
  std::string harmony_header;   // harmony: what stands since the last <|start|>
};
// `prompt_tail`: the last part of the prompt as text with its control tokens; a few hundred bytes will do.
ReplyStart reply_start(const Dialect& dialect, std::string_view prompt_tail);

// All tags that `dialect` looks for.
std::vector<std::string_view> tags_of(const Dialect& dialect);

}  // namespace pensee
