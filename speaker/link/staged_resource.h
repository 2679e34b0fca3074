#pragma once
// A resource of a plan that is not yet in force. A snapshot may have 100,000 of them: each is one
// block of memory with its sizes in a table.

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

namespace openelb::link {

// Key and body, which stay where they are when it is moved. At most 4 GiB each.
class StagedResource {
 public:
  StagedResource(absl::string_view key, absl::string_view body)
      : octets_(std::make_unique_for_overwrite<char[]>(key.size() + body.size())),
        key_size_(static_cast<uint32_t>(key.size())),
        body_size_(static_cast<uint32_t>(body.size())) {
    std::copy(body.begin(), body.end(), std::copy(key.begin(), key.end(), octets_.get()));
  }

  absl::string_view key() const { return {octets_.get(), key_size_}; }
  absl::string_view body() const { return {octets_.get() + key_size_, body_size_}; }

 private:
  std::unique_ptr<char[]> octets_;
  uint32_t key_size_;
  uint32_t body_size_;
};

}  // namespace openelb::link
