/* Asks a model one question and shows its thought dimmed and its answer bold while they are made.
 *
 *   ask MODEL "Is 221 prime?"
 *
 * Push: pensee_generate calls us back with each event, on this thread, and returns when the reply is complete. */
#include <pensee/pensee.h>
#include <stdio.h>

static int show(void* user, const pensee_event* event) {
  int32_t* section = user;
  if (event->kind == PENSEE_EVENT_END) {
    const pensee_usage* usage = event->usage;
    printf("\033[0m\n");
    fprintf(stderr,
            "%lld thought + %lld answer tokens, %.1f tokens/s, first token after %.2f s, %.1fM parameters each\n",
            (long long)usage->thought_tokens, (long long)usage->answer_tokens, usage->tokens_per_second,
            usage->seconds_to_first_token, (double)usage->parameters_active / 1e6);
    return 0;
  }
  if (event->text_length > 0 && event->kind != *section) {
    printf(event->kind == PENSEE_EVENT_THOUGHT ? "\033[2m" : "\033[0m\n\033[1m");
    *section = event->kind;
  }
  if (event->text_length > 0) fwrite(event->text, 1, event->text_length, stdout);
  return fflush(stdout); /* anything but 0 stops the generation: nobody reads any more */
}

int main(int argc, char** argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model* model = NULL;
  pensee_session* session = NULL;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_options options = PENSEE_OPTIONS_INIT;
  int32_t section = 0;
  if (argc != 3) {
    fprintf(stderr, "usage: %s MODEL QUESTION\n", argv[0]);
    return 2;
  }
  prompt.text = argv[2];
  options.max_tokens = 2000;
  options.think_budget = 1500; /* then the thought is closed and the answer begins */

  if (pensee_model_open(argv[1], NULL, &model, &error) == PENSEE_OK &&
      pensee_session_new(model, &session, &error) == PENSEE_OK)
    pensee_generate(session, &prompt, &options, show, &section, &error);
  if (error.status != PENSEE_OK) fprintf(stderr, "%s: %s\n", pensee_status_name(error.status), error.message);
  pensee_session_free(session);
  pensee_model_free(model);
  return error.status == PENSEE_OK ? 0 : 1;
}
