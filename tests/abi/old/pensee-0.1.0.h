/* pensee.h: reasoning models on the CPU, for C99 and whatever can call C.       SPDX-License-Identifier: Apache-2.0
 * This file is the contract: a name that is not here may change; a sentence marked [P..] is tested by tests/abi/.
 *
 *   pensee_error err = PENSEE_ERROR_INIT;
 *   pensee_model *model = NULL;
 *   pensee_reply *reply = NULL;
 *   if (pensee_model_open("r1-distill-qwen-1.5b.gguf", NULL, &model, &err) == PENSEE_OK &&
 *       pensee_ask(model, "Is 221 prime?", NULL, &reply, &err) == PENSEE_OK)
 *     printf("%s\n-> %s\n", pensee_reply_thought(reply), pensee_reply_answer(reply));
 *   else
 *     fprintf(stderr, "%s\n", err.message);
 *   pensee_reply_free(reply);
 *   pensee_model_free(model);
 *
 * Said once, true of every function:
 *   order     handle, inputs with their lengths, options, callback with its user, outputs, error. Options and error
 *             may be NULL.
 *   errors    [P1] A failing call leaves its outputs alone; err->message says what, where and what to try.
 *             [P2] No input, file or failed allocation ends the process or lets an exception out.
 *   threads   [P3] A const handle: any number of threads at once. Another handle: one thread at a time. The *_cancel
 *             and *_end_thought functions: any thread, any time while the handle lives.
 *   lifetime  [P4] What an output gives you, its _free takes back; _free(NULL) is fine; the order of frees does not
 *             matter: a session keeps its model alive, a stream its session. Strings from a getter live as long as
 *             their handle; strings of an event live until the next call on the stream.
 *   text      UTF-8; NUL-terminated unless a length stands beside it. [P5] No event ends inside a code point.
 *   structs   Begin with struct_size; start from the PENSEE_..._INIT macro. The library copies what both sides know.
 *             [P6] A longer struct whose unknown tail is not all zero is PENSEE_UNSUPPORTED, never ignored.
 *   growth    [P7] Within version 1 nothing is removed or renumbered; structs grow at the end, zero means "as before".
 *   fork      A model's threads do not survive fork(): open it in the process that uses it.
 *   silence   [P8] The library prints nothing, sends nothing, reads no environment variable, installs no handler.
 *   not promised: the same text from two releases or two backends; the size of any struct here. Until 1.0 names may
 *   still change; CHANGELOG.md says which did.
 * Contents: 1 version  2 status  3 model  4 text and tokens  5 scoring  6 prompts and options  7 events
 *           8 session and stream  9 one call */
#ifndef PENSEE_H
#define PENSEE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define PENSEE_API
#else
#define PENSEE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1 version ------------------------------------------------------------------------------------------------- */

#define PENSEE_VERSION 100 /* major * 10000 + minor * 100 + patch: of this header */
#define PENSEE_VERSION_TEXT "0.1.0"

/* Version of the library that is loaded, to compare with PENSEE_VERSION. */
PENSEE_API uint32_t pensee_version(void);
/* The same as text, "0.1.0"; static. */
PENSEE_API const char *pensee_version_text(void);

/* ---- 2 status -------------------------------------------------------------------------------------------------- */

/* Fixed width, whatever -fshort-enums says. Tens tell the kind: 1x argument, 2x file, 3x memory, 4x unsupported,
 * 5x state, 6x cancelled, 9x a bug of ours. */
