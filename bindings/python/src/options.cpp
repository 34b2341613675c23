// _pensee.ModelOptions, Options, Sampling and Prompt: the structs that pensee.h takes, field by field under its names.
// Numbers go straight into the C struct; whether they are in range, the Python side and the library check.
#include "support.h"

namespace pensee_python {

namespace {

void define_model_options(py::module_& module) {
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
      .def_readwrite("log", &ModelOptions::log)
      .def_readwrite("value_cache_type", &ModelOptions::value_cache_type)
      .def_readwrite("mtp", &ModelOptions::mtp)
      .def_readwrite("prefix_cache_bytes", &ModelOptions::prefix_cache_bytes)
      .def_readwrite("max_concurrent", &ModelOptions::max_concurrent)
      .def_readwrite("max_waiting", &ModelOptions::max_waiting)
      .def_readwrite("keep_file", &ModelOptions::keep_file)
      .def_readwrite("thread_priority", &ModelOptions::thread_priority)
      .def_readwrite("low_memory", &ModelOptions::low_memory)
      .def_readwrite("packed_file", &ModelOptions::packed_file)
      .def_readwrite("tuning_file", &ModelOptions::tuning_file);
}

void define_sampling(py::module_& module) {
  py::class_<Sampling>(module, "Sampling")
      .def(py::init<>())
      .def_readwrite("temperature", &Sampling::temperature)
      .def_readwrite("top_p", &Sampling::top_p)
      .def_readwrite("min_p", &Sampling::min_p)
      .def_readwrite("top_k", &Sampling::top_k)
      .def_readwrite("typical_p", &Sampling::typical_p)
      .def_readwrite("top_n_sigma", &Sampling::top_n_sigma)
      .def_readwrite("xtc_probability", &Sampling::xtc_probability)
      .def_readwrite("xtc_threshold", &Sampling::xtc_threshold)
      .def_readwrite("repetition_penalty", &Sampling::repetition_penalty)
      .def_readwrite("frequency_penalty", &Sampling::frequency_penalty)
      .def_readwrite("presence_penalty", &Sampling::presence_penalty)
      .def_readwrite("penalty_last_n", &Sampling::penalty_last_n)
      .def_readwrite("dry_multiplier", &Sampling::dry_multiplier)
      .def_readwrite("dry_base", &Sampling::dry_base)
      .def_readwrite("dry_allowed_length", &Sampling::dry_allowed_length)
      .def_readwrite("dry_last_n", &Sampling::dry_last_n)
      .def_readwrite("dry_breakers", &Sampling::dry_breakers)
      .def_readwrite("mirostat", &Sampling::mirostat)
      .def_readwrite("mirostat_tau", &Sampling::mirostat_tau)
      .def_readwrite("mirostat_eta", &Sampling::mirostat_eta)
      .def_readwrite("logit_bias", &Sampling::logit_bias)
      .def_readwrite("order", &Sampling::order);
}

void define_generate_options(py::module_& module) {
  py::class_<Options>(module, "Options")
      .def(py::init<>())
      .def_readwrite("max_tokens", &Options::max_tokens)
      .def_readwrite("think_budget", &Options::think_budget)
      .def_readwrite("temperature", &Options::temperature)
      .def_readwrite("top_p", &Options::top_p)
      .def_readwrite("min_p", &Options::min_p)
      .def_readwrite("top_k", &Options::top_k)
      .def_readwrite("seed", &Options::seed)
      .def_readwrite("stop", &Options::stop)
      .def_readwrite("ignore_eos", &Options::ignore_eos)
      .def_readwrite("top_logprobs", &Options::top_logprobs)
      .def_readwrite("effort", &Options::effort)
      .def_readwrite("n", &Options::n)
      .def_readwrite("priority", &Options::priority)
      .def_readwrite("answer_budget", &Options::answer_budget)
      .def_readwrite("min_thought", &Options::min_thought)
      .def_readwrite("open_thought", &Options::open_thought)
      .def_readwrite("thought_prefix", &Options::thought_prefix)
      .def_readwrite("answer_prefix", &Options::answer_prefix)
      .def_readwrite("budget_text", &Options::budget_text)
      .def_readwrite("loop_guard", &Options::loop_guard)
      .def_readwrite("loop_ngram", &Options::loop_ngram)
      .def_readwrite("loop_repeats", &Options::loop_repeats)
      .def_readwrite("loop_window", &Options::loop_window)
      .def_readwrite("sampling", &Options::sampling)
      .def_readwrite("answer_sampling", &Options::answer_sampling)
      .def_readwrite("json_schema", &Options::json_schema)
      .def_readwrite("regex", &Options::regex)
      .def_readwrite("grammar", &Options::grammar)
      .def_readwrite("tool_choice", &Options::tool_choice)
      .def_readwrite("speculation", &Options::speculation)
      .def_readwrite("draft_max", &Options::draft_max)
      .def_property(
          "draft_model", [](const Options& options) { return Model{options.draft_model}; },
          [](Options& options, const Model* model) { options.draft_model = model ? model->get() : nullptr; })
      .def_readwrite("trace_experts", &Options::trace_experts);
}

}  // namespace

void define_options(py::module_& module) {
  define_model_options(module);
  define_sampling(module);
  define_generate_options(module);
  py::class_<Prompt>(module, "Prompt")
      .def(py::init<>())
      .def_readwrite("text", &Prompt::text)
      .def_readwrite("system", &Prompt::system)
      .def_readwrite("messages_json", &Prompt::messages_json)
      .def_readwrite("tools_json", &Prompt::tools_json)
      .def_readwrite("ids", &Prompt::ids);
}

}  // namespace pensee_python
