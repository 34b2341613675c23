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
 *   silence   [P8] The library prints nothing, sends nothing, reads no environment variable, installs no handler, and
 *             writes no file but the one that pensee_session_save names.
 *   since     Names that came after 0.1.0 say so. A field after the last one of 0.1.0 came with 0.2.0.
 *   not promised: the same text from two releases or two backends; the size of any struct here. Until 1.0 names may
 *   still change; CHANGELOG.md says which did.
 * Contents: 1 version  2 status  3 model  4 text and tokens  5 scoring  6 prompts and options  7 events
 *           8 session and stream  9 one call  10 voting */
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

#define PENSEE_VERSION 200 /* major * 10000 + minor * 100 + patch: of this header */
#define PENSEE_VERSION_TEXT "0.2.0"

/* Version of the library that is loaded, to compare with PENSEE_VERSION. */
PENSEE_API uint32_t pensee_version(void);
/* The same as text, "0.2.0"; static. */
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
  PENSEE_BUSY = 50,                /* the session already streams; or max_waiting generations wait already */
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
  PENSEE_BACKEND_AUTO = 0,   /* native: identical tokens are promised by the native kernels alone. With exact off
                                and a tuning_file: for many rows (prompts, batches) what that says of the type of the
                                weights; those then lie in memory twice, as far as memory_budget allows */
  PENSEE_BACKEND_NATIVE = 1, /* own SIMD kernels */
  PENSEE_BACKEND_ONEDNN = 2, /* oneDNN: close to native, not identical; PENSEE_UNSUPPORTED where not built in */
  PENSEE_BACKEND_BLAS = 3    /* OpenBLAS in float32: likewise */
};
enum { /* activations: how the native backend meets quantised weights */
  PENSEE_ACTIVATIONS_AUTO = 0,  /* INT16; INT8 with exact off and backend AUTO */
  PENSEE_ACTIVATIONS_INT16 = 1, /* 16-bit groups of 32: as good as float32 */
  PENSEE_ACTIVATIONS_INT8 = 2   /* 8-bit groups of 32, as most engines do: faster prompts, coarser, may flip experts */
};
enum { /* cache_type: how keys, values and latents are kept */
  PENSEE_CACHE_AUTO = 0, /* F32 */
  PENSEE_CACHE_F32 = 1,
  PENSEE_CACHE_F16 = 2,
  PENSEE_CACHE_BF16 = 3,
  PENSEE_CACHE_INT8 = 4, /* 8 bits and a scale a row; since 0.2.0 */
  PENSEE_CACHE_INT4 = 5  /* 4-bit blocks, rotated: for values alone (value_cache_type); since 0.2.0 */
};
enum { /* thread_priority; since 0.2.0 */
  PENSEE_THREAD_PRIORITY_NORMAL = 0,    /* as the thread that starts them: the one that opens, or asks first */
  PENSEE_THREAD_PRIORITY_LOW = 1,       /* behind the application's other work: nice 10; Apple: QOS_CLASS_UTILITY */
  PENSEE_THREAD_PRIORITY_BACKGROUND = 2 /* when nobody else wants the CPU: nice 19; Apple: QOS_CLASS_BACKGROUND */
};
enum { /* packed_file: how a file of pensee_model_save_packed is used; since 0.2.0 */
  PENSEE_PACKED_MAP = 0,   /* its weights stay where they are, mapped: opening takes milliseconds, and all processes
                              share the memory. The one exception to [P2]: if somebody cuts the file short meanwhile,
                              the system ends the process (SIGBUS). Of the weights only the shapes are checked */
  PENSEE_PACKED_READ = 1,  /* read into memory of the process, checksums held */
  PENSEE_PACKED_VERIFY = 2 /* mapped, after all bytes were held against their checksums */
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
  int32_t exact;          /* 0: allow what is faster and rounds in its own way: see PENSEE_BACKEND_AUTO and
                             PENSEE_ACTIVATIONS_AUTO; and BF16 weights meet activations rounded to BF16,
                             where the CPU multiplies those. INIT: 1 */
  const char *isa;        /* "scalar", "avx2", "avx2_vnni", "avx512", "avx512_bf16", "neon", "neon_dotprod",
                             "neon_i8mm"; NULL: this CPU's best. INIT: NULL */
  /* Called on the loading thread with 0..1, at least once at each end; non-zero cancels: PENSEE_CANCELLED. */
  int (*progress)(void *user, float fraction);
  void *progress_user;
  /* Called on whatever thread has something to say, for as long as the model lives; must not call the library. */
  void (*log)(void *user, int32_t level, const char *text);
  void *log_user;
  int32_t value_cache_type;    /* PENSEE_CACHE_* of values, apart from keys; latent rows hold both and follow
                                  cache_type. 0: as cache_type. INIT: 0 */
  int32_t mtp;                 /* the layer of multi-token prediction, for speculation. 0: loaded where the file has
                                  it; -1: left out. INIT: 0 */
  int64_t prefix_cache_bytes;  /* kept of what sessions computed, so that any later prompt that begins alike need not
                                  compute it again; what was used least recently goes first. Counts within
                                  memory_budget and gives way to it. 0: 256 MiB; -1: none. INIT: 0 */
  int32_t max_concurrent;      /* generations that share the passes; later ones wait for their turn. 0: 64. INIT: 0 */
  int32_t max_waiting;         /* that may wait; one more is PENSEE_BUSY. 0: 1024. INIT: 0 */
  int32_t keep_file;           /* non-zero: the file stays open, so that pensee_model_set_weights may be given some
                                  tensors of a packed group and take its others from there; of a GGUF in memory
                                  PENSEE_UNSUPPORTED. INIT: 0 */
  int32_t reserved;            /* not read: padding before, so older callers have left anything there. INIT: 0 */
  /* Called when memory_budget or the system refuses `bytes` more although the prefix cache has given way, on whatever
   * thread needs them, before that call or generation fails with PENSEE_OUT_OF_MEMORY. May call pensee_model_trim, the
   * *_cancel functions and pensee_session_free, nothing else of the library. Non-zero: try once more. */
  int (*low_memory)(void *user, uint64_t bytes);
  void *low_memory_user;
  int32_t thread_priority;     /* PENSEE_THREAD_PRIORITY_*: of the threads that the library starts, never of yours.
                                  INIT: NORMAL */
  int32_t packed_file;         /* PENSEE_PACKED_*. INIT: MAP */
  const char *tuning_file;     /* written by pensee_model_tune, for backend AUTO with exact off; else not read. NULL:
                                  native alone, which nothing beat where it was measured. INIT: NULL */
} pensee_model_options;
#define PENSEE_MODEL_OPTIONS_INIT {sizeof(pensee_model_options), 0, 0, 0, 0, 0, 0, 0, 1, NULL, NULL, NULL, NULL, NULL, \
                                   0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, 0, NULL}

