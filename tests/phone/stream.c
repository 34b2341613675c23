/* One streamed answer, printed as JSON: what stream_test.py compares with tests/scenarios, under whatever CPU qemu
 * plays. The model is opened as an asset is, by descriptor, offset and length, and the descriptor is closed at once.
 *
 *   phone_stream FILE OFFSET LENGTH INT8 MAX_TOKENS THINK_BUDGET QUESTION */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "phone.h"

enum { ids_max = 512 };

int main(int argc, char** argv) {
  pensee_error error = PENSEE_ERROR_INIT;
  pensee_model_options open_options = PENSEE_MODEL_OPTIONS_INIT;
  pensee_model_info info = PENSEE_MODEL_INFO_INIT;
  pensee_model* model = NULL;
  pensee_session* session = NULL;
  pensee_options options;
  int32_t ids[ids_max];
  int fd, i, count = -1;
  if (argc != 8) return 2;
  open_options.activations = atoi(argv[4]) ? PENSEE_ACTIVATIONS_INT8 : PENSEE_ACTIVATIONS_AUTO;
  options = greedy(atoll(argv[5]), atoll(argv[6]));
  fd = open(argv[1], O_RDONLY);
  if (pensee_model_open_fd(fd, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), &open_options, &model,
                           &error) == PENSEE_OK) {
    close(fd);
    if (pensee_model_get_info(model, &info, &error) == PENSEE_OK &&
        pensee_session_new(model, &session, &error) == PENSEE_OK)
      count = stream_tokens(session, argv[7], &options, ids, ids_max, &error);
  }
  if (count < 0) {
    fprintf(stderr, "phone_stream: %s\n", error.message);
  } else {
    printf("{\"isa\": \"%s\", \"token_ids\": [", info.isa);
    for (i = 0; i < count; i++) printf("%s%d", i ? ", " : "", (int)ids[i]);
    printf("]}\n");
  }
  pensee_session_free(session);
  pensee_model_free(model);
  return count < 0;
}
