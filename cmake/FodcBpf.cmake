# SPDX-License-Identifier: Apache-2.0
# fodc_add_bpf(<stem> [DIRECTORY dir]): bpf/<stem>.bpf.c -> <stem>.skel.h, which
# holds the object, as fodc_bpf_<stem>. vmlinux.h is the pinned one, never the
# host's.
include_guard()
function(fodc_add_bpf stem)
  find_program(FODC_BPF_CLANG NAMES clang-14 clang REQUIRED)
  find_program(FODC_BPFTOOL bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)
  cmake_parse_arguments(A "" "DIRECTORY" "" ${ARGN})
  if(NOT A_DIRECTORY)
    set(A_DIRECTORY ${PROJECT_SOURCE_DIR}/bpf)
  endif()
  set(source ${A_DIRECTORY}/${stem}.bpf.c)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/bpf)
  file(MAKE_DIRECTORY ${out})
  add_custom_command(OUTPUT ${out}/${stem}.bpf.o
    COMMAND ${FODC_BPF_CLANG} -target bpf -mcpu=v3 -g -O2 -Wall -Wextra -Werror
      -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
      -D__TARGET_ARCH_x86 -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.
      -I${PROJECT_SOURCE_DIR}/bpf -I${PROJECT_SOURCE_DIR}/bpf/vmlinux/x86
      -MMD -MF ${out}/${stem}.d -MT ${out}/${stem}.bpf.o
      -c ${source} -o ${out}/${stem}.bpf.o
    DEPENDS ${source} DEPFILE ${out}/${stem}.d VERBATIM)
  # Linked by itself: what is left is code and BTF, without DWARF.
  add_custom_command(OUTPUT ${out}/${stem}.skel.h
    COMMAND ${FODC_BPFTOOL} gen object ${out}/${stem}.linked.o
      ${out}/${stem}.bpf.o
    COMMAND sh -c "\"$0\" gen skeleton \"$1\" name \"$2\" > \"$3\""
      ${FODC_BPFTOOL} ${out}/${stem}.linked.o ${stem} ${out}/${stem}.skel.h
    DEPENDS ${out}/${stem}.bpf.o VERBATIM)
  add_custom_target(fodc_bpf_${stem}_made DEPENDS ${out}/${stem}.skel.h)
  add_library(fodc_bpf_${stem} INTERFACE)
  add_dependencies(fodc_bpf_${stem} fodc_bpf_${stem}_made)
  target_include_directories(fodc_bpf_${stem} SYSTEM INTERFACE ${out})
  target_link_libraries(fodc_bpf_${stem} INTERFACE PkgConfig::LIBBPF)
endfunction()
