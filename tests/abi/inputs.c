/* P2: no input ends the process. Files cut short at every place and with flipped bytes, wishes out of range, prompts
 * that are too long or make no sense; and each time the handles work as before. That memory may run out at any point is
 * tested in tests/faults. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi.h"

static uint32_t random_state = 1;
static uint32_t random_number(void) { return random_state = random_state * 1664525u + 1013904223u; }

static void try_memory(const char* bytes, size_t size, bool must_fail) {
  pensee_model* model = NULL;
  pensee_error err = PENSEE_ERROR_INIT;
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_status status;
  options.threads = 1;
  options.memory_budget = 64 << 20; /* a lying header asks for gigabytes */
  status = pensee_model_open_memory(bytes, size, &options, &model, &err);
  CHECK(!must_fail || status != PENSEE_OK);
  if (status != PENSEE_OK) {
    CHECK(err.message[0] != '\0' && status != PENSEE_INTERNAL);
    CHECK(abi_valid_utf8(err.message, strlen(err.message)));
    if (status == PENSEE_INTERNAL) fprintf(stderr, "# %s\n", err.message);
  }
  pensee_model_free(model);
}

static void truncated(void) {
  size_t size, cut;
  char* bytes = abi_read(abi_path(ABI_GGUF), &size);
  for (cut = 0; cut < size; cut += cut < 600 ? 1 : 997) {
    char* part = malloc(cut + 1); /* of its own, so that a sanitizer sees a byte too far */
    memcpy(part, bytes, cut);
    try_memory(part, cut, true);
    free(part);
  }
  free(bytes);
}

static void flipped(void) {
  size_t size;
  int round, flip;
  char* bytes = abi_read(abi_path(ABI_MOE), &size);
  char* copy = malloc(size);
  for (round = 0; round < 300; round++) {
    memcpy(copy, bytes, size);
    for (flip = 0; flip <= round % 4; flip++) copy[random_number() % 12000] ^= (char)(1u << (random_number() >> 29));
    try_memory(copy, size, false);
  }
  free(copy);
  free(bytes);
}

static void not_models(void) {
  pensee_model* model = NULL;
  pensee_error err;
  char folder[] = "/tmp/pensee-abi-XXXXXX";
  char path[64];
  FILE* file;
  CHECK(mkdtemp(folder) != NULL);
  abi_reset(&err);
  CHECK(pensee_model_open(folder, NULL, &model, &err) != PENSEE_OK); /* no config.json inside */
  CHECK(strstr(err.message, folder) != NULL);
  snprintf(path, sizeof path, "%s/empty.gguf", folder);
  file = fopen(path, "wb");
  fclose(file);
  EXPECT(PENSEE_FILE_CORRUPT, err, pensee_model_open(path, NULL, &model, &err));
  CHECK(strstr(err.message, path) != NULL);
  CHECK(pensee_model_open("", NULL, &model, &err) != PENSEE_OK);
  CHECK(pensee_model_open("/dev/null", NULL, &model, &err) != PENSEE_OK);
  CHECK(model == NULL);
  remove(path);
  rmdir(folder);
}

static pensee_session* session;
static int32_t expected[8];

static void expect_bad(pensee_prompt prompt, pensee_options options, pensee_status wanted) {
  pensee_reply* reply = NULL;
  pensee_error err;
  EXPECT(wanted, err, pensee_session_ask(session, &prompt, &options, &reply, &err));
  CHECK(reply == NULL);
}

