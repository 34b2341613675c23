// What the binding's files share: the owners of pensee.h's handles, errors on their way to Python, and the two rules
// about Python's global lock (GIL) that keep it free of deadlocks:
//   1. No call of the library that can wait is made while this thread holds the GIL; nor is any _free.
//   2. A callback into Python takes the GIL, and gives way once the interpreter shuts down.
// Handles lie in shared pointers that are only copied and reset under the GIL. A call copies its pointer first, so that
// close() on one thread never frees what another thread is using: the last user frees.
#pragma once

#include <pensee/pensee.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pensee_python {

namespace py = pybind11;

// A failure on its way to Python, where the translator in module.cpp makes it the pensee.Error of its status.
struct StatusError {
  pensee_status status;
  std::string message;
};

// Throws StatusError unless `status` is PENSEE_OK. Needs no GIL.
void check(pensee_status status, const pensee_error& error);
[[noreturn]] void bad_argument(std::string message);

// Runs `call` with the GIL released if this thread holds it.
template <class Call>
void without_gil(Call call) {
  if (PyGILState_Check()) {
    py::gil_scoped_release release;
    call();
  } else {
    call();
  }
}

// After this no callback enters Python any more. Called at exit, before the interpreter dies.
void stop_callbacks();
bool callbacks_stopped();

// A Python callable that threads of the library may call and that may be dropped on any thread.
class Callback {
 public:
  explicit Callback(py::object function) : function_(std::move(function)) {}
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback();
  const py::object& function() const { return function_; }

 private:
  py::object function_;
};

// The structs of pensee.h with their defaults. What points at something there has its own value under the same name
// here, and the pointer below it stays null until a view is made.
struct ModelOptions : pensee_model_options {
  ModelOptions() : pensee_model_options(PENSEE_MODEL_OPTIONS_INIT) {}
  std::optional<std::string> isa;
  std::optional<std::string> tuning_file;
  py::object progress = py::none();    // (float) -> bool | None
  py::object log = py::none();         // (int level, str text) -> None
  py::object low_memory = py::none();  // (int bytes) -> bool | None
};

struct Sampling : pensee_sampling {
  Sampling() : pensee_sampling(PENSEE_SAMPLING_INIT) {}
  std::optional<std::vector<std::string>> dry_breakers;
  std::vector<std::pair<int32_t, float>> logit_bias;
  std::optional<std::vector<int32_t>> order;
};

struct ModelOwner;

struct Options : pensee_options {
  Options() : pensee_options(PENSEE_OPTIONS_INIT) {}
  std::vector<std::string> stop;
  std::optional<std::string> thought_prefix, answer_prefix, budget_text, json_schema, regex, grammar;
  std::optional<Sampling> sampling, answer_sampling;
  std::shared_ptr<ModelOwner> draft_model;
};

struct Prompt {
  std::optional<std::string> text;
  std::optional<std::string> system;
  std::optional<std::string> messages_json;
  std::optional<std::string> tools_json;
  std::optional<std::vector<int32_t>> ids;
};

// Options and a prompt as pensee.h wants them, pointing into what they were made from: no temporaries.
struct SamplingView {
  SamplingView(const Sampling& sampling, const char* name);
  SamplingView(const SamplingView&) = delete;
  SamplingView& operator=(const SamplingView&) = delete;
  std::vector<const char*> dry_breakers;
  std::vector<pensee_logit_bias> logit_bias;
  pensee_sampling c;
};
struct OptionsView {
  explicit OptionsView(const Options& options);
  OptionsView(const OptionsView&) = delete;
  OptionsView& operator=(const OptionsView&) = delete;
  std::vector<const char*> stop;
  std::optional<SamplingView> sampling, answer_sampling;
  pensee_options c;
};
pensee_prompt view_of(const Prompt& prompt);

// Calls `fill(data, capacity, &size)` with a guess, then with the size that the call told. What it returns may grow no
// further: the inputs stay the same.
template <class T, class Fill>
std::vector<T> fill_twice(size_t guess, Fill fill) {
  std::vector<T> out(guess);
  size_t size = 0;
  without_gil([&] {
    fill(out.data(), out.size(), &size);
    const bool again = size > out.size();
    out.resize(size);
    if (again) fill(out.data(), out.size(), &size);
  });
  return out;
}

// What a progress callback of pensee.h is handed as its user: on_progress runs on the thread that made the call, which
// takes the GIL, looks for Ctrl-C, and asks `function` (or None) whether to go on.
struct ProgressState {
  const py::object* function = nullptr;
  std::exception_ptr raised;
};
int on_progress(void* user, float fraction);

// The callbacks live as long as the handle, whoever keeps the handle alive.
struct ModelOwner {
  ~ModelOwner() {
    without_gil([this] { pensee_model_free(handle); });
  }
  std::mutex mutex;  // of what changes the model
  std::unique_ptr<Callback> log, low_memory;
  pensee_model* handle = nullptr;
};

struct SessionOwner {
  ~SessionOwner() {
    without_gil([this] { pensee_session_free(handle); });
  }
  // pensee.h: one thread at a time, except for cancelling. Short calls wait for each other; during a long one (asking,
  // voting) another is PENSEE_BUSY. `call` runs without the GIL and does not throw.
  template <class Call>
  void use(bool is_long, Call call) {
    without_gil([&] {
      std::unique_lock<std::mutex> lock(mutex);
      if (asking) throw StatusError{PENSEE_BUSY, "another thread is asking in this session"};
      asking = is_long;
      if (is_long) lock.unlock();
      call();
      if (is_long) lock.lock();
      asking = false;
    });
  }

  std::shared_ptr<ModelOwner> model;
  std::mutex mutex;
  bool asking = false;  // under the mutex
  pensee_session* handle = nullptr;
};

struct StreamOwner {
  ~StreamOwner() {
    without_gil([this] { pensee_stream_free(handle); });
  }
  std::shared_ptr<SessionOwner> session;
  std::shared_ptr<ModelOwner> draft_model;  // for its log callback
  std::mutex mutex;
  pensee_stream* handle = nullptr;
};

// In Python _pensee.Model and _pensee.Session. `owner` is empty after close().
struct Model {
  std::shared_ptr<ModelOwner> owner;
  std::shared_ptr<ModelOwner> get() const {
    if (!owner) bad_argument("the model is closed");
    return owner;
  }
};
struct Session {
  std::shared_ptr<SessionOwner> owner;
  std::shared_ptr<SessionOwner> get() const {
    if (!owner) bad_argument("the session is closed");
    return owner;
  }
};

// Values of pensee.h for Python (reply.cpp). Bytes that are no UTF-8 become U+FFFD.
py::str text_to_python(const char* data, size_t size);
inline py::str text_to_python(const std::string& text) { return text_to_python(text.data(), text.size()); }
py::str text_to_python(const char* text);
py::dict usage_to_python(const pensee_usage& usage);
// With the routing where the reply has one. `samples` holds those after the reply itself.
py::dict reply_to_python(const pensee_reply* reply, bool with_samples);

void define_options(py::module_& module);
void define_model(py::module_& module);
void define_session(py::module_& module, py::class_<Model>& model);
void define_stream(py::module_& module, py::class_<Session>& session);

}  // namespace pensee_python