/* Opens a GGUF file (of a split one the first part), a .safetensors file with its config.json beside it, a Hugging
 * Face folder, or a file of pensee_model_save_packed. path NULL: the default model, pensee-mini.gguf beside the library
 * or in the share/pensee of the prefix that it is installed in (PENSEE_UNSUPPORTED if it is not there). */
PENSEE_API pensee_status pensee_model_open(const char *path, const pensee_model_options *options, pensee_model **model,
                                           pensee_error *error);
/* A GGUF or a packed file inside an open file, from byte `offset` over `length` bytes (0: to the end): an asset inside
 * an APK. The descriptor is duplicated; close yours when you like. */
PENSEE_API pensee_status pensee_model_open_fd(int fd, uint64_t offset, uint64_t length,
                                              const pensee_model_options *options, pensee_model **model,
                                              pensee_error *error);
/* The same in memory. The bytes are read during the call only. */
PENSEE_API pensee_status pensee_model_open_memory(const void *data, size_t size, const pensee_model_options *options,
                                                  pensee_model **model, pensee_error *error);
/* The memory goes when its last session and stream are gone too. */
PENSEE_API void pensee_model_free(pensee_model *model);

/* Saves the model as it lies in memory, weights that were replaced as well, with its config, tokenizer and template: a
 * file that stands alone, is opened by pensee_model_open in milliseconds (see PENSEE_PACKED_MAP) and gives the same
 * numbers, bit for bit. For the native backend, on any little-endian machine and ISA, of releases with the same version
 * of the layouts: with another one opening it is PENSEE_UNSUPPORTED, and it must be made anew from the original.
 * Written atomically (a new file beside `path`, renamed over it); readable as the umask has it. progress, which may be
 * NULL, is called on the calling thread with 0..1; non-zero cancels: PENSEE_CANCELLED. PENSEE_UNSUPPORTED of other
 * backends, and of a model that was opened from memory, or from a descriptor without keep_file; PENSEE_FILE_IO when the
 * files that it was opened from have changed. Since 0.2.0. */
PENSEE_API pensee_status pensee_model_save_packed(const pensee_model *model, const char *path,
                                                  int (*progress)(void *user, float fraction), void *user,
                                                  pensee_error *error);

