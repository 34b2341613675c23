// Regular expressions as grammars. The dialect is what ECMAScript and Python's `re` agree on; where they differ (what
// \d, \w, \s and . hold) a text fits both. Look-around, back-references, word edges and anchors inside a pattern are
// errors that name the place.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace pensee {

// A grammar whose texts match the whole of `pattern`.
Result<std::string> regex_grammar(std::string_view pattern);

enum class RegexMatch { whole, search };
// A piece of grammar (sampling/grammar_text.h): what stands inside the quotation marks of JSON strings whose text
// matches. `where` names the pattern in messages. `search`: as JSON schema's "pattern", anywhere in the text.
Result<std::string> regex_in_json(std::string_view pattern, RegexMatch match, std::string_view where);

}  // namespace pensee
