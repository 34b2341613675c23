# One set of warnings for all our own code.
add_library(pensee_warnings INTERFACE)
target_compile_options(pensee_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  $<$<BOOL:${PENSEE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False in gcc 12 about std::string + literal and about moved std::variants, which Result is.
  target_compile_options(pensee_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
