#pragma once
// Tells after an absence whether the API server's store is the one that was known, or an etcd
// restored from a snapshot whose revisions have passed ours meanwhile. Pure.
//
// The witness is the Lease of the election. Its holder replaces it every other second, by updates
// conditional on the revision that it knows. A store that was restored from before that revision
// has an older Lease, or none: the update fails, and the holder, who sees why, takes the Lease
// anew, with another acquireTime. So while the Lease is of the same taking, and not older than one
// that its holder has known, nothing is lost that came before that one.
//
// Of a Lease that another holds, it has known the last but one that we read: it has replaced that.
// Revisions of Leases and of other resources must be of one etcd: see Reflector::OnProbe.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/codec/value.h"
#include "controller/kube/lease.h"

namespace openelb::kube {

class StoreWitness {
 public:
  // A Lease that its holder has known.
  struct Mark {
    uint64_t chain = 0;
    std::string revision;
    absl::Time renewed;
  };

  // `path`: of the Lease. `identity`: of this process, when it holds the Lease.
  StoreWitness(std::string path, std::string identity);

  // The Lease as the election has just read it, nullopt: there is none. True: it is ours, and older
  // than we knew it, so the store was restored: it must be taken anew.
  bool OnRead(const std::optional<codec::Value>& lease);
  // Likewise, as it has just been written by us.
  void OnWritten(const codec::Value& lease);

  const std::string& path() const { return path_; }
  // Grows whenever what was known of the Lease proves nothing about what comes.
  uint64_t chain() const { return chain_; }
  // How often the store was found restored.
  uint64_t restores() const { return restores_; }

  // Set if the Lease proves that what came up to the resourceVersion `version`, learnt when chain()
  // was `chain`, is in the store. To be asked for while the store is the one `version` is from.
  std::optional<Mark> Vouch(absl::string_view version, uint64_t chain) const;
  // Whether the Lease, as the server shows it now, proves that the store still goes back to the
  // time of `mark`.
  bool Proves(const Mark& mark, const codec::Value& lease) const;

 private:
  struct Known {
    std::string uid;
    std::string revision;
    LeaseRecord record;
  };
  static Known Read(const codec::Value& lease);
  static bool OfOneTaking(const Known& a, const Known& b);
  void Take(Known now, bool goes_on);

  const std::string path_;
  const std::string identity_;
  std::optional<Known> known_;  // as last read or written
  std::optional<Mark> mark_;    // the last one that its holder has known
  uint64_t chain_ = 0;
  uint64_t restores_ = 0;
};

}  // namespace openelb::kube
