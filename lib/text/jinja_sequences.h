// What the builtin tables share: filters over sequences (jinja_sequences.cpp) and helpers of filters and methods
// (jinja_filters.cpp).
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja_eval.h"

namespace pensee::jinja {

Value batch_filter(Evaluator&, const Value&, Call&);
Value dictsort_filter(Evaluator&, const Value&, Call&);
Value first_filter(Evaluator&, const Value&, Call&);
Value groupby_filter(Evaluator&, const Value&, Call&);
Value items_filter(Evaluator&, const Value&, Call&);
Value join_filter(Evaluator&, const Value&, Call&);
Value last_filter(Evaluator&, const Value&, Call&);
Value list_filter(Evaluator&, const Value&, Call&);
Value map_filter(Evaluator&, const Value&, Call&);
Value max_filter(Evaluator&, const Value&, Call&);
Value min_filter(Evaluator&, const Value&, Call&);
Value reject_filter(Evaluator&, const Value&, Call&);
Value rejectattr_filter(Evaluator&, const Value&, Call&);
Value reverse_filter(Evaluator&, const Value&, Call&);
Value select_filter(Evaluator&, const Value&, Call&);
Value selectattr_filter(Evaluator&, const Value&, Call&);
Value slice_filter(Evaluator&, const Value&, Call&);
Value sort_filter(Evaluator&, const Value&, Call&);
Value sum_filter(Evaluator&, const Value&, Call&);
Value unique_filter(Evaluator&, const Value&, Call&);

inline constexpr size_t kPartsMax = kAliveMax / 128;  // of one split

// Python's int(text, base) and float(text).
std::optional<int64_t> read_int(std::string_view s, int base);
std::optional<double> read_real(std::string_view s);
Value replace_checked(Evaluator& run, std::string_view s, std::string_view from, std::string_view to, int64_t count);
// `sides` says where the padding goes.
Value pad(Evaluator& run, std::string_view s, int64_t width, std::string_view fill, int sides);
Value join_texts(Evaluator& run, const Values& items, std::string_view separator);
// Pairs of a dict as tuples.
Values dict_items(Evaluator& run, const Dict& dict);

}  // namespace pensee::jinja
