/* P5: no event ends inside a code point. A model of random weights over a vocabulary of bytes writes mostly broken
 * UTF-8, which makes it a good witness: whatever it writes, each event has to be UTF-8. */
#include <stdio.h>
#include <stdlib.h>

#include "abi.h"

typedef struct transcript {
  char text[1 << 16];
  size_t length;
  int32_t ids[1024];
  size_t count;
  int events;
  int ends;
  int64_t last_position;
} transcript;

static int write_down(void* user, const pensee_event* event) {
  transcript* t = user;
  t->events++;
  if (event->kind == PENSEE_EVENT_END) {
    t->ends++;
    CHECK(event->usage != NULL && event->finish_reason != PENSEE_FINISH_NONE && event->token_id == -1);
    return 0;
  }
  CHECK(event->kind == PENSEE_EVENT_THOUGHT || event->kind == PENSEE_EVENT_ANSWER);
  CHECK(t->ends == 0 && event->text != NULL && event->text[event->text_length] == '\0');
  CHECK(abi_valid_utf8(event->text, event->text_length));
  if (t->length + event->text_length < sizeof t->text) {
    memcpy(t->text + t->length, event->text, event->text_length);
    t->length += event->text_length;
  }
  if (event->token_id >= 0 && t->count < 1024) {
    CHECK(event->logprob <= 0);
    if (t->count > 0) CHECK(event->position == t->last_position + 1);
    t->last_position = event->position;
    t->ids[t->count++] = event->token_id;
  }
  return 0;
}

static void random_bytes(void) {
  static transcript t;
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  const pensee_prompt prompt = abi_prompt();
  pensee_error err;
  int seed;
  for (seed = 1; seed <= 8; seed++) {
    pensee_options options = abi_greedy(200);
    options.temperature = 1.5f;
    options.top_p = 1;
    options.seed = (uint64_t)seed;
    memset(&t, 0, sizeof t);
    EXPECT(PENSEE_OK, err, pensee_generate(session, &prompt, &options, write_down, &t, &err));
    CHECK(t.count == 200 && t.ends == 1); /* each token is the token of exactly one event */
    CHECK(t.length > 0);
  }
  pensee_session_free(session);
  pensee_model_free(model);
}

/* Where the bytes of the tokens are UTF-8, the events say exactly these bytes. */
static void same_as_detokenized(void) {
  static transcript t;
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  const pensee_prompt prompt = abi_prompt();
  pensee_error err;
  int seed, compared = 0;
  for (seed = 1; seed <= 60; seed++) {
    char bytes[256];
    size_t length = 0;
    pensee_options options = abi_greedy(3);
    options.temperature = 1;
    options.top_p = 1;
    options.seed = (uint64_t)seed;
    memset(&t, 0, sizeof t);
    EXPECT(PENSEE_OK, err, pensee_generate(session, &prompt, &options, write_down, &t, &err));
    EXPECT(PENSEE_OK, err,
           pensee_detokenize(model, t.ids, t.count, PENSEE_SKIP_SPECIAL, bytes, sizeof bytes, &length, &err));
    if (!abi_valid_utf8(bytes, length)) continue;
    compared++;
    CHECK(length == t.length && memcmp(bytes, t.text, length) == 0);
  }
  CHECK(compared > 0);
  pensee_session_free(session);
  pensee_model_free(model);
}

static void round_trip(void) {
  static const char* const texts[] = {"", "hello", "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z", "tab\tnewline\n \r\x01"};
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_error err;
  size_t i;
  for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const size_t length = strlen(texts[i]);
    int32_t ids[64] = {0};
    char back[64] = {0};
    size_t count = 99, written = 99;
    EXPECT(PENSEE_OK, err, pensee_tokenize(model, texts[i], length, 0, NULL, 0, &count, &err));
    CHECK(count <= 64);
    EXPECT(PENSEE_OK, err, pensee_tokenize(model, texts[i], length, 0, ids, 64, &count, &err));
    EXPECT(PENSEE_OK, err, pensee_detokenize(model, ids, count, 0, back, sizeof back, &written, &err));
    CHECK(written == length && memcmp(back, texts[i], length) == 0);
  }
  pensee_model_free(model);
}

