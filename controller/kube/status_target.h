#pragma once
// What we write onto an Eip, BgpConf or BgpPeer: its status, whole, and our finalizer.
//
// The status is patched by the difference to what is shown, so that keys that go really go and a
// large status costs what changed of it.

#include <optional>

#include "api/codec/value.h"
#include "api/object.h"
#include "controller/kube/target.h"

namespace openelb::kube {

class StatusTarget {
 public:
  explicit StatusTarget(const ObjectKey& key);

  void See(const codec::Value& object);
  void Gone() { shown_.reset(); }
  // `in_use`: the object has an effect. While it has, the finalizer tells so. An Eip that is being
  // deleted stays until it has none; the deletion of the others is what ends theirs.
  void Want(codec::Value status, bool in_use);
  void Unwant() { wanted_.reset(); }

  // nullopt: nothing to do, also while either side is not known.
  std::optional<Patch> Next() const;

  bool shown() const { return shown_.has_value(); }
  bool empty() const { return !shown_ && !wanted_; }
  // Nobody has said what should become of it.
  bool Unclaimed() const {
    return shown_ && !wanted_ && shown_->meta.deleting && shown_->meta.Has(finalizer_);
  }
  const ShownMeta& meta() const { return shown_->meta; }

 private:
  struct Shown {
    ShownMeta meta;
    codec::Value status;
  };
  struct Wanted {
    codec::Value status;
    bool in_use = false;
  };

  const char* finalizer_;
  bool deletion_waits_;
  std::optional<Shown> shown_;
  std::optional<Wanted> wanted_;
};

}  // namespace openelb::kube
