# One set of warnings for all our own code.
add_library(pensee_warnings INTERFACE)
target_compile_options(pensee_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  $<$<BOOL:${PENSEE_WERROR}>:-Werror>)
