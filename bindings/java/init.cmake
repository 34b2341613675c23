# How Maven configures a build directory that is not configured yet: the library alone, as fast as it gets. What a
# directory was told before (-Dpensee.build=DIR) stays.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
foreach(part TESTS CLI PYTHON CSHARP ONEDNN BLAS)
  set(PENSEE_${part} OFF CACHE BOOL "")
endforeach()
