/* P7: nothing is removed or renumbered. The numbers stand here a second time, written down when each release was
 * made; a change of the header that would break a program compiled before fails here. Add lines, never change one. */
#include <stddef.h>

#include "abi.h"

static void version(void) {
  CHECK(pensee_version() == PENSEE_VERSION);
  CHECK(strcmp(pensee_version_text(), "0.2.0") == 0);
}

static void numbers(void) {
  CHECK(PENSEE_OK == 0 && PENSEE_BAD_ARGUMENT == 10);
  CHECK(PENSEE_FILE_NOT_FOUND == 20 && PENSEE_FILE_CORRUPT == 21 && PENSEE_FILE_IO == 22);
  CHECK(PENSEE_OUT_OF_MEMORY == 30 && PENSEE_UNSUPPORTED == 40);
  CHECK(PENSEE_BUSY == 50 && PENSEE_CONTEXT_FULL == 51 && PENSEE_NO_MORE_EVENTS == 52);
  CHECK(PENSEE_CANCELLED == 60 && PENSEE_STOPPED_BY_CALLBACK == 61 && PENSEE_TIMEOUT == 62 && PENSEE_INTERNAL == 90);
  CHECK(PENSEE_BACKEND_AUTO == 0 && PENSEE_BACKEND_NATIVE == 1 && PENSEE_BACKEND_ONEDNN == 2 &&
        PENSEE_BACKEND_BLAS == 3);
  CHECK(PENSEE_ACTIVATIONS_AUTO == 0 && PENSEE_ACTIVATIONS_INT16 == 1 && PENSEE_ACTIVATIONS_INT8 == 2);
  CHECK(PENSEE_CACHE_AUTO == 0 && PENSEE_CACHE_F32 == 1 && PENSEE_CACHE_F16 == 2 && PENSEE_CACHE_BF16 == 3);
  CHECK(PENSEE_LOG_DEBUG == 0 && PENSEE_LOG_INFO == 1 && PENSEE_LOG_WARNING == 2);
  CHECK(PENSEE_ADD_SPECIAL == 1 && PENSEE_PLAIN_TEXT == 2 && PENSEE_SKIP_SPECIAL == 4);
  CHECK(PENSEE_EFFORT_DEFAULT == 0 && PENSEE_EFFORT_NONE == 1 && PENSEE_EFFORT_MINIMAL == 2 && PENSEE_EFFORT_LOW == 3);
  CHECK(PENSEE_EFFORT_MEDIUM == 4 && PENSEE_EFFORT_HIGH == 5 && PENSEE_EFFORT_XHIGH == 6 && PENSEE_EFFORT_MAX == 7);
  CHECK(PENSEE_EVENT_THOUGHT == 1 && PENSEE_EVENT_ANSWER == 2 && PENSEE_EVENT_TOOL_CALL == 3 && PENSEE_EVENT_END == 4);
  CHECK(PENSEE_FINISH_NONE == 0 && PENSEE_FINISH_STOP == 1 && PENSEE_FINISH_LENGTH == 2 && PENSEE_FINISH_BUDGET == 3);
  CHECK(PENSEE_FINISH_LOOP == 4 && PENSEE_FINISH_CANCELLED == 5 && PENSEE_FINISH_TOOL_CALL == 6 &&
        PENSEE_FINISH_ERROR == 7);
  /* 0.2.0 */
  CHECK(PENSEE_CACHE_INT8 == 4 && PENSEE_CACHE_INT4 == 5);
  CHECK(PENSEE_DTYPE_F32 == 1 && PENSEE_DTYPE_F16 == 2 && PENSEE_DTYPE_BF16 == 3);
  CHECK(PENSEE_SAMPLER_PENALTIES == 1 && PENSEE_SAMPLER_DRY == 2 && PENSEE_SAMPLER_TEMPERATURE == 3);
  CHECK(PENSEE_SAMPLER_TOP_N_SIGMA == 4 && PENSEE_SAMPLER_TOP_K == 5 && PENSEE_SAMPLER_TOP_P == 6);
  CHECK(PENSEE_SAMPLER_MIN_P == 7 && PENSEE_SAMPLER_TYPICAL == 8 && PENSEE_SAMPLER_XTC == 9);
  CHECK(PENSEE_SPECULATION_AUTO == 0 && PENSEE_SPECULATION_OFF == 1 && PENSEE_SPECULATION_NGRAM == 2);
  CHECK(PENSEE_SPECULATION_MTP == 3 && PENSEE_SPECULATION_DRAFT == 4);
  CHECK(PENSEE_LOOP_GUARD_ON == 0 && PENSEE_LOOP_GUARD_OFF == 1);
  CHECK(PENSEE_TOOLS_AUTO == 0 && PENSEE_TOOLS_STRICT == 1 && PENSEE_TOOLS_REQUIRED == 2 && PENSEE_TOOLS_NONE == 3);
  CHECK(PENSEE_THREAD_PRIORITY_NORMAL == 0 && PENSEE_THREAD_PRIORITY_LOW == 1);
  CHECK(PENSEE_THREAD_PRIORITY_BACKGROUND == 2 && PENSEE_TRIM_CACHES == 0 && PENSEE_TRIM_SESSIONS == 1);
  CHECK(PENSEE_IN_THOUGHT == 1 && PENSEE_VOTE_PLAIN == 0 && PENSEE_VOTE_CONFIDENCE == 1);
}

#define AT(type, field, offset) CHECK(offsetof(type, field) == (offset))

