# pensee_swig(LANGUAGE NAME OUTDIR OPTIONS...): the library NAME of what SWIG makes of pensee.i. The sources in LANGUAGE
# land in OUTDIR, which holds nothing else. The library carries libpensee and the C++ runtime inside itself and exports
# the entry points of its language alone.

# Called as a script: what SWIG writes for Java's constants is public, and empty here.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} text)
  string(REPLACE "public interface" "interface" text "${text}")
  file(WRITE ${FILE} "${text}")
  return()
endif()

find_package(SWIG 4.1 REQUIRED)
set(pensee_swig_dir ${CMAKE_CURRENT_LIST_DIR})

function(pensee_swig language name outdir)
  set(hide)
  if(language STREQUAL java)
    set(hide COMMAND ${CMAKE_COMMAND} -DFILE=${outdir}/NativeConstants.java -P ${pensee_swig_dir}/PenseeSwig.cmake)
  endif()
  set(wrap ${CMAKE_CURRENT_BINARY_DIR}/${name}.cxx)
  add_custom_command(
    OUTPUT ${wrap}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${outdir}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${outdir}
    COMMAND ${CMAKE_COMMAND} -E env SWIG_LIB=${SWIG_DIR} ${SWIG_EXECUTABLE} -c++ -${language} ${ARGN}
            -I${PROJECT_SOURCE_DIR}/include -I${pensee_swig_dir} -outdir ${outdir} -o ${wrap}
            ${pensee_swig_dir}/pensee.i
    ${hide}
    DEPENDS ${pensee_swig_dir}/pensee.i ${pensee_swig_dir}/${language}_shapes.i
            ${PROJECT_SOURCE_DIR}/include/pensee/pensee.h
    VERBATIM)
  add_library(${name} MODULE ${wrap})
  set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY "" LINKER_LANGUAGE CXX)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE pensee_static)
  if(UNIX AND NOT APPLE)
    set(map ${pensee_swig_dir}/exports.map)
    target_link_options(${name} PRIVATE -Wl,--version-script=${map} -Wl,-z,defs,-z,relro,-z,now
                                        $<$<CONFIG:Release>:-s>)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${map})
    if(NOT ANDROID)
      target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
    endif()
    if(PENSEE_SANITIZE)
      target_link_options(${name} PRIVATE -Wl,-z,undefs)
    endif()
  endif()
endfunction()