static void bad_options(void) {
  pensee_model* model = abi_open(ABI_MOE);
  const pensee_prompt prompt = abi_prompt();
  static const char* const broken[] = {"a\xFF"};
  static const char* const null_stop[] = {NULL};
  pensee_options o;
  session = abi_session(model);
  CHECK(abi_generate(session, 8, expected) == 8);
#define BAD(assignment)                         \
  do {                                          \
    o = abi_greedy(4);                          \
    assignment;                                 \
    expect_bad(prompt, o, PENSEE_BAD_ARGUMENT); \
  } while (0)
  BAD(o.max_tokens = -1);
  BAD(o.think_budget = -2);
  BAD(o.temperature = NAN);
  BAD(o.temperature = INFINITY);
  BAD(o.temperature = -2);
  BAD(o.top_p = 0);
  BAD(o.top_p = 1.5f);
  BAD(o.top_p = NAN);
  BAD(o.min_p = -0.5f);
  BAD(o.min_p = 2);
  BAD(o.top_k = -2);
  BAD(o.top_logprobs = 21);
  BAD(o.top_logprobs = -1);
  BAD(o.effort = 99);
  BAD(o.num_stop = 1);
  BAD((o.num_stop = 1, o.stop = null_stop));
  BAD((o.num_stop = 1, o.stop = broken));
  CHECK(abi_still_works(session, expected, 8));
  pensee_session_free(session);
  pensee_model_free(model);
}

static void bad_prompts(void) {
  pensee_model* model = abi_open(ABI_MOE);
  const pensee_options options = abi_greedy(4);
  int32_t many[600] = {0};
  int32_t wrong[2] = {5, 1 << 30};
  pensee_prompt p;
  session = abi_session(model);
  CHECK(abi_generate(session, 8, expected) == 8);
#define BAD_PROMPT(status, assignment)             \
  do {                                             \
    const pensee_prompt init = PENSEE_PROMPT_INIT; \
    p = init;                                      \
    assignment;                                    \
    expect_bad(p, options, status);                \
  } while (0)
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, p.num_ids = 3);
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, p.ids = many);
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, (p.ids = wrong, p.num_ids = 2));
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, (wrong[1] = -5, p.ids = wrong, p.num_ids = 2));
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, (p.ids = many, p.num_ids = 2, p.text = "ab"));
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, (p.text = "ab", p.messages_json = "[]"));
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, p.messages_json = "[{\"role\": \"user\"");
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, p.messages_json = "");
  /* JSON, but no template to put it into. What a template makes of odd messages is tested in tests/text. */
  BAD_PROMPT(PENSEE_UNSUPPORTED, p.messages_json = "[{\"role\": \"user\", \"content\": \"a\"}]");
  BAD_PROMPT(PENSEE_BAD_ARGUMENT, p.text = "broken \xC3\x28");
  BAD_PROMPT(PENSEE_CONTEXT_FULL, (p.ids = many, p.num_ids = 600));
  CHECK(abi_still_works(session, expected, 8));
  pensee_session_free(session);
  pensee_model_free(model);
}

static int count_tokens(void* user, const pensee_event* event) {
  if (event->token_id >= 0) ++*(int*)user;
  if (event->kind == PENSEE_EVENT_END) CHECK(event->finish_reason == PENSEE_FINISH_LENGTH);
  return 0;
}

static void full_context(void) {
  pensee_model* model = abi_open(ABI_MOE);
  const pensee_options options = abi_greedy(0);
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_error err;
  int32_t ids[512];
  int i, tokens = 0;
  for (i = 0; i < 512; i++) ids[i] = i % 200;
  prompt.ids = ids;
  prompt.num_ids = 500;
  session = abi_session(model);
  CHECK(abi_generate(session, 8, expected) == 8);
  EXPECT(PENSEE_OK, err, pensee_generate(session, &prompt, &options, count_tokens, &tokens, &err));
  CHECK(tokens == 12 || tokens == 13); /* the last token need not lie in the context */
  CHECK(abi_still_works(session, expected, 8));
  pensee_session_free(session);
  pensee_model_free(model);
}

