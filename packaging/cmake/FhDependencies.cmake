# Every library firehosed uses, in one place. Versions are those of RHEL 9 + EPEL or Debian 12,
# whichever is older.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.76)
pkg_check_modules(CONFIG REQUIRED IMPORTED_TARGET libconfig>=1.5)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd>=250)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.3.4)
# Datagrams between the nodes; the library ZeroMQ takes its CURVE from, so it is there anyway.
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb>=0.9.24)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4>=1.9.3)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8.0)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd>=1.5)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.14)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c>=1.3.3)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib>=1.2.11)
find_program(FH_PROTOC protoc REQUIRED)
find_program(FH_PROTOC_C protoc-c REQUIRED)
find_path(FH_PROTOBUF_INCLUDE google/protobuf/descriptor.proto REQUIRED)
# `optional` in proto3: protoc before 3.15 (RHEL 9 has 3.14) wants to be asked.
execute_process(COMMAND ${FH_PROTOC} --version OUTPUT_VARIABLE protoc_version
  OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE "^libprotoc " "" protoc_version "${protoc_version}")
set(FH_PROTOC_FLAGS "")
if(protoc_version VERSION_LESS 3.15)
  set(FH_PROTOC_FLAGS --experimental_allow_proto3_optional)
endif()
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
if(NOT TARGET Wslay::wslay) # Debian ships no .pc file for it
  find_path(WSLAY_INCLUDE_DIR wslay/wslay.h REQUIRED)
  find_library(WSLAY_LIBRARY wslay REQUIRED)
  add_library(Wslay::wslay UNKNOWN IMPORTED)
  set_target_properties(Wslay::wslay PROPERTIES IMPORTED_LOCATION ${WSLAY_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${WSLAY_INCLUDE_DIR})
endif()
if(FH_SIMULATOR)
  pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.43)
  pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
endif()
if(FH_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)
endif()
