#include "controller/recovery.h"

#include <algorithm>

namespace openelb {

void Recovery::Begin(std::optional<std::set<std::string>> known, absl::Duration now) {
  begun_ = true;
  forgot_ |= !known.has_value();
  known_ = std::move(known);
  deadline_ = now + patience_;
}

void Recovery::OnSpeakerUp(const std::string& node, const plan::v1::Hello& hello, uint64_t epoch) {
  Speaker& speaker = speakers_[node];
  speaker.holds_plan = hello.has_generation();
  speaker.generation = {hello.generation().epoch(), hello.generation().counter()};
  speaker.told = false;
  speaker.choices.clear();
  forgot_ |= speaker.holds_plan && epoch != 0 && hello.largest_epoch() >= epoch;
}

void Recovery::OnAnnounced(const std::string& node, const plan::v1::Announced& announced) {
  Speaker& speaker = speakers_[node];
  for (const plan::v1::AnnouncedAddress& entry : announced.addresses()) {
    const auto address = IpAddress::Parse(entry.address());
    if (!address.ok()) continue;
    if (entry.ranks_size() > 0 || entry.vrid() != 0) speaker.choices.push_back(entry);
    for (const std::string& service : entry.services()) {
      const auto [it, is_new] =
          announced_.try_emplace(service, std::pair(speaker.generation, *address));
      if (!is_new && it->second.first < speaker.generation) {
        it->second = {speaker.generation, *address};
      }
    }
  }
  speaker.told |= announced.last();
}

bool Recovery::IsDone(absl::Duration now) const {
  if (!begun_) return false;
  if (now >= deadline_) return true;
  const bool any_holds = std::any_of(speakers_.begin(), speakers_.end(),
                                     [](const auto& entry) { return entry.second.holds_plan; });
  const bool all_known_heard =
      known_ && std::all_of(known_->begin(), known_->end(),
                            [this](const std::string& node) { return speakers_.contains(node); });
  if (!forgot_) return any_holds || all_known_heard;
  // Nobody holds a plan: a cluster that is new.
  if (!any_holds) return !speakers_.empty() && (!known_ || all_known_heard);
  return all_known_heard && std::all_of(speakers_.begin(), speakers_.end(), [](const auto& entry) {
           return entry.second.told || !entry.second.holds_plan;
         });
}

std::map<std::string, IpAddress> Recovery::announced() const {
  std::map<std::string, IpAddress> addresses;
  for (const auto& [service, entry] : announced_) addresses.emplace(service, entry.second);
  return addresses;
}

std::vector<std::pair<std::string, plan::v1::AnnouncedAddress>> Recovery::TakeChoices() {
  std::map<std::pair<plan::Generation, std::string>, Speaker*> by_age;
  for (auto& [node, speaker] : speakers_) by_age[{speaker.generation, node}] = &speaker;
  std::vector<std::pair<std::string, plan::v1::AnnouncedAddress>> choices;
  for (const auto& [key, speaker] : by_age) {
    for (plan::v1::AnnouncedAddress& choice : std::exchange(speaker->choices, {}))
      choices.emplace_back(key.second, std::move(choice));
  }
  return choices;
}

}  // namespace openelb
