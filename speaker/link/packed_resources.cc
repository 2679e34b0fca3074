#include "speaker/link/packed_resources.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace openelb::link {
namespace {

// A block is read from its start, and written anew with each edit.
constexpr size_t kMostInBlock = 64;
constexpr size_t kMostOctets = 16384;  // then a block takes no more

// A resource is, as numbers of 7 bits an octet: the size of its key, its size; and until that is
// reached: how many octets are as in the one before it, how many follow that are not (these times
// 8, plus 3, plus by how many more of the other one they stand for) and these.
constexpr int kShifts[] = {0, -1, 1, -2, 2, -3, 3};
// Shorter agreement is not worth the numbers that name it.
constexpr size_t kLeastAgreement = 4;

void PutNumber(size_t number, std::string* out) {
  for (; number >= 0x80; number >>= 7) out->push_back(static_cast<char>(0x80 | (number & 0x7f)));
  out->push_back(static_cast<char>(number));
}

size_t TakeNumber(absl::string_view* from) {
  size_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto octet = static_cast<uint8_t>(from->front());
    from->remove_prefix(1);
    number |= size_t{octet & 0x7fU} << shift;
    if (octet < 0x80) return number;
  }
}

void MoveOctets(size_t size, absl::string_view* from, std::string* to) {
  to->append(from->data(), size);
  from->remove_prefix(size);
}

// Where the two agree again.
struct Agreement {
  size_t other = 0;
  int shift = 0;
};

// `one` and `before` do not agree from their starts on.
Agreement NextAgreement(absl::string_view one, absl::string_view before) {
  for (size_t other = 1; other + kLeastAgreement <= one.size(); ++other) {
    for (const int shift : kShifts) {
      const size_t at = other + static_cast<size_t>(shift);  // below 0: very large
      if (at >= before.size() || before.size() - at < kLeastAgreement) continue;
      if (std::memcmp(one.data() + other, before.data() + at, kLeastAgreement) == 0) {
        return {other, shift};
      }
    }
  }
  return {one.size(), 0};
}

void Encode(const ResourceView& resource, absl::string_view one, absl::string_view before,
            std::string* out) {
  PutNumber(resource.key.size(), out);
  PutNumber(one.size(), out);
  while (!one.empty()) {
    const auto agreed = static_cast<size_t>(
        std::mismatch(one.begin(), one.end(), before.begin(), before.end()).first - one.begin());
    PutNumber(agreed, out);
    one.remove_prefix(agreed);
    before.remove_prefix(agreed);
    if (one.empty()) return;
    const auto [other, shift] = NextAgreement(one, before);
    PutNumber(other * 8 + static_cast<size_t>(shift + 3), out);
    MoveOctets(other, &one, out);
    before.remove_prefix(std::min(before.size(), other + static_cast<size_t>(shift)));
  }
}

}  // namespace

// ---- reading ----

void PackedResources::Iterator::Enter(size_t block) {
  block_ = block;
  if (block_ == blocks_.size()) return;
  rest_ = blocks_[block_].octets;
  left_ = blocks_[block_].count;
  octets_.clear();
  Decode();
}

void PackedResources::Iterator::Decode() {
  octets_.swap(before_);
  octets_.clear();
  absl::string_view before = before_;
  key_size_ = TakeNumber(&rest_);
  const size_t size = TakeNumber(&rest_);
  while (octets_.size() < size) {
    MoveOctets(TakeNumber(&rest_), &before, &octets_);
    if (octets_.size() == size) break;
    const size_t number = TakeNumber(&rest_);
    MoveOctets(number / 8, &rest_, &octets_);
    before.remove_prefix(std::min(before.size(), number / 8 + number % 8 - 3));
  }
  --left_;
}

PackedResources::Iterator& PackedResources::Iterator::operator++() {
  if (left_ == 0) {
    Enter(block_ + 1);
  } else {
    Decode();
  }
  return *this;
}

bool PackedResources::Iterator::Seek(absl::string_view key) {
  if (*this == std::default_sentinel) return false;
  const auto next = blocks_.begin() + static_cast<std::ptrdiff_t>(block_) + 1;
  if (next != blocks_.end() && FirstKey(*next) <= key) {
    const auto after = std::upper_bound(
        next + 1, blocks_.end(), key,
        [](absl::string_view k, const Block& block) { return k < FirstKey(block); });
    Enter(static_cast<size_t>(after - blocks_.begin()) - 1);
  }
  while (*this != std::default_sentinel && (**this).key < key) ++*this;
  return *this != std::default_sentinel && (**this).key == key;
}

