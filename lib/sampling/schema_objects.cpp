// Objects and arrays. The properties of an object come in the order of the schema, so its grammar is a chain: a rule
// for what may follow each of them. Keys that the schema does not list are spelled so that they cannot be one that it
// does.
#include <algorithm>

#include "sampling/regex_grammar.h"
#include "sampling/schema_converter.h"

namespace pensee {

struct SchemaConverter::Members {
  struct Property {
    std::string name, piece;  // `"name": value`
    bool required = false;
  };
  std::vector<Property> listed;
  std::string other;  // a member that is not listed; empty: there are none
  std::string other_value;
  uint64_t min = 0, max = grammar::kForever;
};

namespace {

std::string key(const std::string& name) {
  return "\"\\\"\" " + grammar::json_string_inside(name) + " \"\\\":\" \" \"?";
}

// Writes the chain: what may follow property i when `count` were written (counted only where it matters).
class Chain {
 public:
  Chain(grammar::Rules& rules, const std::vector<std::pair<std::string, bool>>& listed, std::string other, uint64_t min,
        uint64_t max)
      : rules_(rules), listed_(listed), other_(std::move(other)), min_(min), max_(max) {
    const auto required =
        static_cast<uint64_t>(std::count_if(listed.begin(), listed.end(), [](const auto& p) { return p.second; }));
    counts_ = other_.empty() && (min > required || max < listed.size());
  }
  // Of one member or more; none when there is no such text. The empty object is the caller's.
  std::optional<std::string> first() {
    std::optional<std::string> next = others(true);
    for (size_t i = listed_.size(); i-- > 0;) {
      const auto& [piece, required] = listed_[i];
      std::vector<std::string> all;
      if (const auto rest = after(i + 1, counts_ ? 1 : 0)) all.push_back(piece + " " + *rest);
      if (!required && next) all.push_back(*next);
      next = all.empty() ? std::nullopt : std::optional(rules_.add("first", grammar::choice(all)));
    }
    return next;
  }

 private:
  std::optional<std::string> others(bool first) const {
    if (other_.empty()) return first ? std::nullopt : std::optional<std::string>("\"\"");
    const std::string more = "(\",\" space " + other_ + ")";
    if (!listed_.empty()) return first ? other_ + " " + more + "*" : more + "*";
    if (max_ == 0) return std::nullopt;
    return other_ + (max_ == 1 ? "" : " " + grammar::repeat(more, 0, max_ == grammar::kForever ? max_ : max_ - 1));
  }
  std::optional<std::string> after(size_t i, uint64_t count) {
    if (counts_ && count > max_) return std::nullopt;
    if (i == listed_.size()) return counts_ && count < min_ ? std::nullopt : others(false);
    const auto known = made_.find({i, count});
    if (known != made_.end()) return known->second;
    const auto& [piece, required] = listed_[i];
    std::vector<std::string> all;
    if (const auto rest = after(i + 1, counts_ ? count + 1 : 0)) all.push_back("\",\" space " + piece + " " + *rest);
    if (const auto rest = required ? std::nullopt : after(i + 1, count)) all.push_back(*rest);
    return made_[{i, count}] = all.empty() ? std::nullopt : std::optional(rules_.add("after", grammar::choice(all)));
  }

