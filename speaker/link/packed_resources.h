#pragma once
// The resources of a plan as they came. A plan may have 100,000 of them, which are held for as long
// as the speaker runs, and neighbours differ in little: they are held in blocks, each as what is
// not as in the one before it.

#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace openelb::link {

struct ResourceView {
  absl::string_view key;
  absl::string_view body;
  bool operator==(const ResourceView&) const = default;
};

// Sorted by key, each key once.
class PackedResources {
 public:
  struct Edit {
    absl::string_view key;
    std::optional<absl::string_view> body;  // none: removed
  };

 private:
  struct Block {
    std::string octets;
    size_t count = 0;  // at least 1
  };

 public:
  // Reads one after the other. What it gives is valid until it moves or the resources change.
  class Iterator {
   public:
    using value_type = ResourceView;
    using difference_type = std::ptrdiff_t;

    ResourceView operator*() const {
      const absl::string_view octets = octets_;
      return {octets.substr(0, key_size_), octets.substr(key_size_)};
    }
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return block_ == blocks_.size(); }
    // Goes on to the first that is not before `key`. True: it is this one.
    bool Seek(absl::string_view key);

   private:
    friend class PackedResources;
    explicit Iterator(std::span<const Block> blocks) : blocks_(blocks) { Enter(0); }
    void Enter(size_t block);
    void Decode();

    std::span<const Block> blocks_;
    size_t block_ = 0;
    size_t left_ = 0;         // in this block, after the current one
    absl::string_view rest_;  // of this block's octets
    std::string octets_;      // of the current one: key and body
    std::string before_;      // of the one before it, if it is in this block
    size_t key_size_ = 0;
  };

  PackedResources() = default;
  // In any order; of a key that comes twice, the first.
  static PackedResources Of(std::vector<ResourceView> resources);

  Iterator begin() const { return Iterator(blocks_); }
  std::default_sentinel_t end() const { return {}; }
  size_t size() const { return size_; }
  // nullopt: there is none.
  std::optional<std::string> BodyOf(absl::string_view key) const;

  // `edits` are sorted by key, each once. One that removes what is not there changes nothing.
  void Apply(std::span<const Edit> edits);

  friend bool operator==(const PackedResources& a, const PackedResources& b);

 private:
  static absl::string_view FirstKey(const Block& block);
  // Appends blocks of these, which are sorted.
  static void Write(std::span<const ResourceView> resources, std::vector<Block>* blocks);

  std::vector<Block> blocks_;
  size_t size_ = 0;
};

}  // namespace openelb::link
