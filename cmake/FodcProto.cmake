# SPDX-License-Identifier: Apache-2.0
# fodc_add_proto(<name> ROOT <import root> PROTOS a.proto ... [GRPC b.proto ...])
# -> fodc_<name>, alias fodc::<name>: the generated messages and, for the files
# under GRPC, the services.
include_guard()
function(fodc_add_proto name)
  cmake_parse_arguments(A "" "ROOT" "PROTOS;GRPC;DEPS" ${ARGN})
  find_program(FODC_PROTOC protoc REQUIRED)
  find_program(FODC_GRPC_PLUGIN grpc_cpp_plugin REQUIRED)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${out})
  set(generated)
  foreach(proto IN LISTS A_PROTOS A_GRPC)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(files ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set(args --cpp_out=${out})
    if(proto IN_LIST A_GRPC)
      list(APPEND files ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h)
      list(APPEND args --grpc_out=${out}
        --plugin=protoc-gen-grpc=${FODC_GRPC_PLUGIN})
    endif()
    add_custom_command(OUTPUT ${files}
      COMMAND ${FODC_PROTOC} -I${A_ROOT} ${args} ${A_ROOT}/${proto}
      DEPENDS ${A_ROOT}/${proto} VERBATIM)
    list(APPEND generated ${files})
  endforeach()
  add_library(fodc_${name} STATIC ${generated})
  add_library(fodc::${name} ALIAS fodc_${name})
  target_include_directories(fodc_${name} SYSTEM PUBLIC ${out})
  target_link_libraries(fodc_${name} PUBLIC ${A_DEPS} protobuf::libprotobuf
    PkgConfig::GRPCPP)
  fodc_without_ubsan(fodc_${name})
endfunction()