/* Capacity is never exceeded and the full number is told. */
static void short_buffers(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_error err;
  int32_t ids[8] = {-7, -7, -7, -7, -7, -7, -7, -7};
  char text[8] = {'#', '#', '#', '#', '#', '#', '#', '#'};
  size_t count = 0, length = 0;
  EXPECT(PENSEE_OK, err, pensee_tokenize(model, "qzxjk", 5, 0, ids, 2, &count, &err));
  CHECK(count == 5 && ids[0] >= 0 && ids[1] >= 0 && ids[2] == -7);
  EXPECT(PENSEE_OK, err, pensee_tokenize(model, "qzxjk", 5, 0, ids, 8, &count, &err));
  EXPECT(PENSEE_OK, err, pensee_detokenize(model, ids, 5, 0, text, 3, &length, &err));
  CHECK(length == 5 && memcmp(text, "qzx#####", 8) == 0);
  pensee_model_free(model);
}

static void special_tokens(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_error err;
  int32_t ids[16];
  char text[16];
  const int32_t end = 1;
  size_t count = 0;
  EXPECT(PENSEE_OK, err, pensee_tokenize(model, "</s>", 4, 0, ids, 16, &count, &err));
  CHECK(count == 1 && ids[0] == end);
  EXPECT(PENSEE_OK, err, pensee_tokenize(model, "</s>", 4, PENSEE_PLAIN_TEXT, ids, 16, &count, &err));
  CHECK(count > 1);
  EXPECT(PENSEE_OK, err, pensee_detokenize(model, &end, 1, 0, text, 16, &count, &err));
  CHECK(count == 4 && memcmp(text, "</s>", 4) == 0);
  EXPECT(PENSEE_OK, err, pensee_detokenize(model, &end, 1, PENSEE_SKIP_SPECIAL, text, 16, &count, &err));
  CHECK(count == 0);
  pensee_model_free(model);
}

/* The message of an error is cut at a code point as well: abi_status looks at every message; this one is too long. */
static void long_message(void) {
  pensee_model* model = NULL;
  pensee_error err;
  char path[1024] = "";
  int shift, i;
  for (shift = 0; shift < 4; shift++) {
    size_t length = (size_t)shift;
    memset(path, 'x', length);
    for (i = 0; i < 250; i++, length += 4) memcpy(path + length, "\xF0\x9F\x98\x80", 4);
    path[length] = '\0';
    abi_reset(&err);
    CHECK(pensee_model_open(path, NULL, &model, &err) != PENSEE_OK);
    CHECK(memchr(err.message, 0, sizeof err.message) != NULL);
    CHECK(abi_valid_utf8(err.message, strlen(err.message)));
  }
}

static void alternatives(void) {
  pensee_model* model = abi_open(ABI_GGUF);
  pensee_session* session = abi_session(model);
  const pensee_prompt prompt = abi_prompt();
  pensee_options options = abi_greedy(5);
  pensee_stream* stream = NULL;
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_error err;
  options.top_logprobs = 3;
  EXPECT(PENSEE_OK, err, pensee_stream_open(session, &prompt, &options, &stream, &err));
  while (EXPECT(PENSEE_OK, err, pensee_stream_next(stream, -1, &event, &err)) && event.kind != PENSEE_EVENT_END) {
    if (event.token_id < 0) continue;
    CHECK(event.num_alternatives == 3);
    if (event.num_alternatives != 3) break;
    CHECK(event.alternatives[0].token_id == event.token_id); /* greedy takes the best */
    CHECK(event.alternatives[0].logprob == event.logprob);
    CHECK(event.alternatives[0].logprob >= event.alternatives[1].logprob);
    CHECK(event.alternatives[1].logprob >= event.alternatives[2].logprob);
  }
  pensee_stream_free(stream);
  pensee_session_free(session);
  pensee_model_free(model);
}

const abi_case abi_text[] = {{"random bytes come out as events that are UTF-8 each", random_bytes},
                             {"events say what the tokens say", same_as_detokenized},
                             {"text survives tokens and back", round_trip},
                             {"no capacity is exceeded and the full number is told", short_buffers},
                             {"a special token in a text is that token, unless the text is plain", special_tokens},
                             {"a message is cut at a code point", long_message},
                             {"alternatives come best first, and greedy takes the first", alternatives},
                             {NULL, NULL}};
