// _pensee.Model: opening (path, descriptor, memory), facts, tokens, scores and rendered prompts. Every call copies the
// owner, releases the GIL and lets the library work; any number of Python threads may use one model at once.
#include <pybind11/pytypes.h>

#include <exception>

#include "support.h"

namespace pensee_python {

namespace {

struct ProgressState {
  const py::object* function = nullptr;  // or None
  std::exception_ptr raised;
};

// Runs on the loading thread, which is the caller's: so Ctrl-C is seen here even while the library loads.
int on_progress(void* user, float fraction) {
  auto* state = static_cast<ProgressState*>(user);
  py::gil_scoped_acquire gil;
  try {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (state->function->is_none()) return 0;
    const py::object answer = (*state->function)(fraction);
    return answer.ptr() == Py_False ? 1 : 0;
  } catch (...) {
    state->raised = std::current_exception();
    return 1;
  }
}

void on_log(void* user, int32_t level, const char* text) {
  if (callbacks_stopped()) return;
  py::gil_scoped_acquire gil;
  try {
    static_cast<Callback*>(user)->function()(level, py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(
                                                        text, static_cast<Py_ssize_t>(strlen(text)), "replace")));
  } catch (py::error_already_set& error) {
    error.discard_as_unraisable("pensee: the log callback");
  }
}

// `open` is called without the GIL: (options, &handle, &error) -> status.
template <class Open>
Model open_model(const ModelOptions& options, Open open) {
  auto owner = std::make_shared<ModelOwner>();
  ProgressState progress{&options.progress, nullptr};
  pensee_model_options c = PENSEE_MODEL_OPTIONS_INIT;
  c.threads = options.threads;
  c.backend = options.backend;
  c.activations = options.activations;
  c.cache_type = options.cache_type;
  c.context_max = options.context_max;
  c.memory_budget = options.memory_budget;
  c.skip_weights = options.skip_weights;
  c.exact = options.exact;
  c.isa = options.isa ? options.isa->c_str() : nullptr;
  c.progress = on_progress;
  c.progress_user = &progress;
  if (!options.log.is_none()) {
    owner->log = std::make_unique<Callback>(options.log);
    c.log = on_log;
    c.log_user = owner->log.get();
  }
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = open(&c, &owner->handle, &error); });
  if (progress.raised) std::rethrow_exception(progress.raised);
  check(status, error);
  return Model{owner};
}

Model open_path(const std::optional<std::string>& path, const ModelOptions& options) {
  if (path && path->find('\0') != std::string::npos) bad_argument("the path holds a zero byte");
  return open_model(options, [&](const pensee_model_options* c, pensee_model** model, pensee_error* error) {
    return pensee_model_open(path ? path->c_str() : nullptr, c, model, error);
  });
}

Model open_fd(int fd, uint64_t offset, uint64_t length, const ModelOptions& options) {
  return open_model(options, [&](const pensee_model_options* c, pensee_model** model, pensee_error* error) {
    return pensee_model_open_fd(fd, offset, length, c, model, error);
  });
}

Model open_memory(const py::object& data, const ModelOptions& options) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(data.ptr(), &buffer, PyBUF_SIMPLE) != 0) throw py::error_already_set();
  const std::unique_ptr<Py_buffer, decltype(&PyBuffer_Release)> release(&buffer, PyBuffer_Release);
  return open_model(options, [&](const pensee_model_options* c, pensee_model** model, pensee_error* error) {
    return pensee_model_open_memory(buffer.buf, static_cast<size_t>(buffer.len), c, model, error);
  });
}

py::dict info(const Model& model) {
  const auto owner = model.get();
  pensee_model_info c = PENSEE_MODEL_INFO_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  check(pensee_model_get_info(owner->handle, &c, &error), error);
  const auto text = [](const char* value) { return py::str(value ? value : ""); };
  const auto id = [](int32_t value) { return value < 0 ? py::object(py::none()) : py::object(py::int_(value)); };
  py::dict d;
  d["architecture"] = text(c.architecture);
  d["name"] = text(c.name);
  d["quantization"] = text(c.quantization);
  d["backend"] = text(c.backend);
  d["isa"] = text(c.isa);
  d["parameters_total"] = c.parameters_total;
  d["parameters_active"] = c.parameters_active;
  d["num_hidden_layers"] = c.num_hidden_layers;
  d["hidden_size"] = c.hidden_size;
  d["vocab_size"] = c.vocab_size;
  d["context_max"] = c.context_max;
  d["n_routed_experts"] = c.n_routed_experts;
  d["num_experts_per_tok"] = c.num_experts_per_tok;
  d["n_shared_experts"] = c.n_shared_experts;
  d["cache_bytes_per_token"] = c.cache_bytes_per_token;
  d["weight_bytes"] = c.weight_bytes;
  d["active_weight_bytes"] = c.active_weight_bytes;
  d["memory_bytes"] = c.memory_bytes;
  d["load_seconds"] = c.load_seconds;
  d["threads"] = c.threads;
  d["has_chat_template"] = c.has_chat_template != 0;
  d["thinks"] = c.thinks != 0;
  d["bos_token_id"] = id(c.bos_token_id);
  d["eos_token_id"] = id(c.eos_token_id);
  return d;
}

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