typedef int32_t pensee_status;
enum {
  PENSEE_OK = 0,
  PENSEE_BAD_ARGUMENT = 10,        /* NULL, out of range, invalid UTF-8, a token id that is none */
  PENSEE_FILE_NOT_FOUND = 20,
  PENSEE_FILE_CORRUPT = 21,        /* truncated, lying header, wrong shapes */
  PENSEE_FILE_IO = 22,             /* the system refused to read */
  PENSEE_OUT_OF_MEMORY = 30,       /* an allocation failed, or memory_budget forbids it */
  PENSEE_UNSUPPORTED = 40,         /* a valid wish that this build or release cannot fulfil */
  PENSEE_BUSY = 50,                /* the session already streams */
  PENSEE_CONTEXT_FULL = 51,        /* the prompt is longer than the context */
  PENSEE_NO_MORE_EVENTS = 52,      /* the END event was already delivered */
  PENSEE_CANCELLED = 60,
  PENSEE_STOPPED_BY_CALLBACK = 61,
  PENSEE_TIMEOUT = 62,             /* no event came in time; the stream goes on */
  PENSEE_INTERNAL = 90             /* please report it */
};
/* The name of a status, "PENSEE_FILE_CORRUPT", or "PENSEE_UNKNOWN"; static. */
PENSEE_API const char *pensee_status_name(pensee_status status);
/* Its meaning and a remedy in one sentence; static. */
PENSEE_API const char *pensee_status_text(pensee_status status);

/* Yours: on the stack, reused freely, nothing to free. Works when malloc fails. */
typedef struct pensee_error {
  size_t struct_size;    /* PENSEE_ERROR_INIT sets it */
  pensee_status status;  /* what the call returned */
  char message[512];     /* UTF-8, cut at a code point, always terminated; "" after success is not promised */
} pensee_error;
#define PENSEE_ERROR_INIT {sizeof(pensee_error), PENSEE_OK, {0}}

/* ---- 3 model --------------------------------------------------------------------------------------------------- */

typedef struct pensee_model pensee_model; /* weights, tokenizer, chat template; reference-counted inside */

enum { /* backend */
  PENSEE_BACKEND_AUTO = 0,   /* native: identical tokens are promised by the native kernels alone */
  PENSEE_BACKEND_NATIVE = 1, /* own SIMD kernels */
  PENSEE_BACKEND_ONEDNN = 2, /* oneDNN: close to native, not identical; PENSEE_UNSUPPORTED where not built in */
  PENSEE_BACKEND_BLAS = 3    /* OpenBLAS in float32: likewise */
};
enum { /* activations: how the native backend meets quantised weights */
  PENSEE_ACTIVATIONS_AUTO = 0,  /* INT16 */
  PENSEE_ACTIVATIONS_INT16 = 1, /* 16-bit groups of 32: as good as float32 */
  PENSEE_ACTIVATIONS_INT8 = 2   /* 8-bit groups of 32, as most engines do: faster prompts, coarser, may flip experts */
};
enum { /* cache_type: how keys, values and latents are kept */
  PENSEE_CACHE_AUTO = 0, /* F32 */
  PENSEE_CACHE_F32 = 1,
  PENSEE_CACHE_F16 = 2,
  PENSEE_CACHE_BF16 = 3
};
enum { PENSEE_LOG_DEBUG = 0, PENSEE_LOG_INFO = 1, PENSEE_LOG_WARNING = 2 };

typedef struct pensee_model_options {
  size_t struct_size;
  int32_t threads;        /* 1..1024; 0: the CPUs that this process may use. INIT: 0 */
  int32_t backend;        /* PENSEE_BACKEND_*. INIT: AUTO */
  int32_t activations;    /* PENSEE_ACTIVATIONS_*. INIT: AUTO */
  int32_t cache_type;     /* PENSEE_CACHE_*. INIT: AUTO */
  int64_t context_max;    /* positions a session may hold; 0: the model's own limit. INIT: 0 */
  uint64_t memory_budget; /* bytes for weights, caches and scratch together; beyond it loading and prompts fail with
                             PENSEE_OUT_OF_MEMORY. 0: no limit. INIT: 0 */
  int32_t skip_weights;   /* non-zero: read headers, tokenizer and template only: enough to inspect and tokenize, in
                             milliseconds; whatever computes is PENSEE_UNSUPPORTED. INIT: 0 */
  int32_t exact;          /* 0: allow what rounds in its own way (today: nothing more). INIT: 1 */
  const char *isa;        /* "scalar", "avx2", "avx512", "neon", "neon_dotprod"; NULL: this CPU's best. INIT: NULL */
  /* Called on the loading thread with 0..1, at least once at each end; non-zero cancels: PENSEE_CANCELLED. */
  int (*progress)(void *user, float fraction);
  void *progress_user;
  /* Called on whatever thread has something to say, for as long as the model lives; must not call the library. */
  void (*log)(void *user, int32_t level, const char *text);
  void *log_user;
} pensee_model_options;
#define PENSEE_MODEL_OPTIONS_INIT {sizeof(pensee_model_options), 0, 0, 0, 0, 0, 0, 0, 1, NULL, NULL, NULL, NULL, NULL}

