# SPDX-License-Identifier: Apache-2.0
# The machinery behind a room's CMakeLists.txt, which is a list of nouns.
include_guard()
get_filename_component(FODC_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

find_program(FODC_CCACHE ccache)
if(FODC_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${FODC_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${FODC_CCACHE})
endif()

find_program(FODC_LLD ld.lld)
if(FODC_LLD AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=lld)
endif()

if(FODC_SANITIZE)
  add_compile_options(-fsanitize=${FODC_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FODC_SANITIZE})
  add_compile_definitions(FODC_SANITIZED)
endif()
if(FODC_SANITIZE STREQUAL "thread")
  add_compile_definitions(FODC_TSAN)
  # protobuf's headers give messages another layout under ThreadSanitizer than
  # the library has. Asio has fences, which GCC warns that it does not see.
  add_compile_options(-U__SANITIZE_THREAD__ -Wno-tsan)
endif()
if(FODC_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Paths of the build machine stay out of the binaries and out of the cache key.
add_compile_options(-ffile-prefix-map=${FODC_ROOT}=.)

add_library(fodc_warnings INTERFACE)
target_compile_options(fodc_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${FODC_WERROR}>:-Werror>)

# For code whose undefined behaviour is not ours to look for, generated or in a
# test: UBSan doubles the time to compile it. The other sanitizers stay.
function(fodc_without_ubsan target)
  if(FODC_SANITIZE MATCHES undefined)
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
endfunction()

# fodc_add_library(<room> SRCS a.cc a.h ... [PUBLIC targets] [PRIVATE targets])
# -> fodc_<room>, alias fodc::<room>.
function(fodc_add_library room)
  cmake_parse_arguments(A "" "" "SRCS;PUBLIC;PRIVATE" ${ARGN})
  add_library(fodc_${room} STATIC ${A_SRCS})
  add_library(fodc::${room} ALIAS fodc_${room})
  target_include_directories(fodc_${room} PUBLIC ${FODC_ROOT}/src)
  target_link_libraries(fodc_${room} PUBLIC ${A_PUBLIC}
    PRIVATE ${A_PRIVATE} fodc_warnings)
endfunction()

# fodc_add_program(<name> SRCS main.cc DEPS targets) -> build/<preset>/bin/<name>
function(fodc_add_program name)
  if(FODC_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_include_directories(${name} PRIVATE ${FODC_ROOT}/src)
  target_link_libraries(${name} PRIVATE ${A_DEPS} fodc_warnings)
endfunction()

# Half of the compiler's time goes into tests, and it is their callees that are
# to be fast. (ThreadSanitizer's suppressions need functions inlined.)
function(fodc_test_options target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
  if(FODC_SANITIZE MATCHES address)
    target_compile_options(${target} PRIVATE -O0)
  endif()
  fodc_without_ubsan(${target})
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main
    fodc_warnings)
endfunction()

# What every test includes is read once, not by each of its files.
function(fodc_use_test_headers target)
  if(NOT TARGET fodc_test_headers)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "")
    add_executable(fodc_test_headers ${CMAKE_BINARY_DIR}/test_headers.cc)
    fodc_test_options(fodc_test_headers)
    target_precompile_headers(fodc_test_headers PRIVATE <gmock/gmock.h>
      <gtest/gtest.h> <algorithm> <atomic> <chrono> <functional> <map>
      <memory> <optional> <string> <string_view> <thread> <variant> <vector>)
  endif()
  target_precompile_headers(${target} REUSE_FROM fodc_test_headers)
endfunction()

# fodc_add_test(<name> SRCS x_test.cc DEPS targets [LABELS unit|link|e2e|kernel]
#               [TIMEOUT seconds] [ENV NAME=value ...])
# One ctest entry per binary, judged by its exit code; ./dev lists the cases that
# were skipped.
# Labels: unit and link also run under the sanitizers; e2e and kernel do not.
function(fodc_add_test name)
  if(FODC_FUZZ OR FODC_GUARD_ALONE)
    return()
  endif()
  cmake_parse_arguments(A "SERIAL" "TIMEOUT" "SRCS;DEPS;LABELS;ENV" ${ARGN})
  if(NOT A_LABELS)
    set(A_LABELS unit)
  endif()
  if(FODC_SANITIZE AND NOT "unit" IN_LIST A_LABELS
     AND NOT "link" IN_LIST A_LABELS)
    return()
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  if(FODC_SANITIZE)
    set(A_TIMEOUT 900)
  endif()
  add_executable(${name} ${A_SRCS})
  target_include_directories(${name} PRIVATE ${FODC_ROOT}/src
    ${FODC_ROOT})
  target_link_libraries(${name} PRIVATE ${A_DEPS} fodc::test_paths)
  fodc_test_options(${name})
  fodc_use_test_headers(${name})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${A_LABELS}"
    TIMEOUT ${A_TIMEOUT} ENVIRONMENT "${A_ENV}")
  if(A_SERIAL)
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

# fodc_add_bench(<name> SRCS ... DEPS ...) -> build/<preset>/bench/<name>
function(fodc_add_bench name)
  if(FODC_SANITIZE OR FODC_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_include_directories(${name} PRIVATE ${FODC_ROOT}/src
    ${FODC_ROOT})
  target_link_libraries(${name} PRIVATE ${A_DEPS} fodc::test_paths
    fodc_warnings)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
endfunction()

# fodc_add_fuzzer(<name> SRCS x_fuzzer.cc DEPS targets)
# -> build/fuzz/fuzz/<name>; seeds in the directory <name>_corpus beside it.
function(fodc_add_fuzzer name)
  if(NOT FODC_FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_include_directories(${name} PRIVATE ${FODC_ROOT}/src)
  target_link_libraries(${name} PRIVATE ${A_DEPS} fodc_warnings)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
