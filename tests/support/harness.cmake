# SPDX-License-Identifier: Apache-2.0
# Real processes, endpoints that misbehave, relays; and on top of them the
# programs of this project as a cluster.
add_library(fodc_test_harness STATIC
  fake_endpoint.cc fake_endpoint.h http.cc http.h process.cc process.h wait.h)
add_library(fodc::test_harness ALIAS fodc_test_harness)
target_include_directories(fodc_test_harness PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(fodc_test_harness PUBLIC fodc::base
  PRIVATE CURL::libcurl fodc_warnings)

add_library(fodc_test_cluster STATIC cluster.cc cluster.h go_pprof.cc
  go_pprof.h window.cc window.h)
add_library(fodc::test_cluster ALIAS fodc_test_cluster)
target_link_libraries(fodc_test_cluster PUBLIC fodc_test_harness
  fodc::test_paths GTest::gmock
  PRIVATE fodc_warnings)

fodc_add_test(test_harness_test SRCS test_harness_test.cc
  DEPS fodc::test_harness)

# Load for benchmarks of whole programs.
add_library(fodc_test_load STATIC tiled_pages.cc tiled_pages.h)
add_library(fodc::test_load ALIAS fodc_test_load)
target_include_directories(fodc_test_load PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(fodc_test_load PUBLIC fodc::base
  PRIVATE fodc_test_support fodc_warnings)
