/* A conversation: questions come from the standard input, one a line; the thought is shown dimmed, then the answer. The
 * session gets the whole conversation each time and computes only what is new. The same program stands beside this one
 * in C++, Python, Java and C#.
 *
 *   chat MODEL [MAX_TOKENS [SEED]]        MAX_TOKENS: of each reply, 1000 by default; SEED: same seed, same text */
#include <pensee/pensee.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { line_max = 4096 };

struct text { /* grows; always terminated */
  char* bytes;
  size_t length;
};

static void append(struct text* text, const char* bytes, size_t length) {
  char* grown = realloc(text->bytes, text->length + length + 1);
  if (!grown) exit(1);
  memcpy(grown + text->length, bytes, length);
  text->bytes = grown;
  text->length += length;
  grown[text->length] = '\0';
}

/* The messages are a JSON array whose closing bracket is left out until it is sent. */
static void append_message(struct text* messages, const char* role, const char* content) {
  char piece[64];
  snprintf(piece, sizeof piece, "%s{\"role\": \"%s\", \"content\": \"", messages->length ? ", " : "[", role);
  append(messages, piece, strlen(piece));
  for (; *content; content++) {
    const unsigned char byte = (unsigned char)*content;
    snprintf(piece, sizeof piece, byte < 0x20 || byte == '"' || byte == '\\' ? "\\u%04x" : "%c", byte);
    append(messages, piece, strlen(piece));
  }
  append(messages, "\"}", 2);
}

static void show_end(const pensee_usage* usage) {
  printf("\033[0m\n[%lld of %lld prompt tokens kept, %lld of thought, %lld of answer]\n",
         (long long)usage->cached_tokens, (long long)usage->prompt_tokens, (long long)usage->thought_tokens,
         (long long)usage->answer_tokens);
}

/* One reply, shown as it comes; what belongs to the answer is kept. */
static pensee_status take_turn(pensee_session* session, const struct text* messages, const pensee_options* options,
                               struct text* answer, pensee_error* error) {
  pensee_stream* stream = NULL;
  pensee_event event = PENSEE_EVENT_INIT;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_status status;
  int32_t shown = 0; /* the kind of what was printed last */
  prompt.messages_json = messages->bytes;
  status = pensee_stream_open(session, &prompt, options, &stream, error);
  while (status == PENSEE_OK && event.kind != PENSEE_EVENT_END) {
    status = pensee_stream_next(stream, -1, &event, error);
    if (status != PENSEE_OK) break;
    if (event.kind == PENSEE_EVENT_END) show_end(event.usage);
    if (event.text_length == 0) continue;
    if (event.kind != shown) fputs(event.kind == PENSEE_EVENT_THOUGHT ? "\033[2m" : shown ? "\033[0m\n" : "", stdout);
    shown = event.kind;
    if (event.kind == PENSEE_EVENT_ANSWER) append(answer, event.text, event.text_length);
    fwrite(event.text, 1, event.text_length, stdout);
    fflush(stdout);
  }
  pensee_stream_free(stream);
  return status;
}

static pensee_status converse(pensee_session* session, const pensee_options* options, pensee_error* error) {
  struct text messages = {NULL, 0}, answer = {NULL, 0};
  pensee_status status = PENSEE_OK;
  char line[line_max];
  while (status == PENSEE_OK && printf("> ") > 0 && fflush(stdout) == 0 && fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\r\n")] = '\0';
    if (!*line) continue;
    append_message(&messages, "user", line);
    append(&messages, "]", 1);
    answer.length = 0;
    append(&answer, "", 0);
    status = take_turn(session, &messages, options, &answer, error);
    messages.length--; /* the bracket */
    append_message(&messages, "assistant", answer.bytes + strspn(answer.bytes, " \t\r\n"));
  }
  printf("\n");
  free(messages.bytes);
  free(answer.bytes);
  return status;
}

int main(int argc, char** argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model* model = NULL;
  pensee_session* session = NULL;
  pensee_options options = PENSEE_OPTIONS_INIT;
  pensee_status status;
  if (argc < 2 || argc > 4) {
    fprintf(stderr, "usage: %s MODEL [MAX_TOKENS [SEED]]\n", argv[0]);
    return 2;
  }
  options.max_tokens = argc > 2 ? atoll(argv[2]) : 1000;
  options.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
  options.think_budget = options.max_tokens / 2; /* then the thought is closed and the answer follows */

  status = pensee_model_open(argv[1], NULL, &model, &error);
  if (status == PENSEE_OK) status = pensee_session_new(model, &session, &error);
  if (status == PENSEE_OK) status = converse(session, &options, &error);
  if (status != PENSEE_OK) fprintf(stderr, "chat: %s\n", error.message);
  pensee_session_free(session);
  pensee_model_free(model);
  return status == PENSEE_OK ? 0 : 1;
}
