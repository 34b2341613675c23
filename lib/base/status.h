// Errors as values. A Status says what went wrong, where (file, tensor, byte offset) and what to do; a Result holds
// a value or the Status that explains its absence. The numbers equal pensee_status in pensee.h and never change.
// Nothing above base/ throws; std::bad_alloc may pass through and becomes Code::out_of_memory at the C border.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace pensee {

enum class Code : int32_t {
  ok = 0,
  bad_argument = 10,
  file_not_found = 20,
  file_corrupt = 21,
  file_io = 22,
  out_of_memory = 30,
  unsupported = 40,
  busy = 50,
  context_full = 51,
  no_more_events = 52,
  cancelled = 60,
  stopped_by_callback = 61,
  timeout = 62,
  internal = 90,
};

namespace detail {
std::string to_text(std::string_view v);
std::string to_text(double v);
std::string to_text(bool v);
inline std::string to_text(const char* v) { return v ? v : "(null)"; }
inline std::string to_text(const std::string& v) { return v; }
template <std::integral T>
std::string to_text(T v) {
  return std::to_string(v);
}
// Replaces each "{}" of `pattern` by the next argument; gcc 12 has no std::format.
std::string fill(std::string_view pattern, const std::string* args, size_t count);
}  // namespace detail

template <class... Args>
std::string format(std::string_view pattern, const Args&... args) {
  const std::string texts[sizeof...(Args) + 1] = {detail::to_text(args)...};
  return detail::fill(pattern, texts, sizeof...(Args));
}

class [[nodiscard]] Status {
 public:
  Status() = default;  // success
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  template <class... Args>
  static Status format(Code code, std::string_view pattern, const Args&... args) {
    return Status(code, pensee::format(pattern, args...));
  }
  // Shorthands for the two that files bring most often.
  template <class... Args>
  static Status corrupt(std::string_view pattern, const Args&... args) {
    return format(Code::file_corrupt, pattern, args...);
  }
  template <class... Args>
  static Status unsupported(std::string_view pattern, const Args&... args) {
    return format(Code::unsupported, pattern, args...);
  }

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}
  template <class U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Status> && !std::is_same_v<std::remove_cvref_t<U>, Result>)
      Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool ok() const { return state_.index() == 0; }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  const Status& status() const { return *std::get_if<1>(&state_); }  // only when !ok()

 private:
  std::variant<T, Status> state_;
};

}  // namespace pensee

// Leaves the function with the error, if there is one.
#define PENSEE_TRY(expression)                                                                       \
  do {                                                                                               \
    if (::pensee::Status pensee_status_ = (expression); !pensee_status_.ok()) return pensee_status_; \
  } while (false)

#define PENSEE_CONCAT_(a, b) a##b
#define PENSEE_CONCAT(a, b) PENSEE_CONCAT_(a, b)
// PENSEE_ASSIGN(auto x, make_x()): binds the value, or leaves the function with the error.
#define PENSEE_ASSIGN(target, expression) PENSEE_ASSIGN_(PENSEE_CONCAT(pensee_result_, __LINE__), target, expression)
#define PENSEE_ASSIGN_(result, target, expression) \
  auto result = (expression);                      \
  if (!result.ok()) return result.status();        \
  target = *std::move(result)
