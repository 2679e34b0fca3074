#include "speaker/bgp/update.h"

#include <algorithm>
#include <bitset>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "speaker/bgp/attributes.h"
#include "speaker/bgp/message.h"

namespace openelb::bgp {
namespace {

using Severity = MessageError::Severity;

// What RFCs 4271, 4760, 4360, 5701, 6793, 8092 and 7606 say of each attribute. A length that breaks
// its rule costs `severity`.
struct AttributeRule {
  uint8_t type;
  const char* name;
  uint8_t flags;    // optional and transitive bits it must have
  size_t shortest;  // octets
  size_t longest;   // octets; 0: no bound
  size_t unit;      // length is a multiple of it
  uint8_t length_subcode;
  Severity severity;
  bool internal = false;  // means nothing from another AS: it is discarded
};
constexpr uint8_t kWellKnown = attribute::kTransitive;
constexpr uint8_t kOptional = attribute::kOptional;
constexpr uint8_t kOptionalTransitive = attribute::kOptional | attribute::kTransitive;
constexpr uint8_t kLength = update_error::kAttributeLength;
constexpr uint8_t kOptionalError = update_error::kOptionalAttribute;
constexpr AttributeRule kRules[] = {
    {1, "ORIGIN", kWellKnown, 1, 1, 1, kLength, Severity::kTreatAsWithdraw},
    {2, "AS_PATH", kWellKnown, 0, 0, 2, update_error::kMalformedAsPath, Severity::kTreatAsWithdraw},
    {3, "NEXT_HOP", kWellKnown, 4, 4, 1, kLength, Severity::kTreatAsWithdraw},
    {4, "MULTI_EXIT_DISC", kOptional, 4, 4, 1, kLength, Severity::kTreatAsWithdraw},
    {5, "LOCAL_PREF", kWellKnown, 4, 4, 1, kLength, Severity::kTreatAsWithdraw, true},
    {6, "ATOMIC_AGGREGATE", kWellKnown, 0, 0, 0, kLength, Severity::kDiscardAttribute},
    {7, "AGGREGATOR", kOptionalTransitive, 6, 8, 2, kLength, Severity::kDiscardAttribute},
    {8, "COMMUNITIES", kOptionalTransitive, 4, 0, 4, kLength, Severity::kTreatAsWithdraw},
    {9, "ORIGINATOR_ID", kOptional, 4, 4, 1, kLength, Severity::kTreatAsWithdraw, true},
    {10, "CLUSTER_LIST", kOptional, 4, 0, 4, kLength, Severity::kTreatAsWithdraw, true},
    {14, "MP_REACH_NLRI", kOptional, 5, 0, 1, kOptionalError, Severity::kReset},
    {15, "MP_UNREACH_NLRI", kOptional, 3, 0, 1, kOptionalError, Severity::kReset},
    {16, "EXTENDED_COMMUNITIES", kOptionalTransitive, 8, 0, 8, kLength, Severity::kTreatAsWithdraw},
    {17, "AS4_PATH", kOptionalTransitive, 6, 0, 2, kLength, Severity::kDiscardAttribute},
    {18, "AS4_AGGREGATOR", kOptionalTransitive, 8, 8, 1, kLength, Severity::kDiscardAttribute},
    {25, "IPV6_EXTENDED_COMMUNITIES", kOptionalTransitive, 20, 0, 20, kLength,
     Severity::kTreatAsWithdraw},
    {32, "LARGE_COMMUNITY", kOptionalTransitive, 12, 0, 12, kLength, Severity::kTreatAsWithdraw},
};

const AttributeRule* RuleOf(uint8_t type) {
  const auto rule = std::find_if(std::begin(kRules), std::end(kRules),
                                 [type](const AttributeRule& r) { return r.type == type; });
  return rule == std::end(kRules) ? nullptr : rule;
}

bool LengthAllowed(const AttributeRule& rule, size_t length) {
  if (rule.unit == 0) return length == 0;
  return length >= rule.shortest && (rule.longest == 0 || length <= rule.longest) &&
         length % rule.unit == 0;
}

// One UPDATE under examination.
class Checker {
 public:
  Checker(const UpdateFormat& format, UpdateVisitor* visitor)
      : format_(format), visitor_(visitor) {}