/* Opens a GGUF file (of a split one the first part), a .safetensors file with its config.json beside it, or a Hugging
 * Face folder. path NULL: the default model (PENSEE_UNSUPPORTED while none is built in). */
PENSEE_API pensee_status pensee_model_open(const char *path, const pensee_model_options *options, pensee_model **model,
                                           pensee_error *error);
/* A GGUF inside an open file, from byte `offset` over `length` bytes (0: to the end): an asset inside an APK. The
 * descriptor is duplicated; close yours when you like. */
PENSEE_API pensee_status pensee_model_open_fd(int fd, uint64_t offset, uint64_t length,
                                              const pensee_model_options *options, pensee_model **model,
                                              pensee_error *error);
/* A GGUF in memory. The bytes are read during the call only. */
PENSEE_API pensee_status pensee_model_open_memory(const void *data, size_t size, const pensee_model_options *options,
                                                  pensee_model **model, pensee_error *error);
PENSEE_API void pensee_model_free(pensee_model *model);

typedef struct pensee_model_info {
  size_t struct_size;
  /* Strings live as long as the model. */
  const char *architecture;        /* "deepseek_v3", "qwen2": Hugging Face's model_type */
  const char *name;                /* as the file calls itself, or "" */
  const char *quantization;        /* stored types by share of parameters, "Q4_1 97%, F32 3%" */
  const char *backend;             /* "native", "onednn", "blas" */
  const char *isa;                 /* "avx2" */
  int64_t parameters_total;
  int64_t parameters_active;       /* that one token meets: chosen and shared experts, the embedding row not counted */
  int64_t num_hidden_layers;
  int64_t hidden_size;
  int64_t vocab_size;              /* columns of the logits */
  int64_t context_max;             /* positions */
  int64_t n_routed_experts;        /* 0: dense */
  int64_t num_experts_per_tok;
  int64_t n_shared_experts;
  int64_t cache_bytes_per_token;   /* all layers */
  uint64_t weight_bytes;           /* of the packed weights in memory; with skip_weights: as stored in the file */
  uint64_t active_weight_bytes;    /* read to decode one token */
  uint64_t memory_bytes;           /* needed for weights and one session of 4096 positions (or context_max if less) */
  double load_seconds;
  int32_t threads;
  int32_t has_chat_template;       /* 0 or 1 */
  int32_t thinks;                  /* 1: the model marks its thought and the library splits it from the answer */
  int32_t bos_token_id;            /* -1: none */
  int32_t eos_token_id;            /* the first of them; -1: none */
} pensee_model_info;
#define PENSEE_MODEL_INFO_INIT {sizeof(pensee_model_info), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
                                0, 0, 0, 0.0, 0, 0, 0, -1, -1}
PENSEE_API pensee_status pensee_model_get_info(const pensee_model *model, pensee_model_info *info,
                                               pensee_error *error);

/* ---- 4 text and tokens ----------------------------------------------------------------------------------------- */

