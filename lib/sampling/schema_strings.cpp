// Strings: their length, "pattern" as a search, and the formats of RFC 3339 and its kind as expressions of their own.
#include <algorithm>
#include <utility>

#include "sampling/regex_grammar.h"
#include "sampling/schema_converter.h"

namespace pensee {
namespace {

#define PENSEE_HOUR "(?:[01][0-9]|2[0-3])"
#define PENSEE_CLOCK PENSEE_HOUR ":[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-]" PENSEE_HOUR ":[0-5][0-9])"
// Years 1000 to 2999; the last alternative has the leap days.
#define PENSEE_DAY                                                                                          \
  "(?:[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|" \
  "02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|1[26]00|2[048]00)-02-29)"
#define PENSEE_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define PENSEE_HOST PENSEE_LABEL "(?:\\." PENSEE_LABEL "){0,3}"
#define PENSEE_BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define PENSEE_HEX4 "[0-9A-Fa-f]{1,4}"
#define PENSEE_PATH_CHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"

// Each fits the format and needs no check beside it. "": a format that JSON schema knows and we do not.
constexpr std::pair<const char*, const char*> kFormats[] = {
    {"date-time", PENSEE_DAY "T" PENSEE_CLOCK},
    {"date", PENSEE_DAY},
    {"time", PENSEE_CLOCK},
    {"duration",
     "P(?:[0-9]{1,4}W|(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}D)"
     "(?:T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S))?|"
     "T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S))"},
    {"email", "[A-Za-z0-9_+-]{1,20}(?:\\.[A-Za-z0-9_+-]{1,20}){0,2}@" PENSEE_HOST},
    {"hostname", PENSEE_HOST},
    {"ipv4", PENSEE_BYTE "(?:\\." PENSEE_BYTE "){3}"},
    {"ipv6", "(?:" PENSEE_HEX4 ":){7}" PENSEE_HEX4 "|::(?:" PENSEE_HEX4 "(?::" PENSEE_HEX4 "){0,5})?|" PENSEE_HEX4
             "::(?:" PENSEE_HEX4 "(?::" PENSEE_HEX4 "){0,4})?|" PENSEE_HEX4 ":" PENSEE_HEX4 "::(?:" PENSEE_HEX4
             "(?::" PENSEE_HEX4 "){0,3})?"},
    {"uri", "[a-z][a-z0-9+.-]{0,15}://" PENSEE_HOST "(?::[1-9][0-9]{0,3})?(?:/" PENSEE_PATH_CHAR
            "*)*(?:\\?(?:" PENSEE_PATH_CHAR "|[/?])*)?(?:#(?:" PENSEE_PATH_CHAR "|[/?])*)?"},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"json-pointer", "(?:/(?:[^~/]|~[01])*)*"},
    {"idn-email", ""},
    {"idn-hostname", ""},
    {"uri-reference", ""},
    {"iri", ""},
    {"iri-reference", ""},
    {"uri-template", ""},
    {"relative-json-pointer", ""},
    {"regex", ""},
};

}  // namespace

Result<std::string> SchemaConverter::string(const json::Value& schema, const std::string& where) {
  PENSEE_ASSIGN(const std::string inside, string_inside(schema, where));
  if (inside.empty()) return any_string();
  return rules_.add("string", "\"\\\"\" " + inside + " \"\\\"\"");
}

// What stands between the quotation marks; empty: anything.
Result<std::string> SchemaConverter::string_inside(const json::Value& schema, const std::string& where) {
  const json::Value *pattern = schema.find("pattern"), *format = schema.find("format");
  const bool sized = schema.find("minLength") || schema.find("maxLength");
  const auto known = std::find_if(std::begin(kFormats), std::end(kFormats),
                                  [&](const auto& entry) { return format && *format->string() == entry.first; });
  const bool formatted = known != std::end(kFormats);
  if (pattern || formatted) {
    const std::string first = pattern ? "pattern" : "format";
    if (sized || (pattern && formatted)) {
      return Status::unsupported("JSON schema: {}/{} is not supported together with {}", where, first,
                                 pattern && formatted ? "format" : "minLength and maxLength");
    }
    if (formatted && !*known->second) {
      return Status::unsupported("JSON schema: {}/format '{}' is not supported", where, known->first);
    }
    character();
    return regex_in_json(pattern ? std::string_view(*pattern->string()) : known->second,
                         pattern ? RegexMatch::search : RegexMatch::whole, "JSON schema: " + where + "/" + first);
  }
  if (!sized) return std::string();
  PENSEE_ASSIGN(const uint64_t min, count_of(schema, "minLength", 0, where));
  PENSEE_ASSIGN(const uint64_t max, count_of(schema, "maxLength", grammar::kForever, where));
  if (min > max) return Status::format(Code::bad_argument, "JSON schema: {}/minLength is more than maxLength", where);
  return grammar::repeat(character(), min, max);
}

}  // namespace pensee