  std::optional<MessageError> Run(std::span<const uint8_t> body) {
    Reader reader(body);
    std::span<const uint8_t> withdrawn;
    std::span<const uint8_t> attributes;
    if (!TakeCounted(&reader, "withdrawn routes", &withdrawn) ||
        !TakeCounted(&reader, "path attributes", &attributes)) {
      return error_;
    }
    Nlri(Family::kV4, format_.add_path_v4, Reader(withdrawn), "withdrawn routes",
         [&](const IpPrefix& prefix, uint32_t id) { visitor_->OnWithdrawn(prefix, id); });
    Attributes(Reader(attributes));
    announces_ |= !reader.empty();
    if (reaches_ || !reader.empty()) Need(attribute::kOrigin);
    if (reaches_ || !reader.empty()) Need(attribute::kAsPath);
    if (!reader.empty()) Need(attribute::kNextHop);
    // RFC 7606 5.2: nothing is announced, so the broken attribute may hide what should be.
    if (!announces_ && error_.has_value() && error_->severity == Severity::kTreatAsWithdraw) {
      error_->severity = Severity::kReset;
    }
    Nlri(Family::kV4, format_.add_path_v4, reader, "NLRI",
         [&](const IpPrefix& prefix, uint32_t id) {
           visitor_->OnAnnounced(prefix, id, std::nullopt);
         });
    return error_;
  }

 private:
  bool broken() const { return error_.has_value() && error_->severity == Severity::kReset; }

  // The gravest error wins, and among equals the first.
  void Fail(Severity severity, uint8_t subcode, std::string reason, Bytes data = {}) {
    if (error_.has_value() && error_->severity <= severity) return;
    error_ = MessageError{
        {ErrorCode::kUpdate, subcode, std::move(data)}, absl::StrCat("UPDATE: ", reason), severity};
  }

  bool TakeCounted(Reader* reader, const char* field, std::span<const uint8_t>* bytes) {
    uint16_t length = 0;
    if (reader->U16(&length) && reader->Take(length, bytes)) return true;
    Fail(Severity::kReset, update_error::kMalformedAttributes,
         absl::StrCat(field, " of ", length, " octets run past the end of the message"));
    return false;
  }

  template <typename Each>
  void Nlri(Family family, bool add_path, Reader reader, const char* field, Each each) {
    const size_t most_bits = static_cast<size_t>(FamilyBits(family));
    while (!broken() && !reader.empty()) {
      uint32_t id = 0;
      uint8_t bits = 0;
      std::span<const uint8_t> octets;
      if ((add_path && !reader.U32(&id)) || !reader.U8(&bits)) {
        return Fail(Severity::kReset, update_error::kInvalidNetwork,
                    absl::StrCat(field, ": a prefix is cut off"));
      }
      if (bits > most_bits || !reader.Take((bits + 7u) / 8, &octets)) {
        return Fail(Severity::kReset, update_error::kInvalidNetwork,
                    absl::StrCat(field, ": a prefix of length ", bits,
                                 bits > most_bits ? " is longer than its address"
                                                  : " runs past the end of the field"));
      }
      if (visitor_ == nullptr) continue;
      std::array<uint8_t, 16> address{};
      std::copy(octets.begin(), octets.end(), address.begin());
      each(IpPrefix(IpAddress::FromBytes(std::span(address).first(most_bits / 8)), bits), id);
    }
  }

  void Attributes(Reader reader) {
    while (!broken() && !reader.empty()) {
      uint8_t flags = 0;
      uint8_t type = 0;
      uint8_t short_length = 0;
      uint16_t length = 0;
      std::span<const uint8_t> value;
      bool whole = reader.U8(&flags) && reader.U8(&type);
      if (flags & attribute::kExtendedLength) {
        whole = whole && reader.U16(&length);
      } else {
        whole = whole && reader.U8(&short_length);
        length = short_length;
      }
      if (!whole || !reader.Take(length, &value)) {
        return Fail(Severity::kTreatAsWithdraw, update_error::kMalformedAttributes,
                    absl::StrCat("attribute ", type, " runs past the end of the attributes"));
      }
      Attribute(flags, type, value);
    }
  }