/* Measures each backend that is built in on random weights of the model's shapes, for tuning_file: from how many rows
 * on another than native is faster, a row for each type of weights. Some seconds a shape, on all threads; keep the
 * machine idle meanwhile. JSON, written atomically; in any model of this machine the same types of weights may use it.
 * progress, which may be NULL, is called on the calling thread with 0..1; non-zero cancels: PENSEE_CANCELLED. Since
 * 0.2.0. */
PENSEE_API pensee_status pensee_model_tune(const pensee_model *model, const char *path,
                                           int (*progress)(void *user, float fraction), void *user,
                                           pensee_error *error);

typedef struct pensee_model_info {
  size_t struct_size;
  /* Strings live as long as the model. */
  const char *architecture;        /* "deepseek_v3", "qwen2": Hugging Face's model_type */
  const char *name;                /* as the file calls itself, or "" */
  const char *quantization;        /* stored types by share of parameters, "Q4_1 97%, F32 3%" */
  const char *backend;             /* "native", "onednn", "blas"; "native+onednn" where AUTO mixes them */
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
  uint64_t weight_bytes;           /* of packed weights, mapped ones too; with skip_weights: as stored in the file */
  uint64_t active_weight_bytes;    /* read to decode one token */
  uint64_t memory_bytes;           /* needed for weights and one session of 4096 positions (or context_max if less) */
  double load_seconds;
  int32_t threads;
  int32_t has_chat_template;       /* 0 or 1 */
  int32_t thinks;                  /* 1: the model marks its thought and the library splits it from the answer */
  int32_t bos_token_id;            /* -1: none */
  int32_t eos_token_id;            /* the first of them; -1: none */
  int32_t num_mtp_layers;          /* that are loaded */
  int64_t num_moe_layers;          /* layers with routed experts: rows of a routing */
  const char *tool_format;         /* how the model writes tool calls: "hermes", "deepseek_v3" ...; "": it knows no
                                      tools, and the library describes them in the system message */
} pensee_model_info;
#define PENSEE_MODEL_INFO_INIT {sizeof(pensee_model_info), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
                                0, 0, 0, 0.0, 0, 0, 0, -1, -1, 0, 0, NULL}
/* Fills *info as far as its struct_size reaches. */
PENSEE_API pensee_status pensee_model_get_info(const pensee_model *model, pensee_model_info *info,
                                               pensee_error *error);

/* For an application that shares the device: on a phone call them when the system says that the application goes into
 * the background or that memory is short. Any thread, any time while the handle lives; none waits for a pass; none
 * changes a bit of any text. Since 0.2.0, all that follows up to set_weights. */

/* Sessions compute nothing from the end of the pass that runs (a token each, or a chunk of a prompt) until resume.
 * Nothing is lost and no thread spins: streams wait, and their clocks (usage.seconds) run on. pensee_stream_next times
 * out as ever; cancelling, trimming and freeing work. What the caller's own thread computes (scoring) goes on. */
PENSEE_API void pensee_model_pause(const pensee_model *model);
/* Ends any number of pauses. */
PENSEE_API void pensee_model_resume(const pensee_model *model);

enum { /* level */
  PENSEE_TRIM_CACHES = 0,  /* what is kept to be faster later: the prefix cache, scratch space */
  PENSEE_TRIM_SESSIONS = 1 /* and what sessions that do not stream have computed, as pensee_session_rewind to 0 does:
                              their next prompt is computed from its begin, to the same bits */
};
/* Gives memory back to the system. *freed (may be NULL): bytes; scratch that a pass uses is given back when it ends and
 * not counted. What streams have computed stays. */
PENSEE_API pensee_status pensee_model_trim(const pensee_model *model, int32_t level, uint64_t *freed,
                                           pensee_error *error);
/* threads: as in the options. From the next pass on; less heat, or room for others. */
PENSEE_API pensee_status pensee_model_set_threads(const pensee_model *model, int32_t threads, pensee_error *error);

typedef struct pensee_memory { /* bytes */
  size_t struct_size;
  uint64_t budget;       /* memory_budget; 0: no limit */
  uint64_t used;         /* what counts within it: weights, pages of sessions and of the prefix cache, scratch */
  uint64_t weights;      /* without `mapped` */
  uint64_t prefix_cache; /* its pages; those that sessions use as well are in memory once */
  uint64_t scratch;
  uint64_t mapped;       /* weights that lie in a packed file: not in `used`; the system shares them between processes
                            and drops them when memory is short */
} pensee_memory;
#define PENSEE_MEMORY_INIT {sizeof(pensee_memory), 0, 0, 0, 0, 0, 0}
/* What the model takes now. */
PENSEE_API pensee_status pensee_model_get_memory(const pensee_model *model, pensee_memory *memory,
                                                 pensee_error *error);

