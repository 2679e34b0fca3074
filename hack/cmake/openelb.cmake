# The functions every folder's CMakeLists.txt uses, and the flags all our code is compiled with.
include(GoogleTest)

# OPENELB_SANITIZE: empty, "address" (with undefined) or "thread".
set(OPENELB_SANITIZE "" CACHE STRING "sanitizer the whole build uses: address or thread")
# OPENELB_FUZZ: fuzz targets become libFuzzer programs (clang); otherwise each replays its corpus as a test.
option(OPENELB_FUZZ "build fuzz targets with libFuzzer" OFF)
option(OPENELB_COVERAGE "count for gcov how often each line runs" OFF)

add_library(openelb_flags INTERFACE)
target_include_directories(openelb_flags INTERFACE ${CMAKE_SOURCE_DIR})
# A designated initializer leaves the rest to the members' defaults on purpose.
target_compile_options(openelb_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
target_link_options(openelb_flags INTERFACE -fuse-ld=mold)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Only clang checks locks against their annotations. What it takes for deprecated is libstdc++'s own stable_sort.
  target_compile_options(openelb_flags INTERFACE -Wthread-safety -Wno-deprecated-declarations)
endif()
if(OPENELB_FUZZ OR OPENELB_SANITIZE STREQUAL "thread")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")
elseif(OPENELB_SANITIZE)
  # Compiling instrumented code costs more than running it: -O0 halves the whole.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O0 -g1")
endif()
if(OPENELB_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(OPENELB_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()
if(OPENELB_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(OPENELB_COVERAGE)
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O0 -g0")
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

find_program(OPENELB_CCACHE ccache)
if(OPENELB_CCACHE)
  # What ccache asks for before it keeps what was compiled with a precompiled header.
  # Paths count from the checkout, so that one checkout finds what another has compiled, where no precompiled header
  # is used.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${OPENELB_CCACHE})
endif()

# Parsing what nearly every source includes is half of the work at -O0, so the sanitizers' builds do it once. The
# plain build does not: there each source has to include what it needs.
if(OPENELB_SANITIZE)
  add_compile_options(-pthread)  # some libraries ask for it, and a header compiled without does not fit with them
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-Xclang -fno-pch-timestamp)  # the same header compiled again is the same file
  endif()
  foreach(kind library test)
    file(WRITE ${CMAKE_BINARY_DIR}/precompiled_${kind}.cc "")
    add_library(precompiled_${kind} OBJECT ${CMAKE_BINARY_DIR}/precompiled_${kind}.cc)
    target_link_libraries(precompiled_${kind} PRIVATE openelb_flags absl::status absl::statusor absl::strings absl::time)
    target_precompile_headers(precompiled_${kind} PRIVATE <algorithm> <functional> <map> <memory> <optional> <set>
      <string> <variant> <vector> <absl/status/statusor.h> <absl/strings/str_cat.h> <absl/strings/str_join.h>
      <absl/strings/str_split.h> <absl/time/clock.h> <absl/time/time.h>)
  endforeach()
  target_link_libraries(precompiled_test PRIVATE GTest::gmock)
  target_precompile_headers(precompiled_test PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
endif()

function(openelb_precompile name kind)
  if(OPENELB_SANITIZE)
    target_precompile_headers(${name} REUSE_FROM precompiled_${kind})
  endif()
endfunction()

# openelb_library(NAME HEADERS a.h ... [SOURCES a.cc ...] [DEPS public...] [PRIVATE_DEPS private...])
# A header compiles alone: hack/lint sees to it that a source includes its own header first; headers that have no
# source form a file set of their own, and the target all_verify_interface_header_sets compiles each of them.
function(openelb_library name)
  cmake_parse_arguments(arg "" "" "HEADERS;SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    openelb_precompile(${name} library)
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  set(without_source)
  foreach(header IN LISTS arg_HEADERS)
    cmake_path(REPLACE_EXTENSION header LAST_ONLY cc OUTPUT_VARIABLE source)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
      list(APPEND without_source ${header})
    endif()
  endforeach()
  target_sources(${name} ${scope}
    FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${arg_HEADERS}
    FILE_SET without_source TYPE HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${without_source})
  target_link_libraries(${name} ${scope} openelb_flags ${arg_DEPS})
  if(arg_PRIVATE_DEPS)
    target_link_libraries(${name} PRIVATE ${arg_PRIVATE_DEPS})
  endif()
  set_target_properties(${name} PROPERTIES
    VERIFY_INTERFACE_HEADER_SETS ON INTERFACE_HEADER_SETS_TO_VERIFY without_source)
endfunction()

# openelb_binary(NAME SOURCES ... DEPS ...): a program under build/bin.
function(openelb_binary name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE openelb_flags ${arg_DEPS})
endfunction()

# All unit tests and corpus replays, without the programs.
add_custom_target(unit_tests)

# openelb_test(NAME SOURCES ... DEPS ... [THREADED] [RANDOM] [TIMEOUT seconds]): GoogleTest program, one ctest
# entry per test. THREADED marks tests that run threads: the thread sanitizer build runs just those. RANDOM marks
# those of many random steps: OPENELB_SANITIZED tells them to take fewer.
function(openelb_test name)
  cmake_parse_arguments(arg "THREADED;RANDOM" "TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(OPENELB_FUZZ)
    return()
  endif()
  if(OPENELB_SANITIZE STREQUAL "thread" AND NOT arg_THREADED)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE openelb_flags GTest::gmock_main ${arg_DEPS})
  openelb_precompile(${name} test)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
  add_dependencies(unit_tests ${name})
  if(arg_RANDOM AND OPENELB_SANITIZE)
    target_compile_definitions(${name} PRIVATE OPENELB_SANITIZED)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT})
  if(OPENELB_SANITIZE STREQUAL "thread")
    # Debian's libraries are not instrumented, so what happens inside them looks like races.
    list(APPEND properties ENVIRONMENT
      "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/hack/tsan.supp:ignore_noninstrumented_modules=1:report_thread_leaks=0")
  endif()
  gtest_discover_tests(${name} TEST_PREFIX ${name}. WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()

add_custom_target(benchmarks)

# openelb_benchmark(NAME SOURCES ... DEPS ...): google-benchmark program; `make bench` runs them.
function(openelb_benchmark name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  if(OPENELB_SANITIZE OR OPENELB_FUZZ)
    return()
  endif()
  add_executable(${name} EXCLUDE_FROM_ALL ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE openelb_flags benchmark::benchmark_main ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  add_dependencies(benchmarks ${name})
endfunction()

add_custom_target(fuzzers)

# openelb_fuzz(NAME SOURCES ... DEPS ... CORPUS dir [DECODERS x.cc ...]): one LLVMFuzzerTestOneInput. With OPENELB_FUZZ
# a libFuzzer program under build/fuzz; without, a test that feeds every corpus file through it once. hack/coverage sees
# to it that the corpus covers the DECODERS.
function(openelb_fuzz name)
  cmake_parse_arguments(arg "" "CORPUS" "SOURCES;DEPS;DECODERS" ${ARGN})
  if(OPENELB_SANITIZE STREQUAL "thread")
    return()
  endif()
  if(OPENELB_COVERAGE AND arg_DECODERS)
    list(TRANSFORM arg_DECODERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    list(JOIN arg_DECODERS "\n" decoders)
    file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/coverage/${name}
      CONTENT "${CMAKE_CURRENT_SOURCE_DIR}/${arg_CORPUS}\n${decoders}\n")
  endif()
  if(OPENELB_FUZZ)
    add_executable(${name} ${arg_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${name})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/fuzz/${name}.corpus CONTENT "${CMAKE_CURRENT_SOURCE_DIR}/${arg_CORPUS}\n")
  else()
    add_executable(${name} ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/hack/cmake/replay_corpus.cc)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
    add_dependencies(unit_tests ${name})
    add_test(NAME ${name}.corpus COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/${arg_CORPUS})
  endif()
  target_link_libraries(${name} PRIVATE openelb_flags ${arg_DEPS})
endfunction()

# All generated sources: what an analysis of the code needs before it can parse it.
add_custom_target(generated)

# openelb_proto(NAME FILE [GRPC]): a library from one .proto below api/. With GRPC, NAME_grpc holds the service.
function(openelb_proto name file)
  cmake_parse_arguments(arg "GRPC" "" "" ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${out})
  cmake_path(REMOVE_EXTENSION file OUTPUT_VARIABLE stem)
  add_custom_command(OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
    COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR} --cpp_out=${out} ${file}
    DEPENDS ${CMAKE_SOURCE_DIR}/${file} VERBATIM)
  add_custom_target(${name}_sources DEPENDS ${out}/${stem}.pb.cc)
  add_dependencies(generated ${name}_sources)
  add_library(${name} STATIC ${out}/${stem}.pb.cc)
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf)
  target_link_options(${name} INTERFACE -fuse-ld=mold)
  if(arg_GRPC)
    add_custom_command(OUTPUT ${out}/${stem}.grpc.pb.cc ${out}/${stem}.grpc.pb.h
      COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR} --grpc_out=${out}
              --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${file}
      DEPENDS ${CMAKE_SOURCE_DIR}/${file} VERBATIM)
    add_custom_target(${name}_grpc_sources DEPENDS ${out}/${stem}.grpc.pb.cc)
    add_dependencies(generated ${name}_grpc_sources)
    add_library(${name}_grpc STATIC ${out}/${stem}.grpc.pb.cc)
    target_link_libraries(${name}_grpc PUBLIC ${name} gRPC::grpc++)
  endif()
endfunction()
