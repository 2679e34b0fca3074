#pragma once
// Which EndpointSlices matter: those of Services that are ours to serve, or bear our marks. In a
// cluster most do not, and their Pods come and go all the time. Pure.
//
// Life of a slice: it is packed to what planning reads of it. As long as its Service is ours, each
// change of it passes. When its Service becomes ours it is unpacked and sent, right after the
// Service; when that ceases to be ours, or is deleted, its deletion is sent. So it does not matter
// which of the two comes first, nor whether the API server can be read at that moment. What is
// refused stays what it was; of slices, that is told of those that are sent.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/kube/endpoint_slice.h"
#include "controller/event_source.h"

namespace openelb::kube {

// Names that occur over and over, each kept once as long as something refers to it.
class NameTable {
 public:
  uint32_t Add(const std::string& name);  // a reference
  void Release(uint32_t number);          // of a reference
  const std::string& Find(uint32_t number) const { return names_[number]->first; }
  size_t size() const { return numbers_.size(); }

 private:
  struct Use {
    uint32_t number = 0;
    uint32_t references = 0;
  };
  std::map<std::string, Use> numbers_;
  std::vector<std::map<std::string, Use>::iterator> names_;
  std::vector<uint32_t> free_;
};

// What planning reads of a slice's content: addressType and, of each endpoint, addresses, node and
// conditions. An endpoint of one IPv4 address takes 8 bytes, where nodes are fewer than 127.
std::string PackEndpoints(const EndpointSlice& slice, NameTable* nodes);
// Sets what was packed; the rest of `slice` stays.
void UnpackEndpoints(absl::string_view packed, const NameTable& nodes, EndpointSlice* slice);
void ReleaseEndpoints(absl::string_view packed, NameTable* nodes);

class SliceGate {
 public:
  // What of `events` is to be told, in order. All but EndpointSlices pass.
  std::vector<ObjectEvent> Pass(std::vector<ObjectEvent> events);

  size_t slices() const { return slices_.size(); }
  size_t nodes() const { return nodes_.size(); }  // that these name

 private:
  struct OfService;
  struct Slice;
  using Services = std::map<std::string, OfService>;  // "namespace/name"
  using Slices = std::map<std::string, Slice>;        // likewise
  struct OfService {
    bool ours = false;
    std::vector<Slices::iterator> slices;
  };
  struct Slice {
    Services::iterator service;
    std::string packed;
  };

  void OnService(ObjectEvent event);
  void OnSlice(ObjectEvent event);
  ObjectEvent Sent(const Slices::value_type& entry) const;
  ObjectEvent Gone(const Slices::value_type& entry, bool missing) const;
  void Forget(Slices::iterator slice);
  void DropIdle(Services::iterator service);

  Services services_;  // that are ours, or have slices
  Slices slices_;
  NameTable nodes_;
  std::vector<ObjectEvent> passed_;  // by the call of Pass under way
};

}  // namespace openelb::kube