enum { /* dtype */
  PENSEE_DTYPE_F32 = 1,
  PENSEE_DTYPE_F16 = 2,
  PENSEE_DTYPE_BF16 = 3
};
typedef struct pensee_tensor { /* since 0.2.0; never grows */
  const char *name;     /* Hugging Face's: "model.layers.0.self_attn.q_proj.weight" */
  int32_t dtype;        /* PENSEE_DTYPE_* */
  int32_t num_dims;
  const int64_t *shape; /* [num_dims] */
  const void *data;     /* row-major, contiguous; read during the call only */
} pensee_tensor;
/* Replaces weights in place, as a trainer hands them over: all or nothing; nothing is read from disk but what
 * keep_file allows. Names and shapes are checked against the architecture's table (PENSEE_BAD_ARGUMENT names the
 * tensor). Tensors that are packed together (q, k, v; gate and up of all experts) come together, unless keep_file is
 * set. Of a packed file, which keep_file does not help, the new weights take memory and the file stays as it is. What
 * sessions had computed is forgotten. PENSEE_BUSY while anything generates. Waits for scoring.
 * Since 0.2.0. */
PENSEE_API pensee_status pensee_model_set_weights(pensee_model *model, const pensee_tensor *tensors, size_t count,
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
 * those of the tokens: a list cut inside a character gives a part of it. A token of the model that its tokenizer does
 * not know (padding of the vocabulary) has no bytes; ids outside vocab_size are PENSEE_BAD_ARGUMENT. */
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

/* Which experts computed what: one row a position, one choice of num_experts_per_tok experts a layer with experts. */
typedef struct pensee_routing { /* since 0.2.0 */
  size_t struct_size;
  int64_t positions;             /* of the context, from its begin */
  int64_t num_moe_layers;
  int64_t num_experts_per_tok;
  const int32_t *expert_ids;     /* [positions, num_moe_layers, num_experts_per_tok], best first; -1: not known */
  const float *expert_weights;   /* likewise: what each expert's output was multiplied with */
} pensee_routing;
#define PENSEE_ROUTING_INIT {sizeof(pensee_routing), 0, 0, 0, NULL, NULL}

typedef struct pensee_score_options { /* since 0.2.0 */
  size_t struct_size;
  const int32_t *expert_ids;     /* routing to replay, [count, num_moe_layers, num_experts_per_tok] as a reply's
                                    pensee_routing gives it: these experts are used, with the weights that this pass
                                    finds for them. -1: the router chooses. NULL: it chooses everywhere */
  int32_t *expert_ids_out;       /* room for as many: which experts were used; may be NULL */
  float *expert_weights_out;     /* and with which weights; may be NULL */
  /* Called on the calling thread with 0..1 between chunks; non-zero cancels: PENSEE_CANCELLED. */
  int (*progress)(void *user, float fraction);
  void *progress_user;
} pensee_score_options;
#define PENSEE_SCORE_OPTIONS_INIT {sizeof(pensee_score_options), NULL, NULL, NULL, NULL, NULL}
/* pensee_logprobs with the routing recorded and replayed. The numbers equal, bit for bit, those that events gave when
 * the tokens were generated (native backend). Since 0.2.0. */
PENSEE_API pensee_status pensee_score(const pensee_model *model, const int32_t *ids, size_t count,
                                      const pensee_score_options *options, float *logprobs, pensee_error *error);

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

enum { /* effort: what the family offers. Templates that know levels or a switch are told; where a family has no
          levels, minimal .. xhigh are think budgets of 256, 1024, 4096, 16384 and 32768 tokens */
  PENSEE_EFFORT_DEFAULT = 0,
  PENSEE_EFFORT_NONE = 1, /* no thought, where the family can leave it out */
  PENSEE_EFFORT_MINIMAL = 2,
  PENSEE_EFFORT_LOW = 3,
  PENSEE_EFFORT_MEDIUM = 4,
  PENSEE_EFFORT_HIGH = 5,
  PENSEE_EFFORT_XHIGH = 6,
  PENSEE_EFFORT_MAX = 7
};

enum { /* order: samplers by name; since 0.2.0 */
  PENSEE_SAMPLER_PENALTIES = 1, /* repetition, frequency, presence */
  PENSEE_SAMPLER_DRY = 2,
  PENSEE_SAMPLER_TEMPERATURE = 3,
  PENSEE_SAMPLER_TOP_N_SIGMA = 4,
  PENSEE_SAMPLER_TOP_K = 5,
  PENSEE_SAMPLER_TOP_P = 6,
  PENSEE_SAMPLER_MIN_P = 7,
  PENSEE_SAMPLER_TYPICAL = 8,
  PENSEE_SAMPLER_XTC = 9
};
typedef struct pensee_logit_bias { /* never grows */
  int32_t token_id;
  float bias; /* added to the logit; -INFINITY forbids the token */
} pensee_logit_bias;

typedef struct pensee_sampling { /* since 0.2.0 */
  size_t struct_size;
  float temperature;          /* this and the next three: as in pensee_options; -1: as given there. INIT: -1 */
  float top_p;                /* INIT: -1 */
  float min_p;                /* INIT: -1 */
  int32_t top_k;              /* INIT: -1 */
  float typical_p;            /* (0, 1]: tokens of typical surprise (Meister et al. 2023); 1 or 0: off. INIT: 0 */
  float top_n_sigma;          /* keeps logits within so many standard deviations of the best; 0: off. INIT: 0 */
  float xtc_probability;      /* [0, 1]: how often all but the last of those above xtc_threshold go. INIT: 0 */
  float xtc_threshold;        /* (0, 0.5]; 0: 0.1. INIT: 0 */
  float repetition_penalty;   /* above 0: logits of tokens seen are divided by it (CTRL); 1 or 0: off. INIT: 0 */
  float frequency_penalty;    /* -2..2, for each time a token was seen. INIT: 0 */
  float presence_penalty;     /* -2..2, once for a token seen. INIT: 0 */
  int32_t penalty_last_n;     /* tokens that these three look back; -1: the whole context; 0: 64. INIT: 0 */
  float dry_multiplier;       /* 0: off; else repeating a sequence of more than dry_allowed_length tokens costs
                                 multiplier * base ^ (length - allowed_length). INIT: 0 */
  float dry_base;             /* 0: 1.75. INIT: 0 */
  int32_t dry_allowed_length; /* 0: 2. INIT: 0 */
  int32_t dry_last_n;         /* tokens to look back; -1: the whole context; 0: 1024. INIT: 0 */
  const char *const *dry_breakers; /* texts that no repeated sequence crosses; NULL: newline, ":", "\"" and "*" */
  size_t num_dry_breakers;
  int32_t mirostat;           /* 0: off; 2: mirostat 2.0 (Basu et al. 2021) instead of the cutting samplers. INIT: 0 */
  float mirostat_tau;         /* surprise aimed at, in bits; 0: 5. INIT: 0 */
  float mirostat_eta;         /* learning rate; 0: 0.1. INIT: 0 */
  const pensee_logit_bias *logit_bias; /* INIT: NULL, 0 */
  size_t num_logit_bias;
  const int32_t *order;       /* num_order PENSEE_SAMPLER_*, each at most once; those left out do not run. NULL:
                                 penalties, dry, temperature, top_n_sigma, top_k, top_p, min_p, typical, xtc */
  size_t num_order;
} pensee_sampling;
#define PENSEE_SAMPLING_INIT {sizeof(pensee_sampling), -1.0f, -1.0f, -1.0f, -1, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, \
                              0.0f, 0, 0.0f, 0.0f, 0, 0, NULL, 0, 0, 0.0f, 0.0f, NULL, 0, NULL, 0}

