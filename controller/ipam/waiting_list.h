#pragma once
// The Services that have no address, or not the one they ask for, and which of them an event may
// serve. Those that the same Eips can serve form a class: if its oldest member cannot be served,
// none can, so an event costs one look at each class it concerns plus one for each Service it
// serves. Services that ask for an address of their own stand under that address, since their
// ports differ.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/base/ip.h"
#include "controller/ipam/record.h"
#include "controller/ipam/request.h"

namespace openelb::ipam {

class WaitingList {
 public:
  // `record` must outlive its stay; its request and creation time do not change meanwhile. It is
  // ready to be tried. Its obstacle is set if that is known already.
  void Add(Record* record);
  // No effect on one that is not waiting. The next of its class becomes ready if it was.
  void Remove(Record* record);

  // Make ready whom ... may serve, or tell another obstacle:
  void WakePool(const std::string& name);             // a change of Eip `name`: who names it
  void WakeRange(const IpRange& range);               // a change in `range`: who asks for one of it
  void WakeNamespace(const std::string& namespace_);  // a change of its candidates
  // Who names neither Eip nor address, in the namespaces that `concerns` returns true for.
  void WakeAutomatic(const std::function<bool(const std::string& namespace_)>& concerns);

  // The oldest that is ready; nullptr: nobody is.
  Record* OldestReady() const { return ready_.empty() ? nullptr : *ready_.begin(); }
  // The oldest ready one cannot be served because of `obstacle`. Returns those whose obstacle that
  // changed.
  std::vector<Record*> Refuse(const std::string& obstacle);

 private:
  // What decides which Eips can serve: the Eip named, else the namespace and the protocol wanted.
  struct ClassKey {
    std::string pool;
    std::string namespace_;  // empty where an Eip is named
    std::optional<network::Protocol> protocol;
    FamilySet families;
    auto operator<=>(const ClassKey&) const = default;
  };
  struct Class {
    std::string obstacle;
    Queue members;
  };
  static ClassKey KeyOf(const Record& record);
  void WakeClasses(absl::string_view pool, absl::string_view namespace_);

  Queue all_;
  Queue ready_;
  std::map<ClassKey, Class> classes_;
  std::map<IpAddress, Queue> by_address_;
  std::map<std::string, Queue> by_pool_;  // those in by_address_ that name an Eip as well
};

}  // namespace openelb::ipam
