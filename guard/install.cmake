# SPDX-License-Identifier: Apache-2.0
# One archive with all that the library stands on, its headers, and what CMake
# and pkg-config need to find them. Component "guard".
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

add_library(fodc-guard STATIC
  $<TARGET_OBJECTS:fodc_guard> $<TARGET_OBJECTS:fodc_base>
  $<TARGET_OBJECTS:fodc_pprof> $<TARGET_OBJECTS:fodc_wal>)
set_target_properties(fodc-guard PROPERTIES EXPORT_NAME guard)
target_link_libraries(fodc-guard PUBLIC Threads::Threads ZLIB::ZLIB)
target_compile_features(fodc-guard PUBLIC cxx_std_20)
target_include_directories(fodc-guard INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# By itself: whoever links it has malloc replaced.
add_library(fodc-guard-sampler STATIC $<TARGET_OBJECTS:fodc_guard_sampler>)
set_target_properties(fodc-guard-sampler PROPERTIES EXPORT_NAME guard-sampler)
target_link_libraries(fodc-guard-sampler PUBLIC fodc-guard)
target_link_options(fodc-guard-sampler
  INTERFACE LINKER:--undefined=fodc_guard_sampler_table)

install(TARGETS fodc-guard fodc-guard-sampler EXPORT fodc-guard
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT guard)
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/include/
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT guard
  FILES_MATCHING PATTERN "*.h")
# What the public headers name.
foreach(header base/clock.h base/mutex.h base/status.h wal/wal.h)
  get_filename_component(room ${header} DIRECTORY)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/../src/fodc/${header}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/fodc/${room} COMPONENT guard)
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/fodc-guard)
install(EXPORT fodc-guard NAMESPACE fodc:: DESTINATION ${package_dir}
  FILE fodc-guardTargets.cmake COMPONENT guard)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/fodc-guardConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/fodc-guardConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/fodc-guardConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fodc-guardConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/fodc-guardConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT guard)
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  ${CMAKE_INSTALL_PREFIX})
foreach(name fodc-guard fodc-guard-sampler)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in
    ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc @ONLY)
endforeach()
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fodc-guard.pc
  ${CMAKE_CURRENT_BINARY_DIR}/fodc-guard-sampler.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT guard)