enum { /* speculation: the tokens and their log-probabilities are the same with any of them; since 0.2.0 */
  PENSEE_SPECULATION_AUTO = 0,  /* the draft model if one is given, else MTP where it is loaded, else NGRAM; as deep as
                                   pays, and not at all where it does not */
  PENSEE_SPECULATION_OFF = 1,
  PENSEE_SPECULATION_NGRAM = 2, /* what followed the last tokens when they came before, in the prompt or the reply */
  PENSEE_SPECULATION_MTP = 3,   /* the model's own layer of multi-token prediction (V3 report, 2.2) */
  PENSEE_SPECULATION_DRAFT = 4  /* draft_model */
};
enum { /* loop_guard; since 0.2.0 */
  PENSEE_LOOP_GUARD_ON = 0,
  PENSEE_LOOP_GUARD_OFF = 1
};
enum { /* tool_choice; since 0.2.0 */
  PENSEE_TOOLS_AUTO = 0,     /* the model decides; arguments come as it writes them */
  PENSEE_TOOLS_STRICT = 1,   /* the model decides; names and arguments are held to the tools given */
  PENSEE_TOOLS_REQUIRED = 2, /* the answer is one call, held to the tools given */
  PENSEE_TOOLS_NONE = 3      /* the template is not told of them */
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
  int32_t reserved;        /* not read: padding in 0.1.0, so callers of that age have left anything there. INIT: 0 */
  int32_t n;               /* samples of the reply, which share the prompt; their events come interleaved, each with its
                              `sample` and an END of its own. Sample 0 is what n = 1 gives and what the session keeps;
                              usage.seed tells the seed that gives another one alone. 0: 1; at most 1024. INIT: 0 */
  int32_t priority;        /* -100..100: higher goes first, and waits less for its turn. INIT: 0 */
  int64_t answer_budget;   /* tokens of answer; at the limit the reply ends, as LENGTH. 0: no limit. INIT: 0 */
  int64_t min_thought;     /* tokens of thought before which the model may not close it; think_budget wins. INIT: 0 */
  int32_t open_thought;    /* non-zero: the reply begins with an open thought even where the template leaves it to the
                              model, as R1's authors advise. INIT: 0 */
  const char *thought_prefix; /* the thought begins with this text (and is opened for it); NULL: none. INIT: NULL */
  const char *answer_prefix;  /* the answer begins with it. INIT: NULL */
  const char *budget_text;    /* what the thought says when it is closed for it; NULL: the sentence that the family
                                 knows; "": nothing. INIT: NULL */
  int32_t loop_guard;      /* PENSEE_LOOP_GUARD_*: a thought that goes in circles (the same loop_ngram tokens came
                              loop_repeats times within loop_window) is closed and answered, PENSEE_FINISH_LOOP.
                              INIT: ON */
  int32_t loop_ngram;      /* tokens; 0: 32. INIT: 0 */
  int32_t loop_repeats;    /* 0: 4. INIT: 0 */
  int32_t loop_window;     /* tokens; 0: 2048. INIT: 0 */
  const pensee_sampling *sampling;        /* more samplers; NULL: none. INIT: NULL */
  const pensee_sampling *answer_sampling; /* instead, after the thought; NULL: the same. INIT: NULL */
  const char *json_schema; /* at most one of these three: what the answer (never the thought) is held to. A JSON schema;
                              docs/constraints.md lists what of it is supported, the rest is an error. INIT: NULL */
  const char *regex;       /* a regular expression that the whole answer matches. INIT: NULL */
  const char *grammar;     /* a grammar in GBNF, starting at `root`. INIT: NULL */
  int32_t tool_choice;     /* PENSEE_TOOLS_*. INIT: AUTO */
  int32_t speculation;     /* PENSEE_SPECULATION_*. INIT: AUTO */
  int32_t draft_max;       /* tokens drafted ahead at most, 1..64; 0: 16. INIT: 0 */
  const pensee_model *draft_model; /* a small model with the same tokens; the stream keeps it alive. INIT: NULL */
  int32_t trace_experts;   /* non-zero: events tell the experts of their pass, the reply the routing of the whole
                              context. INIT: 0 */
} pensee_options;
#define PENSEE_OPTIONS_INIT {sizeof(pensee_options), 0, -1, -1.0f, -1.0f, 0.0f, -1, 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, \
                             0, 0, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, 0}

