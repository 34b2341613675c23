/* What Swift sees: pensee.h, and its PENSEE_..._INIT macros as functions, since Swift imports no macro with braces. */
#ifndef CPENSEE_H
#define CPENSEE_H

#include <pensee/pensee.h>

static inline pensee_error cpensee_error(void) {
  pensee_error value = PENSEE_ERROR_INIT;
  return value;
}
static inline pensee_model_options cpensee_model_options(void) {
  pensee_model_options value = PENSEE_MODEL_OPTIONS_INIT;
  return value;
}
static inline pensee_model_info cpensee_model_info(void) {
  pensee_model_info value = PENSEE_MODEL_INFO_INIT;
  return value;
}
static inline pensee_memory cpensee_memory(void) {
  pensee_memory value = PENSEE_MEMORY_INIT;
  return value;
}
static inline pensee_prompt cpensee_prompt(void) {
  pensee_prompt value = PENSEE_PROMPT_INIT;
  return value;
}
static inline pensee_options cpensee_options(void) {
  pensee_options value = PENSEE_OPTIONS_INIT;
  return value;
}
static inline pensee_event cpensee_event(void) {
  pensee_event value = PENSEE_EVENT_INIT;
  return value;
}

#endif