  void Attribute(uint8_t flags, uint8_t type, std::span<const uint8_t> value) {
    const AttributeRule* rule = RuleOf(type);
    if (seen_.test(type)) {
      // RFC 7606 3 g: of doubles the first counts, but doubled MP attributes are beyond repair.
      const bool mp = type == attribute::kMpReach || type == attribute::kMpUnreach;
      return Fail(mp ? Severity::kReset : Severity::kDiscardAttribute,
                  update_error::kMalformedAttributes,
                  absl::StrCat("attribute ", rule == nullptr ? absl::StrCat(type) : rule->name,
                               " stands twice"));
    }
    seen_.set(type);
    if (rule == nullptr && (flags & attribute::kOptional) == 0) {
      return Fail(Severity::kReset, update_error::kUnrecognizedWellKnown,
                  absl::StrCat("well-known attribute ", type, " is unknown"),
                  Whole(flags, type, value));
    }
    if (rule != nullptr && (flags & kOptionalTransitive) != rule->flags) {
      return Fail(Severity::kTreatAsWithdraw, update_error::kAttributeFlags,
                  absl::StrCat("attribute ", rule->name, " has flags ", flags),
                  Whole(flags, type, value));
    }
    if (rule != nullptr && rule->internal && format_.ebgp) {
      return Fail(Severity::kDiscardAttribute, kOptionalError,
                  absl::StrCat("attribute ", rule->name, " from another AS"));
    }
    if (rule != nullptr && !LengthAllowed(*rule, value.size())) {
      return Fail(rule->severity, rule->length_subcode,
                  absl::StrCat("attribute ", rule->name, " has ", value.size(), " octets"),
                  Whole(flags, type, value));
    }
    if (rule != nullptr && !Value(*rule, flags, value)) return;
    if (visitor_ != nullptr && !broken()) visitor_->OnAttribute(flags, type, value);
  }

  // The data of NOTIFICATIONs about an attribute: all of it.
  static Bytes Whole(uint8_t flags, uint8_t type, std::span<const uint8_t> value) {
    Bytes whole;
    PutAttribute(flags & ~attribute::kExtendedLength, type, value, &whole);
    return whole;
  }

  // False when the value is wrong.
  bool Value(const AttributeRule& rule, uint8_t flags, std::span<const uint8_t> value) {
    switch (rule.type) {
      case attribute::kOrigin:
        if (value[0] <= 2) return true;
        Fail(rule.severity, update_error::kInvalidOrigin, absl::StrCat("ORIGIN is ", value[0]),
             Whole(flags, rule.type, value));
        return false;
      case attribute::kAsPath:
        if (AsPathWellFormed(Reader(value), as_octets())) return true;
        Fail(rule.severity, update_error::kMalformedAsPath, "AS_PATH is malformed");
        return false;
      case attribute::kAs4Path:
        if (AsPathWellFormed(Reader(value), 4)) return true;
        Fail(rule.severity, kOptionalError, "AS4_PATH is malformed",
             Whole(flags, rule.type, value));
        return false;
      case attribute::kAggregator:
      case attribute::kAs4Aggregator:
        return Aggregator(rule, flags, value);
      case attribute::kMpReach:
        MpReach(Reader(value));
        return !broken();
      case attribute::kMpUnreach:
        MpUnreach(Reader(value));
        return !broken();
      default:
        return true;
    }
  }

  size_t as_octets() const { return format_.four_octet_as ? 4 : 2; }

  // Segments of a confederation (3 and 4) do not leave it (RFC 5065 5).
  bool AsPathWellFormed(Reader reader, size_t octets_per_as) const {
    const uint8_t last_segment = format_.ebgp ? attribute::kAsSequence : 4;
    while (!reader.empty()) {
      uint8_t segment = 0;
      uint8_t count = 0;
      std::span<const uint8_t> ases;
      if (!reader.U8(&segment) || !reader.U8(&count) || segment < 1 || segment > last_segment ||
          count == 0 || !reader.Take(count * octets_per_as, &ases)) {
        return false;
      }
      for (; !ases.empty(); ases = ases.subspan(octets_per_as)) {
        if (IsZero(ases.first(octets_per_as))) return false;
      }
    }
    return true;
  }