/* The prompt as the model will read it: `capacity` and *length as in pensee_detokenize. */
PENSEE_API pensee_status pensee_render_prompt(const pensee_model *model, const pensee_prompt *prompt,
                                              const pensee_options *options, char *text, size_t capacity,
                                              size_t *length, pensee_error *error);

/* ---- 7 events -------------------------------------------------------------------------------------------------- */

enum { /* kind */
  PENSEE_EVENT_THOUGHT = 1,
  PENSEE_EVENT_ANSWER = 2,
  PENSEE_EVENT_TOOL_CALL = 3, /* a part of a call's text as it is written; the last one of a call has its id, name and
                                 arguments */
  PENSEE_EVENT_END = 4
};
enum { /* finish_reason */
  PENSEE_FINISH_NONE = 0,
  PENSEE_FINISH_STOP = 1,      /* end of text, or a stop string */
  PENSEE_FINISH_LENGTH = 2,    /* max_tokens, answer_budget, or the context is full */
  PENSEE_FINISH_BUDGET = 3,    /* as STOP, after think_budget had closed the thought */
  PENSEE_FINISH_LOOP = 4,      /* as STOP, after a thought that went in circles was closed */
  PENSEE_FINISH_CANCELLED = 5,
  PENSEE_FINISH_TOOL_CALL = 6, /* as STOP, with at least one tool call: answer it with a message of role "tool" */
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
  int64_t drafted_tokens;        /* by speculation */
  int64_t accepted_tokens;       /* of them */
  int64_t passes;                /* forward passes that the reply took after the prompt */
  double seconds_waiting;        /* for a turn, before the first token of the prompt was computed */
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
  int32_t sample;                  /* which of n */
  int32_t forced;                  /* non-zero: the library put the token (a prefix, the end of a thought) */
  const int32_t *expert_ids;       /* trace_experts: of the pass that gave the token, [num_moe_layers,
                                      num_experts_per_tok]; NULL otherwise */
  const float *expert_weights;
  size_t num_experts;              /* num_moe_layers * num_experts_per_tok */
} pensee_event;
#define PENSEE_EVENT_INIT {sizeof(pensee_event), 0, 0, NULL, 0, -1, 0.0f, 0, NULL, 0, NULL, NULL, NULL, NULL, \
                           0, 0, NULL, NULL, 0}