/* Where size_t and pointers have eight bytes. */
static void offsets(void) {
  if (sizeof(size_t) != 8 || sizeof(void*) != 8) return;
  CHECK(sizeof(pensee_status) == 4);
  AT(pensee_error, status, 8);
  AT(pensee_error, message, 12);
  AT(pensee_model_options, threads, 8);
  AT(pensee_model_options, context_max, 24);
  AT(pensee_model_options, memory_budget, 32);
  AT(pensee_model_options, skip_weights, 40);
  AT(pensee_model_options, isa, 48);
  AT(pensee_model_options, progress, 56);
  AT(pensee_model_options, log_user, 80);
  AT(pensee_model_info, architecture, 8);
  AT(pensee_model_info, isa, 40);
  AT(pensee_model_info, parameters_total, 48);
  AT(pensee_model_info, cache_bytes_per_token, 120);
  AT(pensee_model_info, load_seconds, 152);
  AT(pensee_model_info, eos_token_id, 176);
  AT(pensee_prompt, text, 8);
  AT(pensee_prompt, num_ids, 48);
  AT(pensee_options, max_tokens, 8);
  AT(pensee_options, temperature, 24);
  AT(pensee_options, seed, 40);
  AT(pensee_options, stop, 48);
  AT(pensee_options, effort, 72);
  AT(pensee_usage, prompt_tokens, 8);
  AT(pensee_usage, seconds_to_first_token, 40);
  AT(pensee_usage, seed, 96);
  AT(pensee_alternative, logprob, 4);
  CHECK(sizeof(pensee_alternative) == 8); /* elements of an array: this one cannot grow */
  AT(pensee_event, kind, 8);
  AT(pensee_event, text, 16);
  AT(pensee_event, token_id, 32);
  AT(pensee_event, position, 40);
  AT(pensee_event, alternatives, 48);
  AT(pensee_event, tool_call_id, 64);
  AT(pensee_event, usage, 88);
  /* 0.2.0 */
  AT(pensee_model_options, value_cache_type, 88);
  AT(pensee_model_options, prefix_cache_bytes, 96);
  AT(pensee_model_options, keep_file, 112);
  AT(pensee_model_options, reserved, 116);
  AT(pensee_model_options, low_memory, 120);
  AT(pensee_model_options, low_memory_user, 128);
  AT(pensee_model_options, thread_priority, 136);
  AT(pensee_model_options, packed_file, 140);
  AT(pensee_model_options, tuning_file, 144);
  AT(pensee_memory, budget, 8);
  AT(pensee_memory, scratch, 40);
  AT(pensee_memory, mapped, 48);
  AT(pensee_model_info, num_moe_layers, 184);
  AT(pensee_options, n, 80);
  AT(pensee_options, answer_budget, 88);
  AT(pensee_options, thought_prefix, 112);
  AT(pensee_options, trace_experts, 216);
  AT(pensee_usage, passes, 120);
  AT(pensee_event, sample, 96);
  AT(pensee_event, num_experts, 120);
  CHECK(sizeof(pensee_tensor) == 32 && sizeof(pensee_logit_bias) == 8 && sizeof(pensee_tool_call) == 24);
  CHECK(sizeof(pensee_vote_answer) == 24);
}

static void defaults(void) {
  const pensee_model_options m = PENSEE_MODEL_OPTIONS_INIT;
  const pensee_options o = PENSEE_OPTIONS_INIT;
  const pensee_event e = PENSEE_EVENT_INIT;
  const pensee_model_info i = PENSEE_MODEL_INFO_INIT;
  CHECK(m.struct_size == sizeof m && m.threads == 0 && m.exact == 1 && m.isa == NULL && m.log_user == NULL);
  CHECK(o.struct_size == sizeof o && o.max_tokens == 0 && o.think_budget == -1 && o.temperature == -1.0f);
  CHECK(o.top_p == -1.0f && o.min_p == 0.0f && o.top_k == -1 && o.seed == 0 && o.effort == PENSEE_EFFORT_DEFAULT);
  CHECK(e.struct_size == sizeof e && e.token_id == -1 && e.usage == NULL);
  const pensee_sampling s = PENSEE_SAMPLING_INIT;
  const pensee_vote_options v = PENSEE_VOTE_OPTIONS_INIT;
  CHECK(m.value_cache_type == 0 && m.mtp == 0 && m.prefix_cache_bytes == 0 && m.keep_file == 0);
  CHECK(o.n == 0 && o.thought_prefix == NULL && o.loop_window == 0 && o.draft_model == NULL && o.trace_experts == 0);
  CHECK(s.struct_size == sizeof s && s.temperature == -1.0f && s.top_k == -1 && s.typical_p == 0.0f && !s.order);
  const pensee_memory b = PENSEE_MEMORY_INIT;
  CHECK(m.thread_priority == 0 && m.low_memory == NULL && m.low_memory_user == NULL);
  CHECK(m.packed_file == PENSEE_PACKED_MAP && m.tuning_file == NULL);
  CHECK(b.struct_size == sizeof b && b.used == 0 && b.scratch == 0 && b.mapped == 0);
  CHECK(v.struct_size == sizeof v && v.n == 0 && v.at_once == 0);
  CHECK(i.struct_size == sizeof i && i.bos_token_id == -1 && i.eos_token_id == -1);
}

const abi_case abi_growth[] = {{"library and header are of one version", version},
                               {"every number is what it was", numbers},
                               {"every field is where it was", offsets},
                               {"the INIT macros set what their comments say", defaults},
                               {NULL, NULL}};