// Of the first of a block nothing is as in the one before it.
absl::string_view PackedResources::FirstKey(const Block& block) {
  absl::string_view octets = block.octets;
  const size_t key_size = TakeNumber(&octets);
  if (TakeNumber(&octets) == 0) return {};
  TakeNumber(&octets);
  TakeNumber(&octets);
  return octets.substr(0, key_size);
}

std::optional<std::string> PackedResources::BodyOf(absl::string_view key) const {
  Iterator at = begin();
  if (!at.Seek(key)) return std::nullopt;
  return std::string((*at).body);
}

bool operator==(const PackedResources& a, const PackedResources& b) {
  if (a.size() != b.size()) return false;
  auto other = b.begin();
  for (const ResourceView resource : a) {
    if (resource != *other) return false;
    ++other;
  }
  return true;
}

// ---- writing ----

PackedResources PackedResources::Of(std::vector<ResourceView> resources) {
  std::ranges::stable_sort(resources, {}, &ResourceView::key);
  const auto twice = std::ranges::unique(resources, {}, &ResourceView::key);
  resources.erase(twice.begin(), twice.end());
  PackedResources packed;
  packed.size_ = resources.size();
  Write(resources, &packed.blocks_);
  return packed;
}

void PackedResources::Write(std::span<const ResourceView> resources, std::vector<Block>* blocks) {
  const size_t parts = (resources.size() + kMostInBlock - 1) / kMostInBlock;
  const size_t most = parts == 0 ? 0 : (resources.size() + parts - 1) / parts;
  std::string octets;
  std::string one;
  std::string before;
  size_t count = 0;
  const auto end_block = [&] {
    blocks->push_back({std::string(octets), count});  // which takes no more room than it needs
    octets.clear();
    one.clear();
    count = 0;
  };
  for (const ResourceView& resource : resources) {
    one.swap(before);
    one.clear();
    absl::StrAppend(&one, resource.key, resource.body);
    Encode(resource, one, before, &octets);
    if (++count == most || octets.size() > kMostOctets) end_block();
  }
  if (count > 0) end_block();
}

void PackedResources::Apply(std::span<const Edit> edits) {
  std::vector<Block> blocks;
  blocks.reserve(blocks_.size() + edits.size() / kMostInBlock + 2);
  if (blocks_.empty()) blocks_.emplace_back();  // which takes all
  std::string octets;                           // of one block
  std::vector<std::pair<size_t, size_t>> sizes;
  std::vector<ResourceView> merged;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    Block& block = blocks_[b];
    size_t here = edits.size();
    if (b + 1 < blocks_.size()) {
      const auto after = std::ranges::lower_bound(edits, FirstKey(blocks_[b + 1]), {}, &Edit::key);
      here = static_cast<size_t>(after - edits.begin());
    }
    std::span<const Edit> due = edits.first(here);
    edits = edits.subspan(here);
    if (due.empty()) {
      if (block.count > 0) blocks.push_back(std::move(block));
      continue;
    }
    octets.clear();
    sizes.clear();
    merged.clear();
    if (block.count > 0) {
      Iterator at(std::span<const Block>(&block, 1));
      for (; at != std::default_sentinel; ++at) {
        octets.append(at.octets_);
        sizes.emplace_back(at.key_size_, at.octets_.size());
      }
    }
    const auto add_first_due = [&] {
      if (due.front().body) merged.push_back({due.front().key, *due.front().body});
      due = due.subspan(1);
    };
    absl::string_view rest = octets;
    for (const auto& [key_size, size] : sizes) {
      const ResourceView held = {rest.substr(0, key_size), rest.substr(key_size, size - key_size)};
      rest.remove_prefix(size);
      while (!due.empty() && due.front().key < held.key) add_first_due();
      const bool edited = !due.empty() && due.front().key == held.key;
      if (!edited) merged.push_back(held);
    }
    while (!due.empty()) add_first_due();
    size_ = size_ - block.count + merged.size();
    Write(merged, &blocks);
  }
  blocks_ = std::move(blocks);
}

}  // namespace openelb::link