/* ---- 8 session and stream -------------------------------------------------------------------------------------- */

/* A session remembers what was computed. Hand it the whole conversation each time: it computes only what is new after
 * the longest common prefix (usage.cached_tokens). */
typedef struct pensee_session pensee_session;
/* Keeps the model alive. Allocates next to nothing before the first prompt. */
PENSEE_API pensee_status pensee_session_new(const pensee_model *model, pensee_session **session, pensee_error *error);
/* Gives back what it computed, once its stream is freed too. */
PENSEE_API void pensee_session_free(pensee_session *session);
/* Stops what the session generates, within one token or one chunk of the prompt. Any thread. */
PENSEE_API void pensee_session_cancel(pensee_session *session);

/* Closes the thought of what the session generates. Any thread. Since 0.2.0. */
PENSEE_API void pensee_session_end_thought(pensee_session *session);

/* A session of its own that knows what `session` knows; cheap: what was computed is shared. PENSEE_BUSY while it
 * streams. Since 0.2.0. */
PENSEE_API pensee_status pensee_session_fork(pensee_session *session, pensee_session **copy, pensee_error *error);
/* Forgets all but the first `tokens` tokens. PENSEE_BUSY while it streams. Since 0.2.0. */
PENSEE_API pensee_status pensee_session_rewind(pensee_session *session, size_t tokens, pensee_error *error);
/* The tokens that the session has computed; `capacity` and *count as in pensee_tokenize. Since 0.2.0. */
PENSEE_API pensee_status pensee_session_tokens(pensee_session *session, int32_t *ids, size_t capacity, size_t *count,
                                               pensee_error *error);
/* Saves what was computed: versioned, checksummed, and written atomically (a new file beside `path`, renamed over it).
 * A session restored from it answers bit for bit as this one would. PENSEE_BUSY while it streams. Since 0.2.0. */
PENSEE_API pensee_status pensee_session_save(pensee_session *session, const char *path, pensee_error *error);
/* The same into memory; `capacity` and *size as in pensee_detokenize. */
PENSEE_API pensee_status pensee_session_save_memory(pensee_session *session, void *data, size_t capacity, size_t *size,
                                                    pensee_error *error);
/* A new session from a file: of the same model with the same cache types, else PENSEE_BAD_ARGUMENT; a damaged file is
 * PENSEE_FILE_CORRUPT. Since 0.2.0. */
PENSEE_API pensee_status pensee_session_restore(const pensee_model *model, const char *path, pensee_session **session,
                                                pensee_error *error);
/* The same from memory, which is read during the call only. */
PENSEE_API pensee_status pensee_session_restore_memory(const pensee_model *model, const void *data, size_t size,
                                                       pensee_session **session, pensee_error *error);

/* 0: go on; anything else stops. */
typedef int (*pensee_event_callback)(void *user, const pensee_event *event);
/* Push: the callback receives each event on the calling thread; if it stops: PENSEE_STOPPED_BY_CALLBACK. Cancelled:
 * PENSEE_OK, the END event says so. The END event comes whenever generation had begun. */
PENSEE_API pensee_status pensee_generate(pensee_session *session, const pensee_prompt *prompt,
                                         const pensee_options *options, pensee_event_callback callback, void *user,
                                         pensee_error *error);

typedef struct pensee_stream pensee_stream; /* one generation; keeps its session alive */
/* Pull: the same events. Prompt and options are copied. A session streams once at a time: PENSEE_BUSY. */
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
PENSEE_API const char *pensee_reply_answer(const pensee_reply *reply);  /* without tool calls */
PENSEE_API int32_t pensee_reply_finish_reason(const pensee_reply *reply); /* PENSEE_FINISH_* */
/* All tokens that were generated, the thought's first; *count of them. */
PENSEE_API const int32_t *pensee_reply_token_ids(const pensee_reply *reply, size_t *count);
PENSEE_API const pensee_usage *pensee_reply_usage(const pensee_reply *reply); /* what it cost */
PENSEE_API void pensee_reply_free(pensee_reply *reply); /* and its samples */

