/* The same events as in ask.c, pulled: the program asks for the next one and waits as long as it likes. Here it gives
 * the model ten seconds to think; then it closes the thought, and the answer follows.
 *
 *   pull MODEL "Is 221 prime?" */
#include <pensee/pensee.h>
#include <stdio.h>
#include <time.h>

enum { wait_ms = 200, thinking_seconds_max = 10 };

/* Returns the status of the last call that mattered. */
static pensee_status read_stream(pensee_stream* stream, pensee_error* error) {
  const time_t begin = time(NULL);
  int closed = 0;
  for (;;) {
    pensee_event event = PENSEE_EVENT_INIT;
    pensee_status status = pensee_stream_next(stream, wait_ms, &event, error);
    if (!closed && difftime(time(NULL), begin) > thinking_seconds_max) {
      pensee_stream_end_thought(stream);
      closed = 1;
    }
    if (status == PENSEE_TIMEOUT) { /* no event yet: a window would be redrawn here */
      fputc('.', stderr);
      continue;
    }
    if (status != PENSEE_OK) return status;
    if (event.kind == PENSEE_EVENT_END) {
      printf("\n[finish reason %d, %lld tokens]\n", (int)event.finish_reason,
             (long long)(event.usage->thought_tokens + event.usage->answer_tokens));
      return PENSEE_OK;
    }
    if (event.text_length > 0) fwrite(event.text, 1, event.text_length, stdout);
    fflush(stdout);
  }
}

int main(int argc, char** argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model* model = NULL;
  pensee_session* session = NULL;
  pensee_stream* stream = NULL;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_options options = PENSEE_OPTIONS_INIT;
  pensee_status status;
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]);
    return 2;
  }
  prompt.text = argv[2];
  options.max_tokens = 2000;

  status = pensee_model_open(argv[1], NULL, &model, &error);
  if (status == PENSEE_OK) status = pensee_session_new(model, &session, &error);
  if (status == PENSEE_OK) status = pensee_stream_open(session, &prompt, &options, &stream, &error);
  if (status == PENSEE_OK) status = read_stream(stream, &error);
  if (status != PENSEE_OK) fprintf(stderr, "%s: %s\n", pensee_status_name(status), error.message);
  pensee_model_free(model); /* in any order: the stream keeps its session alive, the session its model */
  pensee_session_free(session);
  pensee_stream_free(stream);
  return status == PENSEE_OK ? 0 : 1;
}
