// Unpacks the tables of unicode_data.cpp and answers questions about code points. The sets are small sorted ranges
// while they are being built and a two-level bitmap (256 code points a page, equal pages shared) while they are being
// asked, which keeps a class like \p{L} near 10 KB and a look-up at two loads.
#include "text/unicode.h"

#include <algorithm>
#include <map>

#include "text/unicode_data.h"
#include "text/unicode_packed.h"

namespace pensee::unicode {
namespace {

constexpr const char* kCategories[] = {"cc", "cf", "cn", "co", "cs", "ll", "lm", "lo", "lt", "lu",
                                       "mc", "me", "mn", "nd", "nl", "no", "pc", "pd", "pe", "pf",
                                       "pi", "po", "ps", "sc", "sk", "sm", "so", "zl", "zp", "zs"};
constexpr std::pair<const char*, const char*> kLongNames[] = {
    {"letter", "l"}, {"uppercaseletter", "lu"}, {"lowercaseletter", "ll"}, {"titlecaseletter", "lt"},
    {"modifierletter", "lm"}, {"otherletter", "lo"}, {"mark", "m"}, {"nonspacingmark", "mn"}, {"spacingmark", "mc"},
    {"enclosingmark", "me"}, {"number", "n"}, {"decimalnumber", "nd"}, {"letternumber", "nl"}, {"othernumber", "no"},
    {"punctuation", "p"}, {"connectorpunctuation", "pc"}, {"dashpunctuation", "pd"}, {"openpunctuation", "ps"},
    {"closepunctuation", "pe"}, {"initialpunctuation", "pi"}, {"finalpunctuation", "pf"}, {"otherpunctuation", "po"},
    {"symbol", "s"}, {"mathsymbol", "sm"}, {"currencysymbol", "sc"}, {"modifiersymbol", "sk"}, {"othersymbol", "so"},
    {"separator", "z"}, {"spaceseparator", "zs"}, {"lineseparator", "zl"}, {"paragraphseparator", "zp"},
    {"other", "c"}, {"control", "cc"}, {"format", "cf"}, {"unassigned", "cn"}, {"privateuse", "co"},
    {"surrogate", "cs"}};

struct Run {
  CodePoint first, last;
  int category;
};

int category_of_letter(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' : c - 'g' + 26; }

std::vector<Run> unpack_categories() {
  std::vector<Run> runs;
  CodePoint at = 0;
  for (const char* p = unicode_data::categories; *p; ++p) {
    CodePoint count = 0;
    while (is_hex(*p)) count = count * 16 + hex_value(*p++);
    if (count == 0) count = 1;
    runs.push_back({at, at + count - 1, category_of_letter(*p)});
    at += count;
  }
  return runs;
}

const std::vector<Run>& category_runs() {
  static const std::vector<Run> runs = unpack_categories();
  return runs;
}

void add_packed_ranges(const char* packed, CodeSet& set) {
  CodePoint end = 0;
  for (PackedReader reader(packed); reader.next_entry();) {
    const CodePoint first = end + reader.number();
    const CodePoint count = reader.has_number() ? reader.number() : 1;
    set.add(first, first + count - 1);
    end = first + count;
  }
}

struct Folds {
  std::map<CodePoint, CodePoint> to;
  std::multimap<CodePoint, CodePoint> from;
};

Folds unpack_folds() {
  Folds folds;
  CodePoint at = 0;
  for (PackedReader reader(unicode_data::folds); reader.next_entry();) {
    at += reader.number();
    const bool negative = reader.take('-');
    const CodePoint distance = reader.number();
    const CodePoint target = negative ? at - distance : at + distance;
    folds.to[at] = target;
    folds.from.emplace(target, at);
  }
  return folds;
}

const Folds& folds() {
  static const Folds all = unpack_folds();
  return all;
}

// One letter stands for all categories that begin with it.
bool add_category(std::string_view name, CodeSet& set) {
  uint32_t wanted = 0;
  for (int i = 0; i < 30; ++i) {
    if (std::string_view(kCategories[i]).substr(0, name.size()) == name) wanted |= 1u << i;
  }
  CodeSet members;
  for (const Run& run : category_runs()) {
    if (wanted >> run.category & 1) members.add(run.first, run.last);
  }
  set.add(members);
  return wanted != 0;
}

}  // namespace

void append_utf8(CodePoint c, std::string& out) {
  const auto put = [&](CodePoint byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  if (c < 0x10000) return put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
}

void CodeSet::add(CodePoint first, CodePoint last) {
  const bool in_order = ranges_.empty() || first > ranges_.back().second;
  ranges_.emplace_back(first, last);
  if (!in_order) tidy();
}

void CodeSet::add(const CodeSet& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  tidy();
}

void CodeSet::tidy() {
  std::sort(ranges_.begin(), ranges_.end());
  std::vector<Range> joined;
  for (const Range& r : ranges_) {
    if (!joined.empty() && r.first <= joined.back().second + 1) {
      joined.back().second = std::max(joined.back().second, r.second);
    } else {
      joined.push_back(r);
    }
  }
  ranges_ = std::move(joined);
}

void CodeSet::invert() {
  std::vector<Range> gaps;
  CodePoint from = 0;
  for (const Range& r : ranges_) {
    if (r.first > from) gaps.emplace_back(from, r.first - 1);
    from = r.second + 1;
  }
  if (from <= kLastCodePoint) gaps.emplace_back(from, kLastCodePoint);
  ranges_ = std::move(gaps);
}

void CodeSet::intersect(const CodeSet& other) {
  CodeSet rest = other;  // a & b = !(!a | !b)
  rest.invert();
  invert();
  add(rest);
  invert();
}

void CodeSet::close_under_case() {
  const Folds& all = folds();
  std::vector<Range> more;
  const auto inside = [&](CodePoint c) {
    auto it = std::upper_bound(ranges_.begin(), ranges_.end(), Range(c, kLastCodePoint + 1));
    return it != ranges_.begin() && c <= std::prev(it)->second;
  };
  for (auto it = all.from.begin(); it != all.from.end();) {
    const auto end = all.from.upper_bound(it->first);
    bool any = inside(it->first);
    for (auto one = it; one != end && !any; ++one) any = inside(one->second);
    if (any) more.emplace_back(it->first, it->first);
    for (; it != end; ++it) {
      if (any) more.emplace_back(it->second, it->second);
    }
  }
  ranges_.insert(ranges_.end(), more.begin(), more.end());
  tidy();
}

void CodeSet::freeze() {
  tidy();
  ascii_ = {};
  pages_.clear();
  index_.assign((kLastCodePoint >> 8) + 1, 0);
  std::map<std::array<uint64_t, 4>, uint16_t> known;
  size_t r = 0;
  for (CodePoint page = 0; page < index_.size(); ++page) {
    std::array<uint64_t, 4> bits = {};
    while (r < ranges_.size() && ranges_[r].second < page << 8) ++r;
    for (size_t i = r; i < ranges_.size() && ranges_[i].first <= (page << 8 | 255); ++i) {
      const CodePoint first = std::max(ranges_[i].first, page << 8);
      const CodePoint last = std::min(ranges_[i].second, page << 8 | 255);
      for (CodePoint c = first; c <= last; ++c) bits[c >> 6 & 3] |= uint64_t{1} << (c & 63);
    }
    if (page == 0) ascii_ = {bits[0], bits[1]};
    const auto [it, fresh] = known.emplace(bits, static_cast<uint16_t>(pages_.size()));
    if (fresh) pages_.push_back(bits);
    index_[page] = it->second;
  }
}

bool add_property(std::string_view name, CodeSet& set) {
  std::string plain;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    plain.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  if (plain == "any") return set.add(0, kLastCodePoint), true;
  for (const unicode_data::Script& script : unicode_data::scripts) {
    if (plain != script.name) continue;
    CodeSet members;
    add_packed_ranges(script.ranges, members);
    set.add(members);
    return true;
  }
  for (const auto& [spelled, abbreviation] : kLongNames) {
    if (plain == spelled) plain = abbreviation;
  }
  return !plain.empty() && plain.size() <= 2 && add_category(plain, set);
}

void add_word(CodeSet& set) {
  for (const char* category : {"l", "m", "nd", "nl"}) add_category(category, set);
  CodeSet extra;
  add_packed_ranges(unicode_data::word_extra, extra);
  set.add(extra);
}

void add_space(CodeSet& set) {
  set.add(0x09, 0x0D);
  add_category("z", set);
  set.add(0x85, 0x85);
}

const CodeSet& word_set() {
  static const CodeSet frozen = [] {
    CodeSet set;
    add_word(set);
    set.freeze();
    return set;
  }();
  return frozen;
}

const CodeSet& space_set() {
  static const CodeSet frozen = [] {
    CodeSet set;
    add_space(set);
    set.freeze();
    return set;
  }();
  return frozen;
}

CodePoint fold(CodePoint c) {
  if (c < 128) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  const auto it = folds().to.find(c);
  return it == folds().to.end() ? c : it->second;
}

std::vector<CodePoint> same_fold(CodePoint c) {
  const CodePoint target = fold(c);
  std::vector<CodePoint> all = {target};
  for (auto [it, end] = folds().from.equal_range(target); it != end; ++it) all.push_back(it->second);
  return all;
}

}  // namespace pensee::unicode