/* Since 0.2.0, all that follows. What a getter returns lives as long as the reply. */
/* Of token_ids: natural logarithms, at temperature 1. */
PENSEE_API const float *pensee_reply_logprobs(const pensee_reply *reply, size_t *count);
typedef struct pensee_tool_call { /* never grows */
  const char *id;             /* to be repeated in the message with the result */
  const char *name;
  const char *arguments_json; /* an object */
} pensee_tool_call;
/* Calls that the model made of the prompt's tools. */
PENSEE_API size_t pensee_reply_num_tool_calls(const pensee_reply *reply);
/* NULL beyond the last. */
PENSEE_API const pensee_tool_call *pensee_reply_tool_call(const pensee_reply *reply, size_t index);
/* The reply as an OpenAI-shaped message ({"role": "assistant", ...}), to be appended to messages_json. */
PENSEE_API const char *pensee_reply_message_json(const pensee_reply *reply);
/* Samples of n; sample 0 is the reply itself. */
PENSEE_API size_t pensee_reply_num_samples(const pensee_reply *reply);
/* NULL beyond the last; not to be freed. */
PENSEE_API const pensee_reply *pensee_reply_sample(const pensee_reply *reply, size_t index);
/* With trace_experts: of every computed position of prompt and reply; PENSEE_UNSUPPORTED without. */
PENSEE_API pensee_status pensee_reply_routing(const pensee_reply *reply, pensee_routing *routing, pensee_error *error);

enum { PENSEE_IN_THOUGHT = 1 }; /* flags of pensee_parse_reply: the prompt had opened the thought */
/* Splits a text that was generated elsewhere, or kept, as a stream of this model would. */
PENSEE_API pensee_status pensee_parse_reply(const pensee_model *model, const char *text, size_t length, uint32_t flags,
                                            pensee_reply **reply, pensee_error *error);

/* ---- 10 voting --------------------------------------------------------------------------------------------------- */

/* Self-consistency (Wang et al. 2022): n replies to one prompt, and the answer that most of them come to. Answers are
 * compared by what they end with: the last \boxed{...}, else what follows "answer is" or "Answer:", else the last
 * line; numbers by value. Since 0.2.0. */
enum { /* weighting */
  PENSEE_VOTE_PLAIN = 0,
  PENSEE_VOTE_CONFIDENCE = 1 /* each vote weighs the mean probability of its reply's tokens (geometric) */
};
typedef struct pensee_vote_options {
  size_t struct_size;
  int32_t n;             /* replies; 0: 16. INIT: 0 */
  int32_t weighting;     /* PENSEE_VOTE_*. INIT: PLAIN */
  int32_t all;           /* non-zero: none is cancelled when the majority is certain. INIT: 0 */
  int32_t at_once;       /* replies under way at the same time; 0: all. INIT: 0 */
} pensee_vote_options;
#define PENSEE_VOTE_OPTIONS_INIT {sizeof(pensee_vote_options), 0, 0, 0, 0}
typedef struct pensee_vote pensee_vote;
typedef struct pensee_vote_answer { /* never grows */
  const char *answer; /* as the first of them has it */
  int32_t votes;
  float weight;       /* its share of all weight, 0..1 */
  int32_t reply;      /* the first reply that came to it */
} pensee_vote_answer;
/* options.n is not looked at. The session keeps the prompt. */
PENSEE_API pensee_status pensee_session_vote(pensee_session *session, const pensee_prompt *prompt,
                                             const pensee_options *options, const pensee_vote_options *vote_options,
                                             pensee_vote **vote, pensee_error *error);
/* Of the distribution. */
PENSEE_API size_t pensee_vote_num_answers(const pensee_vote *vote);
/* Winner first. NULL beyond the last. */
PENSEE_API const pensee_vote_answer *pensee_vote_get_answer(const pensee_vote *vote, size_t index);
/* Every reply, those that were cancelled too (PENSEE_FINISH_CANCELLED; they have no vote). */
PENSEE_API size_t pensee_vote_num_replies(const pensee_vote *vote);
/* NULL beyond the last. Not to be freed. */
PENSEE_API const pensee_reply *pensee_vote_get_reply(const pensee_vote *vote, size_t index);
/* And its replies. */
PENSEE_API void pensee_vote_free(pensee_vote *vote);

#ifdef __cplusplus
}
#endif
#endif