enum { /* flags of pensee_tokenize and pensee_detokenize, or-ed */
  PENSEE_ADD_SPECIAL = 1,    /* tokenize: what the model puts around a text (BOS). Default: off */
  PENSEE_PLAIN_TEXT = 2,     /* tokenize: "<|im_end|>" in the text stays text. Default: it becomes the special token */
  PENSEE_SKIP_SPECIAL = 4    /* detokenize: leave special tokens out. Default: they are written */
};
/* text: `length` bytes of UTF-8. Writes at most `capacity` ids and always *count, the number that the text has: call
 * with capacity 0 (ids may be NULL) to learn it. Invalid UTF-8 is PENSEE_BAD_ARGUMENT naming the byte. */
PENSEE_API pensee_status pensee_tokenize(const pensee_model *model, const char *text, size_t length, uint32_t flags,
                                         int32_t *ids, size_t capacity, size_t *count, pensee_error *error);
/* Writes at most `capacity` bytes (no terminator) and always *length, the number that the ids have. The bytes are
 * those of the tokens: a list cut inside a character gives a part of it. */
PENSEE_API pensee_status pensee_detokenize(const pensee_model *model, const int32_t *ids, size_t count, uint32_t flags,
                                           char *text, size_t capacity, size_t *length, pensee_error *error);

/* ---- 5 scoring ------------------------------------------------------------------------------------------------- */

/* Teacher-forced logits: row i, of vocab_size floats, is the model's prediction after ids[0..i]. logits has room for
 * count * vocab_size floats. No BOS is added. Safe from many threads at once; they take turns. */
PENSEE_API pensee_status pensee_logits(const pensee_model *model, const int32_t *ids, size_t count, float *logits,
                                       pensee_error *error);
/* Log-probabilities of the given tokens alone: logprobs[i] is that of ids[i] after ids[0..i-1]; logprobs[0] is 0. The
 * logits of all positions never lie in memory together. */
PENSEE_API pensee_status pensee_logprobs(const pensee_model *model, const int32_t *ids, size_t count, float *logprobs,
                                         pensee_error *error);

/* ---- 6 prompts and options ------------------------------------------------------------------------------------- */

/* What to continue. Exactly one of text, messages_json and ids. */
typedef struct pensee_prompt {
  size_t struct_size;
  const char *text;          /* one question of a user, put through the chat template; as it stands where the model
                                has no template */
  const char *system;        /* system message before `text`; NULL: none */
  const char *messages_json; /* the whole conversation: a JSON array of OpenAI-shaped messages
                                ([{"role": "user", "content": "..."}, ...]; "reasoning_content" holds a thought) */
  const char *tools_json;    /* JSON array of OpenAI-shaped tools, given to the template; NULL: none */
  const int32_t *ids;        /* token ids, raw: no template, no BOS */
  size_t num_ids;
} pensee_prompt;
#define PENSEE_PROMPT_INIT {sizeof(pensee_prompt), NULL, NULL, NULL, NULL, NULL, 0}

enum { /* effort: handed to the template of a family that knows it */
  PENSEE_EFFORT_DEFAULT = 0,
  PENSEE_EFFORT_NONE = 1, /* no thought, where the family can leave it out */
  PENSEE_EFFORT_MINIMAL = 2,
  PENSEE_EFFORT_LOW = 3,
  PENSEE_EFFORT_MEDIUM = 4,
  PENSEE_EFFORT_HIGH = 5,
  PENSEE_EFFORT_XHIGH = 6,
  PENSEE_EFFORT_MAX = 7
};

