// What a GGUF file's "tokenizer.ggml.pre" stands for: the published pre-tokenizer patterns of each family, in the words
// of its tokenizer.json, with its normalizer and whether it ignores merges. A name that is not here is an error; a
// wrong guess would only show as a slightly stupid model.
#include "text/gguf_pre.h"

#include <algorithm>

namespace pensee {
namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* kDigit = R"(\p{N})";
constexpr const char* kThreeDigits = R"(\p{N}{1,3})";

#define PENSEE_CONTRACTIONS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define PENSEE_LINES_AND_SPACES R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"

constexpr const char* kLlama3 = PENSEE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" PENSEE_LINES_AND_SPACES;
constexpr const char* kQwen2 = PENSEE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" PENSEE_LINES_AND_SPACES;
constexpr const char* kQwen35 = PENSEE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" PENSEE_LINES_AND_SPACES;
constexpr const char* kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)" PENSEE_CONTRACTIONS
    R"(?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" PENSEE_CONTRACTIONS
    R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" PENSEE_LINES_AND_SPACES;
constexpr const char* kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" PENSEE_LINES_AND_SPACES;
constexpr const char* kKimi =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    PENSEE_CONTRACTIONS
    R"(?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    PENSEE_CONTRACTIONS R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" PENSEE_LINES_AND_SPACES;
constexpr const char* kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
constexpr const char* kSeedCoder = PENSEE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+)" PENSEE_LINES_AND_SPACES;
constexpr const char* kExaoneMoe = PENSEE_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";

// DeepSeek-V3: kana and the older Han block.
constexpr const char* kCjk = R"([\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+)";
constexpr const char* kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
    PENSEE_LINES_AND_SPACES;

// DeepSeek-LLM and V2: newlines, words of scripts with case, punctuation, closing spaces, CJK, digits.
constexpr const char* kNewline = R"([\r\n])";
constexpr const char* kCasedWords =
    R"(\s?[)"
    R"(A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373)"
    R"(\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-)"
    R"(\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-)"
    R"(\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D)"
    R"(\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-)"
    R"(\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-)"
    R"(\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-)"
    R"(\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-)"
    R"(\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
    R"(]+)";
constexpr const char* kWidePunctuation = R"(\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+)";
constexpr const char* kClosingSpaces = R"(\s+$)";
constexpr const char* kCjkAndHangul = R"([\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+)";
constexpr const char* kSpacedWords = R"(\s?\p{L}+)";
constexpr const char* kSpacedPunctuation = R"(\s?\p{P}+)";

const GgufPre kTable[] = {
    {"default gpt-2 phi-2 mpt olmo jais trillion exaone4 gigachat mellum a.x-4.0 granite-docling", {kGpt2}},
    {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", {kDigit, kGpt2}},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 midm-2.0 lfm2", {kLlama3}, false, true, true},
    {"smaug-bpe dbrx chatglm-bpe", {kLlama3}},
    {"glm4 glm5", {kLlama3}, false, true},
    {"qwen2 deepseek-r1-qwen megrez kormo", {kQwen2}, true},
    {"stablelm2 hunyuan grok-2 solar-open", {kQwen2}},
    {"qwen35", {kQwen35}, true},
    {"gpt-4o llama4 kanana2", {kGpt4o}, false, true},
    {"minimax-m2", {kGpt4o}},
    {"tekken", {kTekken}, false, true, true},
    {"kimi-k2", {kKimi}, false, true},
    {"bailingmoe bailingmoe2 llada-moe", {kBailing}},
    {"seed-coder", {kSeedCoder}},
    {"exaone-moe", {kExaoneMoe}},
    {"deepseek-v3 hunyuan-dense joyai-llm", {kThreeDigits, kCjk, kDeepSeek3}},
    {"deepseek-llm",
     {kNewline, kCasedWords, kWidePunctuation, kClosingSpaces, kCjkAndHangul, kDigit}},
    {"deepseek-coder", {kNewline, kSpacedWords, kSpacedPunctuation, kCjkAndHangul, kDigit}},
};

bool names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == name) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

const GgufPre* find_gguf_pre(std::string_view name) {
  const auto* row = std::find_if(std::begin(kTable), std::end(kTable),
                                 [&](const GgufPre& one) { return names(one.names, name); });
  return row == std::end(kTable) ? nullptr : row;
}

}  // namespace pensee
