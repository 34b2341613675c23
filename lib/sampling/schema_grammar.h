// JSON schemas (draft 2020-12, and what older drafts write alike) as grammars. Every text of the grammar is valid; a
// keyword that a grammar cannot hold a text to is an error that names it and its place, and never ignored. Narrower
// than the schema where that helps a model: properties come in the schema's order, an object lists its properties and
// no others unless additionalProperties says so, and whitespace is bounded. Annotations, and keywords that JSON schema
// does not know, mean nothing.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace pensee {

Result<std::string> schema_grammar(const json::Value& schema);

}  // namespace pensee