typedef struct pensee_options {
  size_t struct_size;
  int64_t max_tokens;      /* thought and answer together; 0: until the context is full. INIT: 0 */
  int64_t think_budget;    /* tokens of thought; at the limit the thought is closed and the answer follows. 0: the
                              thought is closed at once; -1: no limit. INIT: -1 */
  float temperature;       /* 0: greedy; -1: what the model's generation_config.json recommends, else 0.6. INIT: -1 */
  float top_p;             /* (0, 1], 1: off; -1: as recommended, else 0.95. INIT: -1 */
  float min_p;             /* [0, 1], 0: off. INIT: 0 */
  int32_t top_k;           /* 0: off; -1: as recommended, else off. INIT: -1 */
  uint64_t seed;           /* same seed, same text; 0: a new one each time (usage.seed tells it). INIT: 0 */
  const char *const *stop; /* num_stop strings; the answer ends before the first that appears. INIT: NULL, 0 */
  size_t num_stop;
  int32_t ignore_eos;      /* non-zero: go on past end-of-text tokens, for measuring. INIT: 0 */
  int32_t top_logprobs;    /* alternatives reported with each token, 0..20. INIT: 0 */
  int32_t effort;          /* PENSEE_EFFORT_*. INIT: DEFAULT */
} pensee_options;
#define PENSEE_OPTIONS_INIT {sizeof(pensee_options), 0, -1, -1.0f, -1.0f, 0.0f, -1, 0, NULL, 0, 0, 0, 0}

/* The prompt as the model will read it: `capacity` and *length as in pensee_detokenize. */
PENSEE_API pensee_status pensee_render_prompt(const pensee_model *model, const pensee_prompt *prompt,
                                              const pensee_options *options, char *text, size_t capacity,
                                              size_t *length, pensee_error *error);

/* ---- 7 events -------------------------------------------------------------------------------------------------- */

enum { /* kind */
  PENSEE_EVENT_THOUGHT = 1,
  PENSEE_EVENT_ANSWER = 2,
  PENSEE_EVENT_TOOL_CALL = 3, /* not yet sent by this release; its fields are here to stay */
  PENSEE_EVENT_END = 4
};
enum { /* finish_reason */
  PENSEE_FINISH_NONE = 0,
  PENSEE_FINISH_STOP = 1,      /* end of text, or a stop string */
  PENSEE_FINISH_LENGTH = 2,    /* max_tokens, or the context is full */
  PENSEE_FINISH_BUDGET = 3,    /* as STOP, after think_budget had closed the thought */
  PENSEE_FINISH_LOOP = 4,      /* reserved: a thought that went in circles was closed */
  PENSEE_FINISH_CANCELLED = 5,
  PENSEE_FINISH_TOOL_CALL = 6,
  PENSEE_FINISH_ERROR = 7      /* pensee_stream_next's status and message tell */
};

typedef struct pensee_usage {
  size_t struct_size;
  int64_t prompt_tokens;
  int64_t cached_tokens;         /* of the prompt: not computed again */
  int64_t thought_tokens;        /* tags included */
  int64_t answer_tokens;
  double seconds_to_first_token; /* from the call */
  double seconds;                /* from the call to the end */
  double prompt_tokens_per_second;
  double tokens_per_second;      /* of the tokens after the first */
  int64_t parameters_active;     /* a token */
  double flops;                  /* two for each weight that a computed token meets; attention not counted */
  double weight_bytes_read;      /* of packed weights, by all tokens decoded and once for each chunk of the prompt */
  uint64_t seed;
} pensee_usage;

typedef struct pensee_alternative {
  int32_t token_id;
  float logprob; /* natural logarithm, at temperature 1, before top-k and the like */
} pensee_alternative;

/* Each generated token is the token_id of exactly one event, sent as soon as it is known; its text may be empty (a tag,
 * a part of a character, the possible begin of a tag or stop string) and come with a later event. Events with token_id
 * -1 bring text alone: the other side of a tag that stood inside one token, and at the end what was still held back
 * (half a character comes out as U+FFFD). */
