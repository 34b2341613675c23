/* What the programs of this folder share: C99 through pensee.h alone, as an application has it. */
#ifndef PENSEE_TESTS_PHONE_H
#define PENSEE_TESTS_PHONE_H

#include <pensee/pensee.h>
#include <stdio.h>
#include <string.h>

static int failures;

static inline void check(int holds, const char* what, const char* file, int line) {
  if (holds) return;
  failures++;
  printf("# %s:%d: %s\n", file, line, what);
}
#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)

/* Greedy, `tokens` of them; a thought of at most `thought` tokens (-1: no limit). */
static inline pensee_options greedy(int64_t tokens, int64_t thought) {
  pensee_options options = PENSEE_OPTIONS_INIT;
  options.temperature = 0;
  options.max_tokens = tokens;
  options.think_budget = thought;
  return options;
}

/* Streams the answer to `question` by pulling; writes at most `capacity` token ids and returns their number, or -1. */
static inline int stream_tokens(pensee_session* session, const char* question, const pensee_options* options,
                                int32_t* ids, int capacity, pensee_error* error) {
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_stream* stream = NULL;
  pensee_status status;
  int count = 0;
  prompt.text = question;
  status = pensee_stream_open(session, &prompt, options, &stream, error);
  while (status == PENSEE_OK && event.kind != PENSEE_EVENT_END) {
    status = pensee_stream_next(stream, -1, &event, error);
    if (status == PENSEE_OK && event.token_id >= 0 && count < capacity) ids[count++] = event.token_id;
  }
  pensee_stream_free(stream);
  return status == PENSEE_OK ? count : -1;
}

#endif
