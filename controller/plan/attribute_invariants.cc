#include "controller/plan/attribute_invariants.h"

#include <optional>
#include <set>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/codec/advertise.h"
#include "api/network/v1alpha2/community.h"
#include "api/network/v1alpha2/names.h"
#include "controller/plan/announce.h"
#include "controller/plan/model.h"
#include "controller/plan/random_objects.h"

namespace openelb::plan {
namespace {

// What the objects ask for.
class Wishes {
 public:
  using Wish = std::pair<std::set<std::string>, std::optional<uint32_t>>;  // communities, MED

  Wishes(const Planner& planner, const AttributeInvariants::Objects& objects,
         const AttributeInvariants::Held& held)
      : planner_(planner), objects_(objects), held_(held) {}

  // Of an aggregate to a peer, from the Eips that ask for it alone.
  Wish WantedOfAggregate(const std::string& peer, const IpPrefix& prefix) const {
    Wish wish;
    for (const std::string& pool : planner_.model().aggregates.at(prefix).pools) {
      const network::Advertise& advertise = Find<network::Eip>("", pool)->advertise;
      AddCommunities(advertise, &wish.first);
      if (!wish.second) wish.second = advertise.med;
    }
    const network::Advertise& of_peer = Find<network::BgpPeer>("", peer)->advertise;
    AddCommunities(of_peer, &wish.first);
    if (!wish.second) wish.second = of_peer.med;
    return wish;
  }

  // Of a route of these Services to a peer, from the objects alone.
  Wish Wanted(const std::string& peer, const std::vector<std::string>& services) const {
    std::set<std::string> communities;
    const auto add = [&](const network::Advertise& advertise) {
      AddCommunities(advertise, &communities);
    };
    std::optional<uint32_t> med;
    for (const std::string& key : services) {
      const auto* service = Find<kube::Service>("default", ServiceKeyOf(key).name);
      const auto text = service->meta.annotations.find(network::kAdvertise);
      network::Advertise own;
      if (text != service->meta.annotations.end())
        own = codec::ParseAdvertise(text->second).advertise;
      network::Advertise pool;
      if (const auto* eip = Find<network::Eip>("", held_.at(key).second)) pool = eip->advertise;
      add(own);
      add(pool);
      if (!med) med = own.med ? own.med : pool.med;
    }
    const network::Advertise& of_peer = Find<network::BgpPeer>("", peer)->advertise;
    add(of_peer);
    return {communities, med ? med : of_peer.med};
  }

  // Of what policies have a statement about.
  static bool IsOfPolicy(const IpPrefix& prefix) {
    return prefix == IpPrefix::Host(*IpAddress::Parse("172.22.0.1")) ||
           prefix == IpPrefix::Host(*IpAddress::Parse("fd22::1"));
  }

  // Whether the policy in force is one that marks routes.
  bool PolicyMarks() const {
    const auto* conf = Find<network::BgpConf>("", network::kBgpConfName);
    if (conf == nullptr || conf->policy.empty()) return false;
    for (const Assignment& assignment : planner_.assignments()) {
      if (assignment.group == "export-policy") return absl::StrContains(assignment.node, kMark);
    }
    return false;
  }

 private:
  template <typename T>
  const T* Find(const std::string& name_space, const std::string& name) const {
    const auto it = objects_.find({T::kKind, name_space, name});
    return it == objects_.end() ? nullptr : &std::get<T>(it->second);
  }

  void AddCommunities(const network::Advertise& advertise, std::set<std::string>* out) const {
    const auto* conf = Find<network::BgpConf>("", network::kBgpConfName);
    for (const std::string& text : advertise.communities) {
      const auto alias = conf->community_aliases.find(text);
      const auto community =
          network::ParseCommunity(alias == conf->community_aliases.end() ? text : alias->second);
      if (community.has_value()) out->insert(FormatCommunity(*community));
    }
  }

  const Planner& planner_;
  const AttributeInvariants::Objects& objects_;
  const AttributeInvariants::Held& held_;
};

std::set<std::string> CommunitiesOf(const PathAttributes& attributes) {
  std::set<std::string> carried;
  for (const uint32_t value : attributes.communities)
    carried.insert(FormatCommunity(network::StandardCommunity{value}));
  for (const uint64_t value : attributes.extended_communities)
    carried.insert(FormatCommunity(network::ExtendedCommunity{value}));
  for (const LargeCommunity& parts : attributes.large_communities)
    carried.insert(FormatCommunity(network::LargeCommunity{parts}));
  return carried;
}

}  // namespace

std::string AttributeInvariants::Check(const Planner& planner, const Objects& objects,
                                       const Held& held) {
  const Wishes wishes(planner, objects, held);
  for (const auto& [node, speaker] : planner.model().speakers) {
    for (const auto& [address, peer] : Announcements(planner, node, /*add_path=*/true)) {
      for (const AnnouncedRoute& route : peer.routes) {
        auto [communities, med] = route.services.empty()
                                      ? wishes.WantedOfAggregate(peer.peer, route.prefix)
                                      : wishes.Wanted(peer.peer, route.services);
        if (Wishes::IsOfPolicy(route.prefix)) {
          if (wishes.PolicyMarks()) communities.insert(kMark);
          ++marked_[wishes.PolicyMarks()];
        }
        if (CommunitiesOf(route.attributes) != communities || route.attributes.med != med)
          return absl::StrCat(route.prefix.ToString(), " of ", node, " to ", peer.peer);
      }
    }
  }
  return "";
}

}  // namespace openelb::plan
