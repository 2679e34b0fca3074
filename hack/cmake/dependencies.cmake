# The packages the product links, all from Debian 12. Which folder may link which is said where it
# links it: only controller/push and speaker/link see gRPC, only controller/kube sees cpprestsdk.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(Protobuf MODULE REQUIRED)  # Debian ships no config file for it
find_package(gRPC CONFIG REQUIRED)
find_package(cpprestsdk CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(civetweb CONFIG REQUIRED)
find_package(GTest CONFIG REQUIRED)
find_package(benchmark CONFIG REQUIRED)

# Abseil, gRPC and Protobuf, which Debian's files give as 50 shared libraries, are linked in: a speaker at rest takes
# 3 MiB less, and each program and test starts some 25 ms sooner. Not so for the thread sanitizer, which has to know code
# that is not instrumented by its library. OpenSSL stays shared: cpprestsdk has it, too.
if(NOT OPENELB_SANITIZE STREQUAL "thread")
  get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
  list(FILTER imported INCLUDE REGEX "^(absl|gRPC)::|^protobuf::libprotobuf$")
  foreach(target IN LISTS imported)
    foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_NONE)
      get_target_property(shared ${target} ${property})
      if(shared MATCHES "\\.so")
        string(REGEX REPLACE "\\.so.*" ".a" static ${shared})
        set_target_properties(${target} PROPERTIES ${property} ${static})
      endif()
    endforeach()
  endforeach()
endif()
