// One table for both uses: a field of pensee_sampling is named here once.
#include "sampling_flags.h"

#include <cmath>
#include <cstring>
#include <string>

namespace cli {
namespace {

const std::vector<Choice> samplers = {{"penalties", PENSEE_SAMPLER_PENALTIES},
                                      {"dry", PENSEE_SAMPLER_DRY},
                                      {"temperature", PENSEE_SAMPLER_TEMPERATURE},
                                      {"top_n_sigma", PENSEE_SAMPLER_TOP_N_SIGMA},
                                      {"top_k", PENSEE_SAMPLER_TOP_K},
                                      {"top_p", PENSEE_SAMPLER_TOP_P},
                                      {"min_p", PENSEE_SAMPLER_MIN_P},
                                      {"typical", PENSEE_SAMPLER_TYPICAL},
                                      {"xtc", PENSEE_SAMPLER_XTC}};

// "ID=BIAS,..": BIAS is a number, or "-inf" for never.
void add_biases(SamplingSettings& s, const char* text) {
  for (const std::string& part : split_commas(text)) {
    const size_t equals = part.find('=');
    if (equals == std::string::npos) throw UsageError("--logit-bias: '" + part + "' is not ID=BIAS");
    const std::string bias = part.substr(equals + 1);
    const auto id = static_cast<int32_t>(parse_integer("--logit-bias", part.substr(0, equals), 0, INT32_MAX));
    const double value = bias == "-inf" ? -INFINITY : parse_real("--logit-bias", bias, -1e6, 1e6);
    s.logit_bias.push_back({id, static_cast<float>(value)});
  }
  s.c.logit_bias = s.logit_bias.data();
  s.c.num_logit_bias = s.logit_bias.size();
}

void set_order(SamplingSettings& s, const char* text) {
  s.order.clear();
  for (const std::string& name : split_commas(text)) {
    s.order.push_back(parse_choice("--sampler-order", name, samplers));
  }
  s.c.order = s.order.data();
  s.c.num_order = s.order.size();
}

void add_breaker(SamplingSettings& s, const char* text) {
  s.dry_breakers.push_back(text);
  s.c.dry_breakers = s.dry_breakers.data();
  s.c.num_dry_breakers = s.dry_breakers.size();
}

}  // namespace

Flags sampling_flags(SamplingSettings& settings) {
  SamplingSettings& s = settings;
  pensee_sampling& c = settings.c;
  // A field's setter: the name in complaints, the bounds, the field.
  const auto real = [&c](const char* name, double min, double max, float pensee_sampling::*field) {
    return [=, &c](const char* v) { c.*field = static_cast<float>(parse_real(name, v, min, max)); };
  };
  const auto whole = [&c](const char* name, int32_t min, int32_t pensee_sampling::*field) {
    return [=, &c](const char* v) { c.*field = static_cast<int32_t>(parse_integer(name, v, min, INT32_MAX)); };
  };
  using S = pensee_sampling;
  return {
      {"temperature", "X", "0: greedy (default: as the model recommends)",
       real("--temperature", 0, 1e6, &S::temperature)},
      {"top-k", "N", "0: off (default: as the model recommends)", whole("--top-k", 0, &S::top_k)},
      {"top-p", "X", "above 0, up to 1: off (default: as the model recommends)", real("--top-p", 1e-6, 1, &S::top_p)},
      {"min-p", "X", "0 to 1, 0: off (default)", real("--min-p", 0, 1, &S::min_p)},
      {"typical-p", "X", "tokens of typical surprise; 1: off (default)", real("--typical-p", 0, 1, &S::typical_p)},
      {"top-n-sigma", "X", "logits within so many standard deviations of the best; 0: off (default)",
       real("--top-n-sigma", 0, 1e6, &S::top_n_sigma)},
      {"xtc-probability", "X", "how often all but the last of the likely tokens go; 0: never (default)",
       real("--xtc-probability", 0, 1, &S::xtc_probability)},
      {"xtc-threshold", "X", "what is likely (default 0.1)", real("--xtc-threshold", 0, 0.5, &S::xtc_threshold)},
      {"repetition-penalty", "X", "logits of tokens seen are divided by it; 1: off (default)",
       real("--repetition-penalty", 0, 1e6, &S::repetition_penalty)},
      {"frequency-penalty", "X", "-2 to 2, for each time that a token was seen",
       real("--frequency-penalty", -2, 2, &S::frequency_penalty)},
      {"presence-penalty", "X", "-2 to 2, once for a token seen",
       real("--presence-penalty", -2, 2, &S::presence_penalty)},
      {"penalty-last-n", "N", "tokens that these three look back; -1: all (default 64)",
       whole("--penalty-last-n", -1, &S::penalty_last_n)},
      {"dry-multiplier", "X", "what repeating a sequence costs; 0: nothing (default)",
       real("--dry-multiplier", 0, 1e6, &S::dry_multiplier)},
      {"dry-base", "X", "grows with its length (default 1.75)", real("--dry-base", 0, 1e6, &S::dry_base)},
      {"dry-allowed-length", "N", "from this length on (default 2)",
       whole("--dry-allowed-length", 0, &S::dry_allowed_length)},
      {"dry-last-n", "N", "tokens to look back; -1: all (default 1024)", whole("--dry-last-n", -1, &S::dry_last_n)},
      {"dry-breaker", "TEXT", "no repeated sequence crosses it; may be repeated",
       [&s](const char* v) { add_breaker(s, v); }},
      {"mirostat", "N", "0: off (default); 2: mirostat 2.0 instead of what cuts",
       [&c](const char* v) { c.mirostat = static_cast<int32_t>(parse_integer("--mirostat", v, 0, 2)); }},
      {"mirostat-tau", "X", "surprise aimed at, in bits (default 5)", real("--mirostat-tau", 0, 1e3, &S::mirostat_tau)},
      {"mirostat-eta", "X", "learning rate (default 0.1)", real("--mirostat-eta", 0, 1e3, &S::mirostat_eta)},
      {"logit-bias", "ID=X,..", "added to the logit of a token; -inf: never",
       [&s](const char* v) { add_biases(s, v); }},
      {"sampler-order", "NAME,..", "of penalties, dry, temperature, top_n_sigma, top_k, top_p, min_p, typical, xtc",
       [&s](const char* v) { set_order(s, v); }},
  };
}

void set_by_name(const char* what, SamplingSettings& settings, const char* name_and_value) {
  const char* equals = std::strchr(name_and_value, '=');
  const std::string name(name_and_value, equals ? equals : name_and_value + std::strlen(name_and_value));
  if (equals) {
    for (const Flag& flag : sampling_flags(settings)) {
      if (name == flag.name) return flag.set(equals + 1);
    }
  }
  throw UsageError(std::string(what) + ": '" + name_and_value +
                   "' is not NAME=VALUE with the name of a sampler's flag");
}

}  // namespace cli
