// Values of the template language: Python's, as far as a chat template can see them. Strings are UTF-8 and counted in
// code points; containers are immutable (the sandbox forbids append and update), so sharing them is safe and only a
// namespace or a macro's scope can close a circle: the evaluator owns those and takes them apart at the end.
// Run carries the budget and the first error: a hostile template is stopped by a count, never by the stack or the
// machine's memory. Work is counted in steps (64 bytes touched are one more); what is alive is counted in bytes, which
// values give back when they die. Every list and dict knows its depth, which bounds each recursion over values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace pensee::jinja {

inline constexpr int kValueDepthMax = 300;           // nesting of lists and dicts
inline constexpr uint64_t kStepsMax = 50'000'000;    // nodes evaluated, elements visited
inline constexpr uint64_t kOutputMax = 64ull << 20;  // bytes of one text
inline constexpr uint64_t kAliveMax = 256ull << 20;  // bytes of all values alive at once

enum class Kind : uint8_t {
  missing,
  undefined,
  none,
  boolean,
  integer,
  real,
  string,
  list,
  dict,
  space,
  loop,
  function
};

// What Python type stands behind Kind::list; an iterator is used up by its first reader.
enum class Form : uint8_t { list, tuple, group, range, iterator, keys, values, items };

class Run;
// What a value takes of its rendering's budget, until it dies.
struct Held {
  Held() = default;
  Held(Run* r, uint64_t n);
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  Run* run = nullptr;
  uint64_t bytes = 0;
};

struct Text {
  Text(std::string b, bool m, Run* run = nullptr) : held(run, b.size() + 96), bytes(std::move(b)), markup(m) {}
  Held held;
  std::string bytes;
  bool markup = false;  // came out of `escape` or `safe`: "+" escapes what it is joined with
};
struct List;
struct Dict;
struct Space;
struct Loop;
struct Callable;

class Value {
 public:
  Value() = default;  // missing: an argument that was not given
  static Value none() { return Value(Kind::none); }
  static Value boolean(bool v);
  static Value integer(int64_t v);
  static Value real(double v);
  static Value string(std::string v, bool markup = false);
  template <class T>
  Value(Kind kind, std::shared_ptr<T> object) : kind_(kind), object_(std::move(object)) {}

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_number() const { return is(Kind::integer) || is(Kind::real) || is(Kind::boolean); }
  bool is_int() const { return is(Kind::integer) || is(Kind::boolean); }

  bool boolean() const { return int_ != 0; }
  int64_t integer() const { return int_; }  // of an integer or a boolean
  double number() const { return is(Kind::real) ? real_ : static_cast<double>(int_); }
  const std::string& text() const { return as<Text>().bytes; }  // of a string, or why a value is undefined
  bool markup() const { return is(Kind::string) && as<Text>().markup; }
  const List& list() const { return as<List>(); }
  const Dict& dict() const { return as<Dict>(); }
  Space& space() const { return as<Space>(); }
  Loop& loop() const { return as<Loop>(); }
  const Callable& callable() const { return as<Callable>(); }
  bool same_object(const Value& other) const { return object_ == other.object_; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  template <class T>
  T& as() const {
    return *static_cast<T*>(object_.get());
  }
  Kind kind_ = Kind::missing;
  union {
    int64_t int_ = 0;
    double real_;
  };
  std::shared_ptr<void> object_;
};

using Values = std::vector<Value>;
struct List {
  List(Run* run, Values v, Form f) : held(run, v.size() * sizeof(Value) + 96), items(std::move(v)), form(f) {}
  Held held;
  Values items;
  Form form = Form::list;
  int depth = 1;
  mutable size_t next = 0;  // of an iterator: what was taken already
};
using Entries = std::vector<std::pair<Value, Value>>;
struct Dict {
  Dict(Run* run, Entries e) : held(run, e.size() * 2 * sizeof(Value) + 96), entries(std::move(e)) {}
  Held held;
  Entries entries;
  int depth = 1;
};
struct Space {
  std::vector<std::pair<std::string, Value>> attributes;
};
struct Loop {
  Loop(Run* run, Values v) : held(run, v.size() * sizeof(Value) + 96), items(std::move(v)) {}
  Held held;
  Values items;
  int64_t index = 0;
  int depth = 1;
};
struct Row;    // jinja_eval.h
struct Node;   // jinja_ast.h
struct Scope;  // jinja_eval.h
struct Callable {
  explicit Callable(Run* run) : held(run, 256) {}
  Held held;
  const Row* row = nullptr;  // a builtin or a method of `self`
  Value self;
  const Node* macro = nullptr;
  std::shared_ptr<Scope> scope;  // where the macro was written
};
// How deep containers are nested in `v`; a namespace and a macro's scope count as flat.
int depth_of(const Value& v);

// The budget of one rendering and its first error.
class Run {
 public:
  bool failed() const { return !status_.ok(); }
  const Status& status() const { return status_; }
  // The first error stays; each names the template and the line. Returns missing, so that builtins can return it.
  Value fail(std::string_view message, Code code = Code::bad_argument);
  bool step(uint64_t count = 1) {
    steps_ += count;
    return steps_ <= kStepsMax ? !failed() : over("steps");
  }
  bool charge(uint64_t bytes) { return step(bytes >> 6); }  // the work of touching so many bytes
  bool hold(uint64_t bytes) {
    alive_ += bytes;
    return alive_ <= kAliveMax || over("memory");
  }
  void release(uint64_t bytes) { alive_ -= bytes; }
  // Makers that count what they make. `subject` stands in for the "{}" of `why`, cut when it is long.
  Value undefined(std::string_view why, std::string_view subject = {});
  Value text(std::string bytes, bool markup = false);
  Value list(Values items, Form form = Form::list);
  Value dict(Entries entries);

  std::string_view template_name;
  int line = 0;

 private:
  bool over(std::string_view what);
  Status status_;
  uint64_t steps_ = 0;
  uint64_t alive_ = 0;
};

bool truth(const Value& v);
std::string_view type_name(const Value& v);  // "str", "dict" ...
const Value* find(Run& run, const Dict& dict, const Value& key);
bool equals(Run& run, const Value& a, const Value& b);
bool less(Run& run, const Value& a, const Value& b);  // fails where Python raises TypeError
bool contains(Run& run, const Value& container, const Value& item);
// The items that a for loop would see, taken from an iterator once; fails when `v` cannot be iterated.
bool iterate(Run& run, const Value& v, Values& out);
int64_t length(Run& run, const Value& v);  // -1 when it has none (no failure yet)

std::string to_str(Run& run, const Value& v);  // Python's str()
void append_repr(Run& run, const Value& v, std::string& out, int depth = 0);
std::string format_real(double v);  // Python's repr of a float

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool pretty = false;  // a line for each element, indented by `indent`
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// Python's json.dumps.
void append_json(Run& run, const Value& v, const JsonStyle& style, int level, std::string& out);

}  // namespace pensee::jinja
