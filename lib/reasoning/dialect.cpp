// The families' facts, one row each, and how the rows that hold for a model are found. The full-width bars and the low
// blocks in DeepSeek's tokens are U+FF5C and U+2581, written as bytes.
#include "reasoning/dialect.h"

#include <algorithm>

namespace pensee {
namespace {

#define BAR "\357\275\234"
#define GAP "\342\226\201"
constexpr std::string_view kNone;

constexpr CallSyntax kDsml = {"dsml",
                              BAR "DSML" BAR,
                              CallBody::parameters,
                              "<" BAR "DSML" BAR "invoke name=\"",
                              "</" BAR "DSML" BAR "invoke>",
                              kNone,
                              "\">",
                              "<" BAR "DSML" BAR "parameter name=\"",
                              ">",
                              kNone,
                              "</" BAR "DSML" BAR "parameter>",
                              kNone,
                              {"<" BAR "DSML" BAR "function_calls>", "</" BAR "DSML" BAR "function_calls>",
                               "<" BAR "DSML" BAR "tool_calls>", "</" BAR "DSML" BAR "tool_calls>"}};
constexpr CallSyntax kMiniMax = {"minimax",
                                 "<minimax:tool_call>",
                                 CallBody::parameters,
                                 "<invoke name=\"",
                                 "</invoke>",
                                 kNone,
                                 "\">",
                                 "<parameter name=\"",
                                 "\">",
                                 kNone,
                                 "</parameter>",
                                 kNone,
                                 {"<minimax:tool_call>", "</minimax:tool_call>"}};
constexpr CallSyntax kSeed = {"seed",
                              "<seed:tool_call>",
                              CallBody::parameters,
                              "<seed:tool_call>",
                              "</seed:tool_call>",
                              "<function=",
                              ">",
                              "<parameter=",
                              ">",
                              kNone,
                              "</parameter>",
                              "</function>",
                              {}};
constexpr CallSyntax kKimi = {"kimi",
                              "<|tool_call_begin|>",
                              CallBody::named,
                              "<|tool_call_begin|>",
                              "<|tool_call_end|>",
                              kNone,
                              "<|tool_call_argument_begin|>",
                              kNone,
                              kNone,
                              kNone,
                              kNone,
                              kNone,
                              {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"}};
// V3 and R1 write "function", the separator, the name and a fence; V3.1 the name, the separator and the arguments.
constexpr CallSyntax kDeepSeek = {
    "deepseek",
    "<" BAR "tool" GAP "call" GAP "begin" BAR ">",
    CallBody::named,
    "<" BAR "tool" GAP "call" GAP "begin" BAR ">",
    "<" BAR "tool" GAP "call" GAP "end" BAR ">",
    kNone,
    "<" BAR "tool" GAP "sep" BAR ">",
    kNone,
    kNone,
    kNone,
    kNone,
    kNone,
    {"<" BAR "tool" GAP "calls" GAP "begin" BAR ">", "<" BAR "tool" GAP "calls" GAP "end" BAR ">"}};
// Older Mistral models write a list of objects after [TOOL_CALLS]; a named body reads these too.
constexpr CallSyntax kMistral = {"mistral", "[TOOL_CALLS]", CallBody::named, "[TOOL_CALLS]", kNone, kNone, "[ARGS]",
                                 kNone,     kNone,          kNone,           kNone,          kNone, {},    "[CALL_ID]"};
constexpr CallSyntax kGlm = {"glm", "<arg_key>", CallBody::parameters, "<tool_call>", "</tool_call>", kNone,
                             "\n",  "<arg_key>", "</arg_key>",         "<arg_value>", "</arg_value>", kNone,
                             {}};
constexpr CallSyntax kQwenCoder = {"qwen_coder",
                                   "<parameter=",
                                   CallBody::parameters,
                                   "<tool_call>",
                                   "</tool_call>",
                                   "<function=",
                                   ">",
                                   "<parameter=",
                                   ">",
                                   kNone,
                                   "</parameter>",
                                   "</function>",
                                   {}};
constexpr CallSyntax kFunctionTag = {
    "function_tag", "<function=", CallBody::named, "<function=", "</function>", kNone, ">",
    kNone,          kNone,        kNone,           kNone,        kNone,         {}};
constexpr CallSyntax kLfm2 = {"lfm2",
                              "<|tool_call_start|>",
                              CallBody::python,
                              "<|tool_call_start|>",
                              "<|tool_call_end|>",
                              kNone,
                              kNone,
                              kNone,
                              kNone,
                              kNone,
                              kNone,
                              kNone,
                              {}};
constexpr CallSyntax objects(const char* name, std::string_view begin, std::string_view end, bool bare = false) {
  return {name, begin, CallBody::objects, begin, end, kNone, kNone, kNone, kNone, kNone, kNone, kNone, {}, kNone, bare};
}
constexpr CallSyntax kNemotron = objects("nemotron", "<TOOLCALL>", "</TOOLCALL>");
constexpr CallSyntax kToolCalls = objects("tool_calls", "<tool_calls>", "</tool_calls>");
constexpr CallSyntax kGranite = objects("granite", "<|tool_call|>", kNone);
constexpr CallSyntax kCohere = objects("cohere", "<|START_ACTION|>", "<|END_ACTION|>");
constexpr CallSyntax kHermes = objects("hermes", "<tool_call>", "</tool_call>");
constexpr CallSyntax kLlama = objects("llama", "<|python_tag|>", kNone, true);

// The first row of which the evidence is found holds; what is special stands before what is common.
constexpr const CallSyntax* kCallRows[] = {&kDsml,   &kMiniMax, &kSeed,     &kKimi,      &kDeepSeek,  &kMistral,
                                           &kGlm,    &kLfm2,    &kNemotron, &kToolCalls, &kQwenCoder, &kFunctionTag,
                                           &kCohere, &kGranite, &kHermes,   &kLlama};

struct ThinkRow {
  const char* family;
  std::string_view open, close;
};
constexpr ThinkRow kThinkRows[] = {
    {"think", "<think>", "</think>"},
    {"magistral", "[THINK]", "[/THINK]"},
    {"seed", "<seed:think>", "</seed:think>"},
    {"minimax", "<mm:think>", "</mm:think>"},
    {"kimi", "\342\227\201think\342\226\267", "\342\227\201/think\342\226\267"},  // triangles, of Kimi's first thinkers
    {"cohere", "<|START_THINKING|>", "<|END_THINKING|>"},
    {"reasoning", "<reasoning>", "</reasoning>"},
    {"thought", "<thought>", "</thought>"},
};

constexpr std::string_view kHarmonyTags[] = {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>",
                                             "<|end|>",   "<|call|>",    "<|return|>"};

// What ends the prompt's last turn and begins the model's.
constexpr std::string_view kTurnMarkers[] = {"<|im_start|>assistant\n",
                                             "<" BAR "Assistant" BAR ">",
                                             "<|assistant|>",
                                             "<|im_middle|>",
                                             "<|end_header_id|>",
                                             "<|end_of_role|>",
                                             "[/INST]",
                                             "]~b]ai\n",
                                             "<|CHATBOT_TOKEN|>",
                                             "<role>ASSISTANT</role>",
                                             "<|Bot|>",
                                             "<seed:bos>assistant\n",
                                             "<start_of_turn>model\n",
                                             "<beginning_of_sentence>ai name=assistant\n"};

// Qwen3's report gives this sentence for its own models; the other is ours.
constexpr std::string_view kQwenSentence =
    "Considering the limited time by the user, I have to give the solution based on the thinking directly now.";
constexpr std::string_view kSentence = "I have thought as long as I may, so I answer now with what I have found.";

// Thought budgets in tokens for a family that knows no levels.
constexpr int64_t kBudgets[] = {-1, 0, 256, 1024, 4096, 16384, 32768, -1};
constexpr const char* kEffortNames[] = {"", "none", "minimal", "low", "medium", "high", "xhigh", "max"};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// Whether the template asks for `name` as a variable: not as a member, a string or a part of another name.
bool asks_for(std::string_view source, std::string_view name) {
  for (size_t at = source.find(name); at != source.npos; at = source.find(name, at + 1)) {
    const char before = at > 0 ? source[at - 1] : ' ';
    const size_t end = at + name.size();
    const char after = end < source.size() ? source[end] : ' ';
    if (is_word(before) || is_word(after) || before == '.' || before == '\'' || before == '"') continue;
    const std::string_view head = source.substr(0, at), rest = source.substr(end);
    for (const char* word : {"if ", "not ", "and ", "or ", "set ", "{{ "}) {
      if (head.ends_with(word)) return true;
    }
    if (rest.starts_with(" is ") || rest.starts_with(" | ") || rest.starts_with("|") || rest.starts_with(" ==")) {
      return true;
    }
  }
  return false;
}

bool has_literal(std::string_view source, std::string_view word) {
  return contains(source, "'" + std::string(word) + "'") || contains(source, "\"" + std::string(word) + "\"");
}

void find_think(std::string_view source, const Tokenizer* tokenizer, Dialect& d) {
  const ThinkRow* found = nullptr;
  for (const ThinkRow& row : kThinkRows) {
    if (!found && (contains(source, row.close) || contains(source, row.open))) found = &row;
  }
  for (const ThinkRow& row : kThinkRows) {
    if (!found && tokenizer && tokenizer->find(row.close) >= 0) found = &row;
  }
  if (!found) return;
  d.family = found->family;
  d.think = {std::string(found->open), std::string(found->close)};
}

// Templates that say nothing of tools get ours, in Hermes' form (messages.h), so that form is always understood.
void find_calls(std::string_view source, const Tokenizer* tokenizer, Dialect& d) {
  const auto evident = [&](const CallSyntax& row) {
    if (contains(source, row.evidence)) return true;
    // Llama 3's newer templates show the form in words, without its tag.
    return &row == &kLlama && contains(source, "\"parameters\": ") && contains(source, "tool_calls");
  };
  for (const CallSyntax* row : kCallRows) {
    if (d.calls.empty() && evident(*row)) d.calls.push_back(row);
  }
  for (const CallSyntax* row : kCallRows) {
    const bool token = tokenizer && row != &kHermes && tokenizer->find(row->begin) >= 0;
    if (d.calls.empty() && token) d.calls.push_back(row);
  }
  const bool taken = std::any_of(d.calls.begin(), d.calls.end(), [](auto* row) { return row->begin == kHermes.begin; });
  if (!taken) d.calls.push_back(&kHermes);
}

void find_effort(std::string_view source, Dialect& d) {
  for (const char* name : {"enable_thinking", "thinking", "reasoning_effort"}) {
    if (asks_for(source, name)) d.variables.push_back(name);
  }
  if (d.harmony) {
    if (d.variables.empty()) d.variables.push_back("reasoning_effort");
    d.levels = {"low", "medium", "high"};
    return;
  }
  for (size_t i = 1; i < std::size(kEffortNames); ++i) {
    if (has_literal(source, kEffortNames[i])) d.levels.push_back(kEffortNames[i]);
  }
}

void find_marks(const Tokenizer* tokenizer, Dialect& d) {
  if (!tokenizer) return;
  for (const std::string_view tag : tags_of(d)) {
    const TokenId id = tokenizer->find(tag);
    if (id < 0) continue;
    d.marks.push_back(id);
    d.token_tags.emplace_back(tag);
  }
  std::sort(d.marks.begin(), d.marks.end());
  d.marks.erase(std::unique(d.marks.begin(), d.marks.end()), d.marks.end());
}

void set_texts(std::string_view sentence, Dialect& d) {
  if (d.harmony) {
    const std::string answer = "<|channel|>final<|message|>";
    d.opens = "<|channel|>analysis<|message|>";
    d.closes = "<|end|><|start|>assistant" + answer;
    d.closes_at_budget = "\n" + std::string(sentence) + d.closes;
    d.skips = answer;
  } else if (d.thinks()) {
    d.opens = d.think.open + "\n";
    d.closes = "\n" + d.think.close + "\n\n";
    d.closes_at_budget = "\n" + std::string(sentence) + d.closes;
    d.skips = d.opens + d.closes;
  }
}

}  // namespace

bool Dialect::is_mark(TokenId id) const { return std::binary_search(marks.begin(), marks.end(), id); }

bool Dialect::is_token(std::string_view tag) const {
  return std::find(token_tags.begin(), token_tags.end(), tag) != token_tags.end();
}

std::vector<std::string_view> tags_of(const Dialect& d) {
  std::vector<std::string_view> tags;
  const auto add = [&](std::string_view tag) {
    if (tag.size() > 1 && std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  };
  if (d.harmony) {
    for (const std::string_view tag : kHarmonyTags) add(tag);
    return tags;
  }
  add(d.think.open);
  add(d.think.close);
  for (const CallSyntax* call : d.calls) {
    for (const std::string_view tag :
         {call->begin, call->end, call->name_begin, call->name_end, call->key_begin, call->key_end, call->value_begin,
          call->value_end, call->body_end, call->id_begin}) {
      add(tag);
    }
    for (const std::string_view tag : call->sections) add(tag);
  }
  return tags;
}

Dialect detect_dialect(std::string_view source, const Tokenizer* tokenizer, std::string_view architecture) {
  Dialect d;
  const auto known = [&](std::string_view tag) {
    return contains(source, tag) || (tokenizer && tokenizer->find(tag) >= 0);
  };
  d.harmony = known("<|channel|>") && known("<|message|>") && known("<|start|>");
  std::string_view sentence = kSentence;
  if (d.harmony) {
    d.family = "harmony";
  } else {
    find_think(source, tokenizer, d);
    find_calls(source, tokenizer, d);
    if (contains(architecture, "wen3")) sentence = kQwenSentence;
  }
  find_effort(source, d);
  find_marks(tokenizer, d);
  set_texts(sentence, d);
  return d;
}

Dialect tagged_dialect(ThinkTags tags) {
  Dialect d;
  d.think = std::move(tags);
  d.calls.push_back(&kHermes);
  set_texts(kSentence, d);
  return d;
}

const char* effort_name(Effort effort) { return kEffortNames[static_cast<size_t>(effort)]; }

EffortPlan plan_effort(const Dialect& d, Effort effort) {
  EffortPlan plan;
  if (effort == Effort::unspecified) return plan;
  const bool thinks = effort != Effort::none;
  bool levelled = false;
  for (const std::string& name : d.variables) {
    if (name != "reasoning_effort") {
      plan.variables.emplace_back(name, thinks);
      continue;
    }
    // The highest level the model knows that is not above what was asked for. A family of levels that begin above it
    // (gpt-oss knows nothing below low) gets its lowest.
    const char* level = nullptr;
    for (size_t i = 1; i <= static_cast<size_t>(effort); ++i) {
      if (std::find(d.levels.begin(), d.levels.end(), kEffortNames[i]) != d.levels.end()) level = kEffortNames[i];
    }
    if (!level && d.harmony) level = "low";
    if (level) plan.variables.emplace_back(name, level);
    levelled = level && (d.harmony || std::string_view(level) == effort_name(effort));
  }
  if (!d.thinks()) return plan;
  plan.skip_thought = !thinks;
  // Levels are promises of the model; what it has none for is bounded by tokens. minimal is bounded in any case.
  if (!levelled || effort <= Effort::minimal) plan.think_budget = kBudgets[static_cast<size_t>(effort)];
  return plan;
}

ReplyStart reply_start(const Dialect& d, std::string_view tail) {
  ReplyStart start;
  if (d.harmony) {
    const size_t at = tail.rfind("<|start|>");
    if (at != tail.npos) start.harmony_header = tail.substr(at);
    return start;
  }
  if (!d.thinks()) return start;
  // Inside of the reply's own begin any tag counts; without knowing where that is, only one at the very end.
  size_t own = tail.npos;
  for (const std::string_view marker : kTurnMarkers) {
    const size_t at = tail.rfind(marker);
    if (at != tail.npos && (own == tail.npos || at + marker.size() > own)) own = at + marker.size();
  }
  const size_t end = tail.find_last_not_of(" \t\r\n");
  const std::string_view trimmed = tail.substr(0, end == tail.npos ? 0 : end + 1);
  if (own == tail.npos) {
    start.in_thought = trimmed.ends_with(d.think.open);
    start.thought_closed = trimmed.ends_with(d.think.close);
    return start;
  }
  const std::string_view reply = tail.substr(own);
  const size_t open = reply.rfind(d.think.open), close = reply.rfind(d.think.close);
  start.thought_closed = close != reply.npos && (open == reply.npos || open < close);
  start.in_thought = open != reply.npos && !start.thought_closed;
  return start;
}

#undef BAR
#undef GAP

}  // namespace pensee