  grammar::Rules& rules_;
  const std::vector<std::pair<std::string, bool>>& listed_;
  std::string other_;
  uint64_t min_, max_;
  bool counts_;
  std::map<std::pair<size_t, uint64_t>, std::optional<std::string>> made_;
};

}  // namespace

Status SchemaConverter::properties(const json::Value& schema, const std::string& where, Members& members) {
  std::vector<std::string> required;
  if (const json::Value* list = schema.find("required")) {
    for (const json::Value& name : *list->array()) required.push_back(*name.string());
  }
  const auto is_required = [&](const std::string& name) {
    return std::find(required.begin(), required.end(), name) != required.end();
  };
  if (const json::Value* own = schema.find("properties")) {
    for (const auto& [name, value] : *own->object()) {
      const bool none = value.boolean() && !*value.boolean();
      Members::Property made = {name, "", is_required(name)};
      if (!none || made.required) {
        PENSEE_ASSIGN(const std::string piece, this->schema(value, where + "/properties/" + name));
        made.piece = rules_.add(name, key(name) + " " + piece);
      }
      members.listed.push_back(std::move(made));
    }
  }
  for (const std::string& name : required) {
    if (std::any_of(members.listed.begin(), members.listed.end(), [&](const auto& p) { return p.name == name; }))
      continue;
    const json::Value* rest = schema.find("additionalProperties");
    if (schema.find("patternProperties") || schema.find("propertyNames")) {
      return Status::unsupported(
          "JSON schema: {}/required '{}', which properties do not list, is not supported beside "
          "patternProperties and propertyNames",
          where, name);
    }
    const json::Value anything(true);
    PENSEE_ASSIGN(const std::string piece,
                  this->schema(rest ? *rest : anything, where + (rest ? "/additionalProperties" : "")));
    members.listed.push_back({name, rules_.add(name, key(name) + " " + piece), true});
  }
  return Status();
}

Status SchemaConverter::others(const json::Value& schema, const std::string& where, Members& members) {
  const json::Value *rest = schema.find("additionalProperties"), *patterns = schema.find("patternProperties"),
                    *names = schema.find("propertyNames"), *unevaluated = schema.find("unevaluatedProperties");
  const bool closed =
      rest ? rest->boolean() && !*rest->boolean() : unevaluated && unevaluated->boolean() && !*unevaluated->boolean();
  if (patterns && !patterns->object()->empty()) {
    if (patterns->object()->size() > 1 || !members.listed.empty() || names || (rest && !closed)) {
      return Status::unsupported(
          "JSON schema: {}/patternProperties is supported with one pattern, and without "
          "properties, propertyNames and additionalProperties",
          where);
    }
    const auto& [pattern, value] = patterns->object()->front();
    const std::string place = where + "/patternProperties/" + pattern;
    character();
    PENSEE_ASSIGN(const std::string inside, regex_in_json(pattern, RegexMatch::search, "JSON schema: " + place));
    PENSEE_ASSIGN(const std::string piece, this->schema(value, place));
    members.other = rules_.add("member", "\"\\\"\" " + inside + " \"\\\":\" \" \"? " + piece);
    return Status();
  }
  // An object that lists nothing is a map; one that lists something has no more.
  if (closed || (!rest && !members.listed.empty())) return Status();
  std::string spelled;
  if (names && names->object()) {
    if (!members.listed.empty()) {
      return Status::unsupported("JSON schema: {}/propertyNames is not supported beside properties", where);
    }
    const std::string place = where + "/propertyNames";
    PENSEE_TRY(check_keywords(*names, place));
    json::Value string = *names;
    if (!string.find("type")) string.set("type", "string");
    PENSEE_ASSIGN(spelled, this->schema(string, place));
  } else if (names && !*names->boolean()) {
    return Status();
  } else {
    std::vector<std::string> listed;
    for (const auto& property : members.listed) listed.push_back(property.name);
    PENSEE_ASSIGN(spelled, key_other_than(listed));
  }
  const json::Value anything(true);
  PENSEE_ASSIGN(const std::string piece,
                this->schema(rest ? *rest : anything, where + (rest ? "/additionalProperties" : "")));
  members.other = rules_.add("member", spelled + " \":\" \" \"? " + piece);
  return Status();
}

Result<std::string> SchemaConverter::object(const json::Value& schema, const std::string& where) {
  space();
  Members members;
  PENSEE_TRY(properties(schema, where, members));
  PENSEE_TRY(others(schema, where, members));
  std::erase_if(members.listed, [](const auto& property) { return property.piece.empty(); });  // those that are false
  PENSEE_ASSIGN(const uint64_t min, count_of(schema, "minProperties", 0, where));
  PENSEE_ASSIGN(const uint64_t max, count_of(schema, "maxProperties", grammar::kForever, where));
  if (!members.other.empty() && (min > 1 || (!members.listed.empty() && (min > 0 || max != grammar::kForever)))) {
    return Status::unsupported(
        "JSON schema: {}: minProperties of more than 1, or beside properties, is not supported "
        "where others may come (additionalProperties)",
        where);
  }
  std::vector<std::pair<std::string, bool>> listed;
  for (const auto& property : members.listed) listed.emplace_back(property.piece, property.required);
  if (max != grammar::kForever && listed.size() > 100) {
    return Status::unsupported("JSON schema: {}/maxProperties with more than 100 properties is not supported", where);
  }
  const bool may_be_empty =
      min == 0 && std::none_of(listed.begin(), listed.end(), [](const auto& p) { return p.second; });
  const auto inside = Chain(rules_, listed, members.other, min, max).first();
  if (!inside && !may_be_empty) {
    return Status::format(Code::bad_argument, "JSON schema: {}: no object has so many properties", where);
  }
  std::vector<std::string> all;
  if (inside) all.push_back("\"{\" space " + *inside + " space \"}\"");
  if (may_be_empty) all.push_back("\"{}\"");
  return rules_.add("object", grammar::choice(all));
}

// A string in quotation marks that is none of `names`.
Result<std::string> SchemaConverter::key_other_than(const std::vector<std::string>& names) {
  if (names.empty()) return any_string();
  std::vector<std::u32string> sorted;
  for (const std::string& name : names) {
    std::u32string points;
    for (size_t at = 0; at < name.size();) points += static_cast<char32_t>(unicode::next(name, at));
    if (points.size() > 100) return Status(Code::bad_argument, "JSON schema: a property's name is longer than 100");
    sorted.push_back(std::move(points));
  }
  std::sort(sorted.begin(), sorted.end());
  return "\"\\\"\" " + key_node(sorted, 0, sorted.size(), 0);
}

// Names begin .. end agree in their first `depth` characters, which have been written.
std::string SchemaConverter::key_node(const std::vector<std::u32string>& names, size_t begin, size_t end,
                                      size_t depth) {
  std::vector<std::string> all;
  unicode::CodeSet apart;
  bool is_name = false;
  for (size_t i = begin; i < end;) {
    if (names[i].size() == depth) {
      is_name = true;
      ++i;
      continue;
    }
    const char32_t c = names[i][depth];
    size_t next = i;
    while (next < end && names[next].size() > depth && names[next][depth] == c) ++next;
    apart.add(c, c);
    unicode::CodeSet one;
    one.add(c, c);
    const std::string rest = key_node(names, i, next, depth + 1);
    if (const std::string piece = grammar::json_one_of(one); !piece.empty()) all.push_back(piece + " " + rest);
    i = next;
  }
  apart.invert();
  all.push_back(grammar::json_one_of(apart) + " " + string_rest());
  if (!is_name) all.push_back("\"\\\"\"");
  return rules_.add("key", grammar::choice(all));
}

Result<std::string> SchemaConverter::array(const json::Value& schema, const std::string& where) {
  space();
  PENSEE_ASSIGN(const uint64_t min, count_of(schema, "minItems", 0, where));
  PENSEE_ASSIGN(const uint64_t max, count_of(schema, "maxItems", grammar::kForever, where));
  if (min > max) return Status::format(Code::bad_argument, "JSON schema: {}/minItems is more than maxItems", where);
  std::vector<std::string> first;  // prefixItems
  if (const json::Value* prefix = schema.find("prefixItems")) {
    for (size_t i = 0; i < prefix->array()->size() && i < max; ++i) {
      const json::Value& item = (*prefix->array())[i];
      PENSEE_ASSIGN(std::string piece, this->schema(item, where + "/prefixItems/" + std::to_string(i)));
      first.push_back(rules_.add("item", std::move(piece)));
    }
  }
  // Behind prefixItems no more come unless "items" says so, as with properties.
  const json::Value* items = schema.find("items");
  const bool more = max > first.size() && (items ? !items->boolean() || *items->boolean() : first.empty());
  if (!more && min > first.size()) {
    return Status::format(Code::bad_argument, "JSON schema: {}/minItems is more than the items that may come", where);
  }
  std::string tail;
  const uint64_t have = std::max<uint64_t>(first.size(), 1);  // items before those that repeat
  if (more) {
    const json::Value anything(true);
    PENSEE_ASSIGN(std::string piece, this->schema(items ? *items : anything, where + (items ? "/items" : "")));
    const std::string item = rules_.add("item", std::move(piece));
    const uint64_t least = min > have ? min - have : 0, most = max == grammar::kForever ? max : max - have;
    if (first.empty()) first.push_back(item);
    if (most > 0) tail = grammar::repeat("(\",\" space " + item + ")", least, most);
  }
  for (size_t i = first.size(); i-- > 1;) {
    tail = "\",\" space " + first[i] + (tail.empty() ? "" : " " + tail);
    tail = rules_.add("items", i >= min ? "(" + tail + ")?" : tail);
  }
  std::vector<std::string> all;
  if (!first.empty()) all.push_back("\"[\" space " + first[0] + (tail.empty() ? "" : " " + tail) + " space \"]\"");
  if (min == 0) all.push_back("\"[]\"");
  return rules_.add("array", grammar::choice(all));
}

}  // namespace pensee
