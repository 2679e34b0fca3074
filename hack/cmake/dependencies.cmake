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
