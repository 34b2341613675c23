# Install rules. Into a prefix: the library, shared and static, its headers, find_package(pensee), pkg-config. Into both
# a prefix and a Python wheel: the default model, if it lies in share/pensee, and the libraries that a backend loads, if
# they were fetched as wheels; those of the system stay where they are. lib/base/folders.h knows where to look for them.
include(CMakePackageConfigHelpers)

# Copies of fetched libraries with their licences.
function(pensee_install_bundle folder licenses component)
  install(FILES ${PENSEE_BUNDLE} DESTINATION ${folder} COMPONENT ${component})
  foreach(entry ${PENSEE_BUNDLE_LICENSES})
    if(entry MATCHES "^([a-z]+)=(.*)$")
      set(name ${CMAKE_MATCH_1})
      set(entry ${CMAKE_MATCH_2})
    endif()
    install(FILES ${entry} DESTINATION ${licenses}/${name} COMPONENT ${component})
  endforeach()
endfunction()

file(GLOB pensee_default_model CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/share/pensee/pensee-mini.gguf)

if(SKBUILD)
  pensee_install_bundle(pensee pensee/licenses python)
  install(FILES ${pensee_default_model} DESTINATION pensee COMPONENT python)
  return()
endif()

set(libraries pensee)
if(BUILD_SHARED_LIBS)
  list(APPEND libraries pensee_static)
endif()
install(TARGETS ${libraries} EXPORT pensee-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/pensee DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/pensee)
install(EXPORT pensee-targets NAMESPACE pensee:: DESTINATION ${package} COMPONENT development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/pensee-config.cmake.in
  ${PROJECT_BINARY_DIR}/pensee-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/pensee-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/pensee-config.cmake ${PROJECT_BINARY_DIR}/pensee-config-version.cmake
  DESTINATION ${package} COMPONENT development)

# The paths in the .pc file start from its own place, so that an installed tree can be moved.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_private "-lstdc++ -lm -ldl -lpthread")
set(pc_static "")
if(NOT BUILD_SHARED_LIBS)  # whoever links the archive needs these without asking for --static
  set(pc_static ${pc_private})
  set(pc_private "")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/pensee.pc.in ${PROJECT_BINARY_DIR}/pensee.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pensee.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

install(FILES ${pensee_default_model} DESTINATION ${CMAKE_INSTALL_DATADIR}/pensee COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/pensee COMPONENT runtime)
pensee_install_bundle(${CMAKE_INSTALL_LIBDIR}/pensee ${CMAKE_INSTALL_DATADIR}/doc/pensee runtime)
