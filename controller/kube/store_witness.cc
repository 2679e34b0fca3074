#include "controller/kube/store_witness.h"

#include <utility>

#include "controller/kube/revision.h"
#include "controller/kube/text_at.h"

namespace openelb::kube {

using codec::Value;

StoreWitness::StoreWitness(std::string path, std::string identity)
    : path_(std::move(path)), identity_(std::move(identity)) {}

StoreWitness::Known StoreWitness::Read(const Value& lease) {
  return {.uid = TextAt(lease, {"metadata", "uid"}),
          .revision = TextAt(lease, {"metadata", "resourceVersion"}),
          .record = ReadLease(lease)};
}

// A Lease that was deleted may be one of a store from before it.
bool StoreWitness::OfOneTaking(const Known& a, const Known& b) {
  return a.uid == b.uid && a.record.holder == b.record.holder &&
         a.record.acquired == b.record.acquired;
}

bool StoreWitness::OnRead(const std::optional<Value>& lease) {
  if (!lease) {
    ++chain_;
    known_.reset();
    mark_.reset();
    return false;
  }
  Known now = Read(*lease);
  const bool older = known_ && (IsEarlier(now.revision, known_->revision) ||
                                now.record.renewed < known_->record.renewed);
  const bool restored = older && now.record.holder == identity_ && OfOneTaking(*known_, now);
  if (restored) ++restores_;
  Take(std::move(now), !older);
  return restored;
}

// The update was conditional on what was known. Its time may be earlier: clocks are set.
void StoreWitness::OnWritten(const Value& lease) { Take(Read(lease), true); }

void StoreWitness::Take(Known now, bool goes_on) {
  goes_on = goes_on && known_ && OfOneTaking(*known_, now) &&
            IsSameOrLater(now.revision, known_->revision);
  if (!goes_on) {
    ++chain_;
    mark_.reset();
  }
  const auto mark = [this](const Known& of) {
    return Mark{.chain = chain_, .revision = of.revision, .renewed = of.record.renewed};
  };
  if (now.record.holder == identity_) {
    mark_ = mark(now);
  } else if (goes_on && now.record.renewed != known_->record.renewed) {
    mark_ = mark(*known_);
  }
  known_ = std::move(now);
}

std::optional<StoreWitness::Mark> StoreWitness::Vouch(absl::string_view version,
                                                      uint64_t chain) const {
  const bool vouches = mark_ && chain == chain_ && IsSameOrLater(mark_->revision, version);
  return vouches ? mark_ : std::nullopt;
}

bool StoreWitness::Proves(const Mark& mark, const Value& lease) const {
  if (mark.chain != chain_ || !known_) return false;
  const Known now = Read(lease);
  return OfOneTaking(*known_, now) && IsSameOrLater(now.revision, mark.revision) &&
         now.record.renewed >= mark.renewed;
}

}  // namespace openelb::kube