std::vector<int32_t> tokenize(const Model& model, const std::string& text, uint32_t flags) {
  const auto owner = model.get();
  return fill_twice<int32_t>(text.size() / 2 + 8, [&](int32_t* ids, size_t capacity, size_t* count) {
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_tokenize(owner->handle, text.data(), text.size(), flags, ids, capacity, count, &error), error);
  });
}

py::bytes detokenize(const Model& model, const std::vector<int32_t>& ids, uint32_t flags) {
  const auto owner = model.get();
  const auto out = fill_twice<char>(ids.size() * 8 + 16, [&](char* text, size_t capacity, size_t* length) {
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_detokenize(owner->handle, ids.data(), ids.size(), flags, text, capacity, length, &error), error);
  });
  return py::bytes(out.data(), out.size());
}

py::bytes render(const Model& model, const Prompt& prompt, const Options& options) {
  const auto owner = model.get();
  const pensee_prompt c = view_of(prompt);
  const OptionsView view(options);
  const auto out = fill_twice<char>(4096, [&](char* text, size_t capacity, size_t* length) {
    pensee_error error = PENSEE_ERROR_INIT;
    check(pensee_render_prompt(owner->handle, &c, &view.c, text, capacity, length, &error), error);
  });
  return py::bytes(out.data(), out.size());
}

// Writes into `out`, a C-contiguous writable buffer of `floats` float32: the caller's numpy array.
template <class Score>
void score(const py::buffer& out, size_t floats, Score call) {
  const py::buffer_info buffer = out.request(true);
  if (buffer.itemsize != sizeof(float) || buffer.size < 0 || static_cast<size_t>(buffer.size) != floats) {
    bad_argument("the output has room for " + std::to_string(buffer.size) + " numbers, not for " +
                 std::to_string(floats));
  }
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_status status = PENSEE_OK;
  without_gil([&] { status = call(static_cast<float*>(buffer.ptr), &error); });
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  check(status, error);
}

void logits(const Model& model, const std::vector<int32_t>& ids, const py::buffer& out) {
  const auto owner = model.get();
  pensee_model_info facts = PENSEE_MODEL_INFO_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  check(pensee_model_get_info(owner->handle, &facts, &error), error);
  score(out, ids.size() * static_cast<size_t>(facts.vocab_size),
        [&](float* data, pensee_error* e) { return pensee_logits(owner->handle, ids.data(), ids.size(), data, e); });
}

void logprobs(const Model& model, const std::vector<int32_t>& ids, const py::buffer& out) {
  const auto owner = model.get();
  score(out, ids.size(),
        [&](float* data, pensee_error* e) { return pensee_logprobs(owner->handle, ids.data(), ids.size(), data, e); });
}

void close(Model& model) {
  const auto owner = std::move(model.owner);
  model.owner = nullptr;
}

}  // namespace

void define_model(py::module_& module) {
  py::class_<ModelOptions>(module, "ModelOptions")
      .def(py::init<>())
      .def_readwrite("threads", &ModelOptions::threads)
      .def_readwrite("backend", &ModelOptions::backend)
      .def_readwrite("activations", &ModelOptions::activations)
      .def_readwrite("cache_type", &ModelOptions::cache_type)
      .def_readwrite("context_max", &ModelOptions::context_max)
      .def_readwrite("memory_budget", &ModelOptions::memory_budget)
      .def_readwrite("skip_weights", &ModelOptions::skip_weights)
      .def_readwrite("exact", &ModelOptions::exact)
      .def_readwrite("isa", &ModelOptions::isa)
      .def_readwrite("progress", &ModelOptions::progress)
      .def_readwrite("log", &ModelOptions::log);

  py::class_<Model> model(module, "Model");
  model.def_static("open", &open_path, py::arg("path"), py::arg("options"))
      .def_static("open_fd", &open_fd, py::arg("fd"), py::arg("offset"), py::arg("length"), py::arg("options"))
      .def_static("open_memory", &open_memory, py::arg("data"), py::arg("options"))
      .def("close", &close)
      .def_property_readonly("closed", [](const Model& m) { return m.owner == nullptr; })
      .def("info", &info)
      .def("tokenize", &tokenize, py::arg("text"), py::arg("flags"))
      .def("detokenize", &detokenize, py::arg("ids"), py::arg("flags"))
      .def("logits", &logits, py::arg("ids"), py::arg("out"))
      .def("logprobs", &logprobs, py::arg("ids"), py::arg("out"))
      .def("render", &render, py::arg("prompt"), py::arg("options"));
  define_session_maker(model);
}

}  // namespace pensee_python
