#include "speaker/vrrp/instance.h"

#include <tuple>

#include "absl/strings/str_cat.h"

namespace openelb::vrrp {
namespace {

RouterKey KeyOf(const RouterConfig& config) {
  return {config.interface, config.family, config.vrid};
}

bool ShareAddress(const std::vector<IpAddress>& a, const std::vector<IpAddress>& b) {
  return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
}

}  // namespace

Instance::Instance(io::VrrpIo* io, const Clock* clock, Logger* logger, Observer* observer)
    : io_(io), clock_(clock), logger_(logger), observer_(observer) {
  io_->SetHandler(this);
  hold_again_ = true;
  UpdatePorts();
  Finish();
}

Instance::~Instance() {
  for (const auto& [key, port] : ports_) {
    if (port.index != 0) io_->Close(port.index, key.second);
  }
}

// ---- configuration ----

std::vector<absl::Status> Instance::Apply(const std::vector<RouterConfig>& routers,
                                          const std::set<std::string>& listen) {
  std::vector<absl::Status> errors;
  std::map<RouterKey, const RouterConfig*> wanted;
  std::set<RouterKey> named;
  for (const RouterConfig& config : routers) {
    absl::Status status = CheckRouterConfig(config);
    const bool first = named.insert(KeyOf(config)).second;
    if (status.ok() && !first) {
      status = absl::InvalidArgumentError(
          SentenceOf(config, "another router has the same VRID, family and interface"));
    }
    if (status.ok()) {
      wanted[KeyOf(config)] = &config;
    } else {
      errors.push_back(status);
    }
  }

  const absl::Duration now = clock_->Monotonic();
  for (auto it = routers_.begin(); it != routers_.end();) {
    if (named.contains(it->first)) {
      ++it;
      continue;
    }
    it->second.router.Stop();
    Pump(it->first, &it->second);
    changed_.insert(it->first);
    it = routers_.erase(it);
  }
  for (const auto& [key, config] : wanted) {
    auto it = routers_.find(key);
    if (it == routers_.end()) {
      it = routers_.try_emplace(key, *config, &counters_).first;
      it->second.since = clock_->Wall();
      it->second.router.Start(now);
      changed_.insert(key);
      ForgetHeard(key);
    } else {
      if (it->second.router.config().name != config->name) changed_.insert(key);
      it->second.router.Configure(*config, now);
      Pump(key, &it->second);
    }
  }
  listen_ = listen;
  UpdatePorts();
  Finish();
  return errors;
}

void Instance::Stop() {
  Apply({}, {});
  heard_.clear();
}

// ---- interfaces ----

void Instance::OnInterfacesChanged() {
  hold_again_ = true;
  UpdatePorts();
  Finish();
}

void Instance::UpdatePorts() {
  std::map<std::string, io::Interface> interfaces;
  names_.clear();
  for (io::Interface& interface : io_->Interfaces()) {
    names_[interface.index] = interface.name;
    interfaces[interface.name] = std::move(interface);
  }
  std::set<PortKey> wanted;
  for (const auto& [key, member] : routers_) wanted.emplace(key.interface, key.family);
  for (const std::string& name : listen_) {
    wanted.emplace(name, Family::kV4);
    wanted.emplace(name, Family::kV6);
  }
  for (const PortKey& key : wanted) ports_.try_emplace(key);
  for (auto it = ports_.begin(); it != ports_.end();) {
    auto& [key, port] = *it;
    auto interface = interfaces.find(key.first);
    const int index = interface == interfaces.end() ? 0 : interface->second.index;
    if (port.index != 0 && (port.index != index || !wanted.contains(key))) {
      io_->Close(port.index, key.second);
      port = {};
      SetLink(key, std::nullopt);  // an interface that was made anew is another one
    }
    if (!wanted.contains(key)) {
      it = ports_.erase(it);
      continue;
    }
    port.primary.reset();
    if (index == 0) {
      port.problem = absl::StrCat("interface ", key.first, " does not exist");
    } else {
      OpenPort(key, interface->second, &port);
    }
    ++it;
  }
  for (const auto& [key, port] : ports_) SetLink(key, port.primary);
  FindSources(interfaces);
}

void Instance::FindSources(const std::map<std::string, io::Interface>& interfaces) {
  const auto before = std::exchange(sources_, {});
  for (const auto& [name, interface] : interfaces) {
    for (const Family family : {Family::kV4, Family::kV6}) {
      const bool may_send = interface.HasSubnet() || ports_.contains({name, family});
      if (!interface.up || !may_send) continue;
      if (const auto source = PrimaryOf(interface, family)) sources_.emplace(name, *source);
    }
  }
  sources_changed_ |= sources_ != before;
}

void Instance::SetLink(const PortKey& port, const std::optional<IpAddress>& primary) {
  for (auto& [key, member] : routers_) {
    if (key.interface != port.first || key.family != port.second) continue;
    member.router.SetLink(primary, clock_->Monotonic());
    Pump(key, &member);
  }
}

void Instance::OpenPort(const PortKey& key, const io::Interface& interface, Port* port) {
  const std::string before = std::exchange(port->problem, "");
  if (!interface.up) {
    port->problem = absl::StrCat("interface ", key.first, " is down");
  } else if (!interface.carrier) {
    port->problem = absl::StrCat("interface ", key.first, " has no carrier");
  } else {
    port->primary = PrimaryOf(interface, key.second);
    if (!port->primary.has_value()) {
      port->problem =
          absl::StrCat("interface ", key.first, " has no ",
                       key.second == Family::kV4 ? "IPv4" : "IPv6 link-local", " address");
    }
  }
  if (port->index == 0 && port->primary.has_value()) {
    const absl::Status opened = io_->Open(interface.index, key.second);
    if (opened.ok()) {
      port->index = interface.index;
    } else {
      port->primary.reset();
      port->problem = std::string(opened.message());
      RetryLater();
    }
  }
  if (port->problem == before) return;
  for (const auto& [router, member] : routers_) {
    if (router.interface == key.first && router.family == key.second) changed_.insert(router);
  }
}

std::optional<IpAddress> Instance::PrimaryOf(const io::Interface& interface, Family family) const {
  // Lowest first; one of a whole subnet before a lone one, which some other VRRP may have put
  // there.
  std::optional<std::tuple<bool, IpAddress>> best;
  for (const InterfaceAddress& candidate : interface.addresses) {
    const IpAddress& address = candidate.address;
    if (address.family() != family || (family == Family::kV6 && !address.IsLinkLocal())) continue;
    const std::tuple<bool, IpAddress> rank{candidate.length == FamilyBits(family), address};
    if (!best.has_value() || rank < *best) best = rank;
  }
  if (!best.has_value()) return std::nullopt;
  return std::get<IpAddress>(*best);
}

// ---- packets and timers ----

void Instance::OnVrrpPacket(const io::VrrpPacket& packet) {
  const PacketHeader header{packet.source, packet.destination, packet.ttl};
  Advertisement message;
  if (const auto error = ParseAdvertisement(header, packet.payload, &message)) {
    ++counters_.dropped[std::string(PacketErrorName(*error))];
    return;
  }
  const auto name = names_.find(packet.interface);
  if (name == names_.end()) return;  // of an interface that has just gone
  const RouterKey key{name->second, packet.source.family(), message.vrid};
  auto it = routers_.find(key);
  if (it == routers_.end() ||
      !ShareAddress(it->second.router.config().addresses, message.addresses)) {
    // Whatever its priority, it serves none of our addresses.
    ++counters_.dropped["foreign_vrid"];
    Hear(key, packet.source, message);
  } else {
    const std::optional<IpAddress> active = it->second.router.active();
    it->second.router.Receive(header, message, clock_->Monotonic());
    if (it->second.router.active() != active) changed_.insert(key);
    Pump(key, &it->second);
  }
  Finish();
}

void Instance::Hear(const RouterKey& key, const IpAddress& source, const Advertisement& message) {
  const absl::Duration now = clock_->Monotonic();
  HeardRouter router{key, source, message.version, message.priority, message.addresses};
  const auto [it, added] = heard_.try_emplace(key);
  Neighbour& known = it->second;
  if (added) known.believe_at = now + kBelieveAfter;
  const bool others = known.router.source != source || known.router.addresses != router.addresses;
  if (known.believed && others) heard_changed_ = true;
  known.router = std::move(router);
  known.forget_at = now + kHeardFor;
}

void Instance::ForgetHeard(const RouterKey& key) {
  const auto it = heard_.find(key);
  if (it == heard_.end()) return;
  if (it->second.believed) heard_changed_ = true;
  heard_.erase(it);
}

absl::Duration Instance::NextWakeup() const {
  absl::Duration next = retry_at_;
  for (const auto& [key, member] : routers_) next = std::min(next, member.router.NextWakeup());
  for (const auto& [key, neighbour] : heard_)
    next = std::min(next, neighbour.believed ? neighbour.forget_at : neighbour.believe_at);
  return next;
}

void Instance::Tick() {
  const absl::Duration now = clock_->Monotonic();
  if (std::any_of(routers_.begin(), routers_.end(), [now](const auto& entry) {
        const Router& router = entry.second.router;
        return router.state() == RouterState::kBackup && router.NextWakeup() <= now;
      })) {
    io_->Deliver();
  }
  for (auto& [key, member] : routers_) {
    if (now < member.router.NextWakeup()) continue;
    member.router.Tick(now);
    Pump(key, &member);
  }
  for (auto& [key, neighbour] : heard_) {
    if (neighbour.believed || neighbour.believe_at > now) continue;
    neighbour.believed = heard_changed_ = true;
  }
  if (std::erase_if(heard_, [now](const auto& e) { return e.second.forget_at <= now; }) > 0) {
    heard_changed_ = true;
  }
  if (now >= retry_at_) {
    retry_at_ = absl::InfiniteDuration();
    hold_again_ = true;
    UpdatePorts();
  }
  Finish();
}

// ---- what routers ask for ----

void Instance::Pump(const RouterKey& key, Member* member) {
  RouterOutput output = member->router.TakeOutput();
  if (output.empty()) return;
  const int index = ports_[{key.interface, key.family}].index;
  for (const RouterOutput::Transition& transition : output.transitions) {
    logger_->Info(transition.text, {{"reason", ReasonName(transition.reason)}});
    member->since = clock_->Wall();
    changed_.insert(key);
  }
  const std::string failure =
      absl::StrCat("VRRP send ", key.interface, " ", FamilyName(key.family), " ", key.vrid);
  for (const RouterOutput::Transmission& send : output.send) {
    const absl::Status sent = index == 0
                                  ? absl::FailedPreconditionError("the interface is not open")
                                  : io_->Send(index, send.source, send.destination, send.payload);
    if (sent.ok()) {
      logger_->Recovered(failure, "VRRP packets are sent again",
                         {{"router", member->router.config().name}});
    } else {
      ++counters_.send_errors;
      logger_->Damped(failure, "VRRP packet not sent", sent.message(),
                      {{"router", member->router.config().name}});
    }
  }
  if (output.held_changed) hold_again_ = true;
  if (!output.announce.empty() && member->router.state() == RouterState::kActive) {
    announcements_.push_back({index, std::move(output.announce)});
  }
}

void Instance::Finish() {
  if (std::exchange(hold_again_, false)) Hold();
  for (const Announcement& announcement : std::exchange(announcements_, {})) {
    observer_->Announce(announcement.interface, announcement.addresses);
  }
  for (const RouterKey& key : std::exchange(changed_, {})) observer_->OnRouterChanged(key);
  if (std::exchange(heard_changed_, false)) observer_->OnHeardChanged();
  if (std::exchange(sources_changed_, false)) observer_->OnSourcesChanged();
}

void Instance::Hold() {
  io::HeldAddresses wanted;
  for (const auto& [key, member] : routers_) {
    const std::span<const IpAddress> held = member.router.held();
    const int index = ports_[{key.interface, key.family}].index;
    if (!held.empty()) wanted[index].insert(held.begin(), held.end());
  }
  const absl::Status status = io_->Hold(wanted);
  hold_problem_ = std::string(status.message());
  if (status.ok()) {
    logger_->Recovered("VRRP hold", "virtual addresses are held again");
  } else {
    ++counters_.hold_errors;
    logger_->Damped("VRRP hold", "virtual addresses not as they should be", status.message());
    RetryLater();
  }
  const io::HeldAddresses before = std::exchange(held_, std::move(wanted));
  for (const auto& [index, addresses] : before) {
    std::vector<IpAddress> released;
    const std::set<IpAddress>& kept = held_[index];
    std::set_difference(addresses.begin(), addresses.end(), kept.begin(), kept.end(),
                        std::back_inserter(released));
    if (kept.empty()) held_.erase(index);
    if (!released.empty()) observer_->Release(index, released);
  }
}

// ---- view ----

std::vector<RouterView> Instance::Routers() const {
  std::vector<RouterView> views;
  for (const auto& [key, member] : routers_) {
    const Router& router = member.router;
    RouterView view{key,
                    router.config().name,
                    router.state(),
                    member.since,
                    router.active(),
                    router.active_priority(),
                    router.config().addresses,
                    ports_.at({key.interface, key.family}).problem};
    if (view.problem.empty() && router.state() == RouterState::kActive) {
      view.problem = hold_problem_;
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<HeardRouter> Instance::Heard() const {
  std::vector<HeardRouter> routers;
  for (const auto& [key, neighbour] : heard_) {
    if (neighbour.believed) routers.push_back(neighbour.router);
  }
  return routers;
}

}  // namespace openelb::vrrp