  static bool IsZero(std::span<const uint8_t> octets) {
    return std::all_of(octets.begin(), octets.end(), [](uint8_t octet) { return octet == 0; });
  }

  // An AS, in two octets where the session has no larger ones, and an IPv4 address.
  bool Aggregator(const AttributeRule& rule, uint8_t flags, std::span<const uint8_t> value) {
    const size_t as = rule.type == attribute::kAggregator ? as_octets() : 4;
    if (value.size() != as + 4) {
      Fail(rule.severity, rule.length_subcode,
           absl::StrCat("attribute ", rule.name, " has ", value.size(), " octets"),
           Whole(flags, rule.type, value));
      return false;
    }
    if (!IsZero(value.first(as))) return true;
    Fail(rule.severity, kOptionalError, absl::StrCat("attribute ", rule.name, " names AS 0"),
         Whole(flags, rule.type, value));
    return false;
  }

  // The family of an MP attribute, if it is one we know; NLRI of others are not looked into.
  std::optional<Family> TakeFamily(Reader* reader) {
    uint16_t afi = 0;
    uint8_t safi = 0;
    reader->U16(&afi);
    reader->U8(&safi);
    if (safi != kSafiUnicast) return std::nullopt;
    if (afi == kAfiIpv4) return Family::kV4;
    if (afi == kAfiIpv6) return Family::kV6;
    return std::nullopt;
  }

  bool add_path(Family family) const {
    return family == Family::kV4 ? format_.add_path_v4 : format_.add_path_v6;
  }

  void MpReach(Reader reader) {
    const std::optional<Family> family = TakeFamily(&reader);
    uint8_t length = 0;
    uint8_t reserved = 0;
    std::span<const uint8_t> next_hop;
    if (!reader.U8(&length) || !reader.Take(length, &next_hop) || !reader.U8(&reserved)) {
      return Fail(Severity::kReset, kOptionalError,
                  absl::StrCat("MP_REACH_NLRI: a next hop of ", length,
                               " octets runs past the end of the attribute"));
    }
    announces_ |= !reader.empty();
    if (!family.has_value()) return;
    // RFC 4760 3, RFC 2545 3 (global, or global and link-local), RFC 8950 4.
    if (length != 16 && length != 32 && (length != 4 || *family == Family::kV6)) {
      return Fail(Severity::kReset, kOptionalError,
                  absl::StrCat("MP_REACH_NLRI: next hop of ", length, " octets"));
    }
    reaches_ = true;
    const IpAddress first = IpAddress::FromBytes(next_hop.first(length == 4 ? 4 : 16));
    Nlri(*family, add_path(*family), reader, "MP_REACH_NLRI",
         [&](const IpPrefix& prefix, uint32_t id) { visitor_->OnAnnounced(prefix, id, first); });
  }

  void MpUnreach(Reader reader) {
    const std::optional<Family> family = TakeFamily(&reader);
    if (!family.has_value()) return;
    Nlri(*family, add_path(*family), reader, "MP_UNREACH_NLRI",
         [&](const IpPrefix& prefix, uint32_t id) { visitor_->OnWithdrawn(prefix, id); });
  }

  void Need(uint8_t type) {
    if (seen_.test(type)) return;
    Fail(Severity::kTreatAsWithdraw, update_error::kMissingWellKnown,
         absl::StrCat("attribute ", RuleOf(type)->name, " is missing"), {type});
  }

  const UpdateFormat& format_;
  UpdateVisitor* visitor_;
  std::bitset<256> seen_;
  bool reaches_ = false;    // MP_REACH_NLRI has a family that we know
  bool announces_ = false;  // prefixes, of whatever family
  std::optional<MessageError> error_;
};

}  // namespace

std::optional<MessageError> CheckUpdate(std::span<const uint8_t> body, const UpdateFormat& format,
                                        UpdateVisitor* visitor) {
  return Checker(format, visitor).Run(body);
}

}  // namespace openelb::bgp
