/* Prints the version of the library that was found, and eight tokens that MODEL ("": the default one) generates; fails
 * when header and library differ.
 *
 *   app MODEL */
#include <pensee/pensee.h>
#include <stdio.h>

static int print_id(void* user, const pensee_event* event) {
  (void)user;
  if (event->token_id >= 0) printf(" %d", (int)event->token_id);
  return 0;
}

int main(int argc, char** argv) {
  const int32_t ids[] = {5, 17, 40, 3};
  pensee_model* model = NULL;
  pensee_session* session = NULL;
  pensee_prompt prompt = PENSEE_PROMPT_INIT;
  pensee_options options = PENSEE_OPTIONS_INIT;
  pensee_error error = PENSEE_ERROR_INIT;
  if (pensee_version() != PENSEE_VERSION || argc != 2) return 2;
  printf("%s:", pensee_version_text());
  prompt.ids = ids;
  prompt.num_ids = 4;
  options.temperature = 0;
  options.max_tokens = 8;
  options.ignore_eos = 1;
  if (pensee_model_open(argv[1][0] ? argv[1] : NULL, NULL, &model, &error) != PENSEE_OK ||
      pensee_session_new(model, &session, &error) != PENSEE_OK ||
      pensee_generate(session, &prompt, &options, print_id, NULL, &error) != PENSEE_OK) {
    fprintf(stderr, "%s: %s\n", pensee_status_name(error.status), error.message);
  }
  pensee_session_free(session);
  pensee_model_free(model);
  printf("\n");
  return error.status == PENSEE_OK ? 0 : 1;
}