static void without_tokenizer(void) {
  pensee_model* model = abi_open(ABI_FOLDER);
  pensee_reply* reply = NULL;
  pensee_error err;
  size_t count = 0;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  session = abi_session(model);
  CHECK(abi_generate(session, 8, expected) == 8);
  prompt.text = "ab";
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_tokenize(model, "ab", 2, 0, NULL, 0, &count, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_session_ask(session, &prompt, NULL, &reply, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_ask(model, "ab", NULL, &reply, &err));
  CHECK(abi_still_works(session, expected, 8));
  pensee_session_free(session);
  pensee_model_free(model);
}

static void without_weights(void) {
  pensee_model_options options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_model* model = NULL;
  pensee_session* new_session = NULL;
  pensee_reply* reply = NULL;
  pensee_error err;
  const int32_t id = 5;
  float* logits = malloc(512 * sizeof *logits);
  size_t count = 0;
  pensee_status status;
  options.skip_weights = 1;
  EXPECT(PENSEE_OK, err, pensee_model_open(abi_path(ABI_MOE), &options, &model, &err));
  EXPECT(PENSEE_OK, err, pensee_model_get_info(model, &info, &err));
  CHECK(info.n_routed_experts == 8 && info.vocab_size == 277 && info.context_max == 512);
  CHECK(info.parameters_total > info.parameters_active && info.parameters_active > 0);
  EXPECT(PENSEE_OK, err, pensee_tokenize(model, "ab", 2, 0, NULL, 0, &count, &err));
  CHECK(count > 0);
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_logits(model, &id, 1, logits, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_logprobs(model, &id, 1, logits, &err));
  EXPECT(PENSEE_UNSUPPORTED, err, pensee_ask(model, "a", NULL, &reply, &err));
  status = pensee_session_new(model, &new_session, &err);
  CHECK(status == PENSEE_UNSUPPORTED || status == PENSEE_OK);
  pensee_session_free(new_session);
  free(logits);
  pensee_model_free(model);
}

static void null_handles(void) {
  size_t count = 1;
  pensee_error err;
  pensee_model_pause(NULL);
  pensee_model_resume(NULL);
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_trim(NULL, PENSEE_TRIM_CACHES, NULL, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_set_threads(NULL, 1, &err));
  EXPECT(PENSEE_BAD_ARGUMENT, err, pensee_model_get_memory(NULL, NULL, &err));
  pensee_session_cancel(NULL);
  pensee_stream_cancel(NULL);
  pensee_stream_end_thought(NULL);
  CHECK(strcmp(pensee_reply_thought(NULL), "") == 0);
  CHECK(strcmp(pensee_reply_answer(NULL), "") == 0);
  CHECK(pensee_reply_finish_reason(NULL) == PENSEE_FINISH_NONE);
  CHECK(pensee_reply_token_ids(NULL, &count) == NULL && count == 0);
  CHECK(pensee_reply_token_ids(NULL, NULL) == NULL);
  CHECK(pensee_reply_usage(NULL) == NULL);
}

static void bad_windows(void) {
  pensee_model* model = NULL;
  pensee_error err = PENSEE_ERROR_INIT;
  const int fd = open(abi_path(ABI_GGUF), O_RDONLY);
  CHECK(fd >= 0);
  CHECK(pensee_model_open_fd(fd, UINT64_MAX, 0, NULL, &model, &err) != PENSEE_OK);
  CHECK(pensee_model_open_fd(fd, 1 << 30, 0, NULL, &model, &err) != PENSEE_OK);
  CHECK(pensee_model_open_fd(fd, 0, UINT64_MAX, NULL, &model, &err) != PENSEE_OK);
  CHECK(pensee_model_open_fd(fd, 0, 1000, NULL, &model, &err) != PENSEE_OK);
  CHECK(pensee_model_open_fd(fd, 8, 0, NULL, &model, &err) != PENSEE_OK);
  CHECK(model == NULL);
  close(fd);
}

const abi_case abi_inputs[] = {
    {"a GGUF cut short anywhere is an error", truncated},
    {"a GGUF with flipped bits in its header is an error or a model", flipped},
    {"an empty file, a folder without config.json and a device are no models", not_models},
    {"a window beside the file is an error", bad_windows},
    {"options out of range are refused and the session works on", bad_options},
    {"prompts that make no sense are refused and the session works on", bad_prompts},
    {"a full context ends the reply with LENGTH", full_context},
    {"without a tokenizer ids work and text is UNSUPPORTED", without_tokenizer},
    {"without weights a model can be inspected and tokenizes, and computes nothing", without_weights},
    {"NULL handles are harmless", null_handles},
    {NULL, NULL}};
