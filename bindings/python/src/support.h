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

#include <memory>
#include <mutex>
#include <optional>
#include <string>
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

struct ModelOptions {
  int32_t threads = 0;
  int32_t backend = PENSEE_BACKEND_AUTO;
  int32_t activations = PENSEE_ACTIVATIONS_AUTO;
  int32_t cache_type = PENSEE_CACHE_AUTO;
  int64_t context_max = 0;
  uint64_t memory_budget = 0;
  bool skip_weights = false;
  bool exact = true;
  std::optional<std::string> isa;
  py::object progress = py::none();  // (float) -> bool | None
  py::object log = py::none();       // (int level, str text) -> None
};

struct Options {
  int64_t max_tokens = 0;
  int64_t think_budget = -1;
  float temperature = -1;
  float top_p = -1;
  float min_p = 0;
  int32_t top_k = -1;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  int32_t top_logprobs = 0;
  int32_t effort = PENSEE_EFFORT_DEFAULT;
};

struct Prompt {
  std::optional<std::string> text;
  std::optional<std::string> system;
  std::optional<std::string> messages_json;
  std::optional<std::string> tools_json;
  std::optional<std::vector<int32_t>> ids;
};

// Options and a prompt as pensee.h wants them, pointing into what they were made from: no temporaries.
struct OptionsView {
  explicit OptionsView(const Options& options);
  std::vector<const char*> stop;
  pensee_options c;
};
pensee_prompt view_of(const Prompt& prompt);

// The log callback lives as long as the handle, whoever keeps the handle alive.
struct ModelOwner {
  ~ModelOwner() {
    without_gil([this] { pensee_model_free(handle); });
  }
  std::unique_ptr<Callback> log;
  pensee_model* handle = nullptr;
};

struct SessionOwner {
  ~SessionOwner() {
    without_gil([this] { pensee_session_free(handle); });
  }
  std::shared_ptr<ModelOwner> model;
  std::mutex mutex;  // pensee.h: one thread at a time, except for cancelling
  pensee_session* handle = nullptr;
};

struct StreamOwner {
  ~StreamOwner() {
    without_gil([this] { pensee_stream_free(handle); });
  }
  std::shared_ptr<SessionOwner> session;
  std::mutex mutex;
  pensee_stream* handle = nullptr;
};

void define_model(py::module_& module);
void define_stream(py::module_& module);
// A session of `model`, for stream.cpp and model.cpp alike.
std::shared_ptr<SessionOwner> new_session(const std::shared_ptr<ModelOwner>& model);
void define_session_maker(py::class_<struct Model>& model_class);

// model.cpp's class, in Python _pensee.Model. `owner` is empty after close().
struct Model {
  std::shared_ptr<ModelOwner> owner;
  std::shared_ptr<ModelOwner> get() const {
    if (!owner) bad_argument("the model is closed");
    return owner;
  }
};

}  // namespace pensee_python
