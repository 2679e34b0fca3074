#include "api/plan/resource.h"

namespace openelb::plan {
namespace {

uint64_t Fnv1a(uint64_t hash, absl::string_view bytes) {
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

}  // namespace

uint64_t ResourceHash(absl::string_view key, absl::string_view body) {
  uint64_t hash = Fnv1a(0xcbf29ce484222325ULL, key);
  hash = Fnv1a(hash, absl::string_view("\0", 1));
  hash = Fnv1a(hash, body);
  // MurmurHash3's 64-bit finalizer.
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ULL;
  hash ^= hash >> 33;
  return hash;
}

}  // namespace openelb::plan