typedef struct pensee_event {
  size_t struct_size;
  int32_t kind;            /* PENSEE_EVENT_* */
  int32_t finish_reason;   /* END: PENSEE_FINISH_* */
  const char *text;        /* THOUGHT, ANSWER: terminated; may be "" */
  size_t text_length;      /* bytes */
  int32_t token_id;        /* -1: none */
  float logprob;           /* of token_id; 0 where token_id is -1 */
  int64_t position;        /* of the token in the context */
  const pensee_alternative *alternatives; /* top_logprobs of them, best first */
  size_t num_alternatives;
  const char *tool_call_id;        /* TOOL_CALL */
  const char *tool_name;
  const char *tool_arguments_json;
  const pensee_usage *usage;       /* END */
} pensee_event;
#define PENSEE_EVENT_INIT {sizeof(pensee_event), 0, 0, NULL, 0, -1, 0.0f, 0, NULL, 0, NULL, NULL, NULL, NULL}

/* ---- 8 session and stream -------------------------------------------------------------------------------------- */

/* A session remembers what was computed. Hand it the whole conversation each time: it computes only what is new after
 * the longest common prefix (usage.cached_tokens). */
typedef struct pensee_session pensee_session;
PENSEE_API pensee_status pensee_session_new(const pensee_model *model, pensee_session **session, pensee_error *error);
PENSEE_API void pensee_session_free(pensee_session *session);
/* Stops what the session generates, within one token or one chunk of the prompt. Any thread. */
PENSEE_API void pensee_session_cancel(pensee_session *session);

/* Push: the callback receives each event on the calling thread and returns 0 to go on; anything else stops:
 * PENSEE_STOPPED_BY_CALLBACK. Cancelled: PENSEE_OK, the END event says so. The END event comes whenever generation
 * had begun. */
typedef int (*pensee_event_callback)(void *user, const pensee_event *event);
PENSEE_API pensee_status pensee_generate(pensee_session *session, const pensee_prompt *prompt,
                                         const pensee_options *options, pensee_event_callback callback, void *user,
                                         pensee_error *error);

/* Pull: the same events. Prompt and options are copied. A session streams once at a time: PENSEE_BUSY. */
typedef struct pensee_stream pensee_stream;
PENSEE_API pensee_status pensee_stream_open(pensee_session *session, const pensee_prompt *prompt,
                                            const pensee_options *options, pensee_stream **stream,
                                            pensee_error *error);
/* Waits for the next event at most timeout_ms milliseconds (-1: without end; 0: not at all). After END:
 * PENSEE_NO_MORE_EVENTS. An error inside the stream arrives as an END event with PENSEE_FINISH_ERROR, and its status
 * and message are what this call returns then: the one failure that fills its output. */
PENSEE_API pensee_status pensee_stream_next(pensee_stream *stream, int64_t timeout_ms, pensee_event *event,
                                            pensee_error *error);
/* Any thread. The END event follows. */
PENSEE_API void pensee_stream_cancel(pensee_stream *stream);
/* Closes the thought now, or as soon as one opens; the answer follows. Any thread. */
PENSEE_API void pensee_stream_end_thought(pensee_stream *stream);
/* Cancels what still runs. */
PENSEE_API void pensee_stream_free(pensee_stream *stream);

/* ---- 9 one call ------------------------------------------------------------------------------------------------ */

typedef struct pensee_reply pensee_reply;
/* Asks `question` in a session of its own and waits for the whole reply. */
PENSEE_API pensee_status pensee_ask(const pensee_model *model, const char *question, const pensee_options *options,
                                    pensee_reply **reply, pensee_error *error);
/* The same within a session and with any prompt. */
PENSEE_API pensee_status pensee_session_ask(pensee_session *session, const pensee_prompt *prompt,
                                            const pensee_options *options, pensee_reply **reply, pensee_error *error);
PENSEE_API const char *pensee_reply_thought(const pensee_reply *reply); /* "" when there was none */
PENSEE_API const char *pensee_reply_answer(const pensee_reply *reply);
PENSEE_API int32_t pensee_reply_finish_reason(const pensee_reply *reply);
PENSEE_API const int32_t *pensee_reply_token_ids(const pensee_reply *reply, size_t *count);
PENSEE_API const pensee_usage *pensee_reply_usage(const pensee_reply *reply);
PENSEE_API void pensee_reply_free(pensee_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
