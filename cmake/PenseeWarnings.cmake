# One set of warnings for all our own code.
add_library(pensee_warnings INTERFACE)
target_compile_options(pensee_warnings INTERFACE -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  $<$<BOOL:${PENSEE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(pensee_warnings INTERFACE -Wno-restrict)  # false about std::string + literal in gcc 12
endif()
