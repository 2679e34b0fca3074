#pragma once
// The resources of a plan as they came. A plan may have 100,000 of them, which are held for as long
// as the speaker runs: each is one block of memory with its sizes in a table.

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"

namespace openelb::link {

// Key and body, which stay where they are when it is moved. At most 4 GiB each.
class PackedResource {
 public:
  PackedResource(absl::string_view key, absl::string_view body)
      : octets_(std::make_unique_for_overwrite<char[]>(key.size() + body.size())),
        key_size_(static_cast<uint32_t>(key.size())),
        body_size_(static_cast<uint32_t>(body.size())) {
    std::copy(body.begin(), body.end(), std::copy(key.begin(), key.end(), octets_.get()));
  }
  PackedResource(const PackedResource& other) : PackedResource(other.key(), other.body()) {}
  PackedResource(PackedResource&&) = default;
  PackedResource& operator=(PackedResource&&) = default;

  absl::string_view key() const { return {octets_.get(), key_size_}; }
  absl::string_view body() const { return {octets_.get() + key_size_, body_size_}; }
  friend bool operator==(const PackedResource& a, const PackedResource& b) {
    return a.key() == b.key() && a.body() == b.body();
  }

 private:
  std::unique_ptr<char[]> octets_;
  uint32_t key_size_;
  uint32_t body_size_;
};

struct ByResourceKey {
  using is_transparent = void;
  static absl::string_view KeyOf(const PackedResource& resource) { return resource.key(); }
  static absl::string_view KeyOf(absl::string_view key) { return key; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return KeyOf(a) < KeyOf(b);
  }
};

// Sorted, each key once.
using PackedResources = absl::btree_set<PackedResource, ByResourceKey>;

}  // namespace openelb::link
