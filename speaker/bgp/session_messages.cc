// Connections and messages of a session; session.cc has the rest.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "speaker/bgp/session.h"
#include "speaker/bgp/update.h"

namespace openelb::bgp {
namespace {

// How long a connection that should win a collision may lag behind one that is ESTABLISHED.
constexpr absl::Duration kCollisionWait = absl::Seconds(10);
// After that long in ESTABLISHED the next failure starts with short waits again.
constexpr absl::Duration kStable = absl::Seconds(10);
// The peer has a session with another speaker of this address, such as an older one that is about
// to go: as soon as it has, the peer is without routes.
constexpr absl::Duration kTakenRetry = absl::Seconds(1);
// The peer has connected: give it that long to send its OPEN before dialling as well.
constexpr absl::Duration kAcceptedFirst = absl::Seconds(5);

Notification CollisionCease() { return {ErrorCode::kCease, cease::kCollision}; }

// A ROUTE-REFRESH that is too long: RFC 7313 5 where it is a mark, else RFC 4271 6.1.
MessageError BadRefreshLength(const Message& message, bool mark) {
  Bytes whole;
  const size_t start = BeginMessage(message.type, &whole);
  PutBytes(&whole, message.body);
  FinishMessage(start, &whole);
  const std::string reason = absl::StrCat("ROUTE-REFRESH of ", whole.size(),
                                          " octets, allowed are ", kHeaderLength + kRefreshLength);
  if (mark) return {{ErrorCode::kRefresh, refresh_error::kInvalidLength, whole}, reason};
  Bytes length;
  PutU16(&length, static_cast<uint16_t>(whole.size()));
  return {{ErrorCode::kHeader, header_error::kBadLength, length}, reason};
}

// Which next hops IPv4 routes get where the session runs over IPv6; empty: that is no question.
absl::string_view DescribeNextHops(const OpenTerms& terms, Family family, const FamilyUse& use) {
  if (!use.negotiated || !terms.OffersIpv6NextHops(family)) return "";
  return use.ipv6_next_hops ? " (IPv6 next hops)"
                            : " (IPv4 next hops: the peer takes no IPv6 ones, RFC 8950)";
}

std::string DescribeSession(const Connection& connection) {
  std::string text = absl::StrCat("established with AS ", connection.peer.as(), ", identifier ",
                                  IpAddress::FromV4(connection.peer.identifier).ToString(),
                                  ", hold time ", connection.negotiated.hold_time, " s");
  for (const OpenTerms::FamilyTerm& term : connection.terms.families) {
    const FamilyUse& use = connection.negotiated.use(term.family);
    absl::StrAppend(&text, ", ", FamilyName(term.family), " unicast",
                    !use.negotiated      ? " not offered by the peer"
                    : use.add_path       ? " with ADD-PATH"
                    : term.add_path_send ? " without ADD-PATH, which the peer does not receive"
                                         : "",
                    DescribeNextHops(connection.terms, term.family, use));
  }
  return text;
}

}  // namespace

// ---- connections ----

Connection* Session::Find(io::ConnId conn) {
  for (Connection* connection : {dialled_.get(), accepted_.get()}) {
    if (connection != nullptr && connection->conn == conn) return connection;
  }
  return nullptr;
}

void Session::OnConnected(io::ConnId conn, absl::Duration now, const IpAddress& local) {
  if (dialling_ != conn) return;
  dialling_.reset();
  Open(conn, true, local, now);
  SetState(Reason::kConnected, "connected");
}

bool Session::OnAccepted(io::ConnId conn, absl::Duration now, const IpAddress& local) {
  if (!running_ || state_ == SessionState::kEstablished) return false;
  // A peer that connects again has given up its last attempt.
  if (accepted_) Close(accepted_.get(), CollisionCease());
  Open(conn, false, local, now);
  if (retry_at_ != absl::InfiniteDuration()) retry_at_ = std::max(retry_at_, now + kAcceptedFirst);
  SetState(Reason::kAccepted, "the peer connected");
  return true;
}

void Session::Open(io::ConnId conn, bool dialled, const IpAddress& local, absl::Duration now) {
  const RestartState restart{.restarted = !was_established_,
                             .forwarding = was_established_ || config_.forwarding_kept};
  const absl::Duration delay = absl::Seconds(config_.peer.delay_open_s);
  Slot(dialled) = std::make_unique<Connection>(
      conn, dialled, OpenTerms(config_.peer, config_.router_id), restart, now + delay);
  Slot(dialled)->local = local;
  if (delay == absl::ZeroDuration()) SendOpen(Slot(dialled).get(), now);
}

void Session::SendOpen(Connection* connection, absl::Duration now) {
  connection->SendOpen(now);
  Count(MessageType::kOpen, &sent_, &counters_->sent);
}

void Session::OnClosed(io::ConnId conn, const absl::Status& why, absl::Duration now) {
  if (dialling_ == conn) {
    dialling_.reset();
    const std::string what = absl::StrCat("cannot connect to port ", config_.peer.remote_port, ": ",
                                          why.ok() ? "closed at once" : why.message());
    last_error_ = Sentence(what);
    ScheduleRetry(now);
    SetState(Reason::kDialFailed, what);
    return;
  }
  Connection* connection = Find(conn);
  if (connection == nullptr) return;
  std::string what = why.ok() ? "the peer closed the connection"
                              : absl::StrCat("the connection is lost: ", why.message());
  if (connection->state < ConnectionState::kOpenConfirm) {
    absl::StrAppend(&what, ", without an OPEN");
  }
  Drop(connection, std::nullopt, Reason::kConnectionClosed, what, now);
}

void Session::Drop(Connection* connection, const std::optional<Notification>& notification,
                   Reason reason, absl::string_view what, absl::Duration now) {
  if (connection->state == ConnectionState::kEstablished && now >= established_at_ + kStable) {
    backoff_.Reset();
  }
  Close(connection, notification);
  if (confirmed() == nullptr) last_error_ = Sentence(what);
  if (confirmed() == nullptr && !dialling_.has_value() && dialled_ == nullptr) {
    ScheduleRetry(now, reason == Reason::kCollision ? kTakenRetry : absl::InfiniteDuration());
  }
  SetState(reason, what);
  // The other connection may only have waited for this one.
  for (bool dialled : {true, false}) {
    Connection* other = Slot(dialled).get();
    if (other != nullptr && other->confirmed) Establish(other, now);
  }
}

void Session::Fail(Connection* connection, const MessageError& error, Reason reason,
                   absl::Duration now) {
  const bool says = connection->state != ConnectionState::kDelayed;
  Drop(connection, error.notification, reason,
       says ? absl::StrCat(error.reason, " (sent NOTIFICATION ",
                           NotificationName(error.notification), ")")
            : error.reason,
       now);
}

void Session::Close(Connection* connection, const std::optional<Notification>& notification) {
  if (connection->state == ConnectionState::kEstablished) {
    rib_.reset();
    marks_.reset();
    wire_ = WireMark();
  }
  connection->outbox.DropUnsent();
  if (notification.has_value() && connection->state != ConnectionState::kDelayed) {
    EncodeNotification(*notification, connection->outbox.tail());
    Count(MessageType::kNotification, &sent_, &counters_->sent);
    ++counters_->notifications_sent[NotificationName(*notification)];
  }
  const auto pending = connection->outbox.pending();
  output_.close.push_back({connection->conn, Bytes(pending.begin(), pending.end())});
  Slot(connection->dialled).reset();
}

void Session::CloseAll(const Notification& cease) {
  for (bool dialled : {true, false}) {
    Connection* connection = Slot(dialled).get();
    if (connection == nullptr) continue;
    // RFC 8538 5.1: with a change of configuration the routes come back, with other ends they do
    // not.
    const bool hard = connection->state == ConnectionState::kEstablished &&
                      connection->negotiated.keeps_when_notified &&
                      cease.subcode != cease::kConfigurationChange;
    Close(connection, hard ? HardReset(cease) : cease);
  }
  AbortDial();
}

void Session::AbortDial() {
  if (!dialling_.has_value()) return;
  output_.close.push_back({*dialling_, {}});
  dialling_.reset();
}

// ---- messages ----

void Session::OnData(io::ConnId conn, std::span<const uint8_t> data, absl::Duration now) {
  Connection* connection = Find(conn);
  if (connection == nullptr) return;
  connection->framer.Append(data);
  std::optional<MessageError> error;
  while (const std::optional<Message> message = connection->framer.Next(&error)) {
    Dispatch(connection, *message, now);
    if (Find(conn) == nullptr) return;
  }
  if (error.has_value()) Fail(connection, *error, Reason::kBadMessage, now);
}

void Session::Dispatch(Connection* connection, const Message& message, absl::Duration now) {
  Count(message.type, &received_, &counters_->received);
  Step step = StepFor(connection->state, message.type);
  // The peer may be ahead of a connection that only waits for another one.
  if (step == Step::kUnexpected && connection->confirmed) step = Step::kAlive;
  switch (step) {
    case Step::kOpen:
      return OnOpen(connection, message, now);
    case Step::kConfirm:
      connection->RestartHold(now);
      return OnConfirm(connection, now);
    case Step::kAlive:
      return connection->RestartHold(now);
    case Step::kUpdate:
      connection->RestartHold(now);
      return OnUpdate(connection, message, now);
    case Step::kRefresh:
      return OnRefresh(connection, message, now);
    case Step::kEnd: {
      const Notification notification = DecodeNotification(message.body);
      ++counters_->notifications_received[NotificationName(notification)];
      return Drop(
          connection, std::nullopt,
          notification == CollisionCease() ? Reason::kCollision : Reason::kNotificationReceived,
          absl::StrCat("the peer sent NOTIFICATION ", DescribeNotification(notification)), now);
    }
    case Step::kUnexpected:
      return Fail(connection, Unexpected(connection->state, message.type), Reason::kBadMessage,
                  now);
  }
}

bool Session::DialledStays(const OpenMessage& peer) const {
  if (config_.router_id != peer.identifier) return config_.router_id > peer.identifier;
  return config_.peer.local_as > peer.as();
}

void Session::OnOpen(Connection* connection, const Message& message, absl::Duration now) {
  OpenMessage open;
  Negotiated negotiated;
  std::optional<MessageError> error = DecodeOpen(message.body, &open);
  if (!error.has_value()) error = Negotiate(connection->terms, open, &negotiated);
  if (error.has_value()) return Fail(connection, *error, Reason::kBadOpen, now);

  const Connection* other = Slot(!connection->dialled).get();
  if (other != nullptr && other->state >= ConnectionState::kOpenConfirm &&
      DialledStays(open) != connection->dialled) {
    // Our KEEPALIVE has not gone out on this one, so the peer cannot count on it yet.
    Close(connection, CollisionCease());
    return SetState(Reason::kCollision, "the other of two connections stays");
  }
  if (connection->state == ConnectionState::kDelayed) SendOpen(connection, now);
  connection->Confirm(open, negotiated, config_.peer.keepalive_s, now, random_);
  Count(MessageType::kKeepalive, &sent_, &counters_->sent);
  SetState(Reason::kOpenReceived, "OPEN received");
}

void Session::OnConfirm(Connection* connection, absl::Duration now) {
  const Connection* other = Slot(!connection->dialled).get();
  if (other != nullptr && other->state == ConnectionState::kOpenConfirm &&
      DialledStays(connection->peer) != connection->dialled) {
    connection->confirmed = true;
    return;
  }
  Establish(connection, now);
}

void Session::Establish(Connection* connection, absl::Duration now) {
  if (Connection* other = Slot(!connection->dialled).get()) {
    if (other->state == ConnectionState::kOpenSent &&
        DialledStays(connection->peer) != connection->dialled) {
      // The peer may have decided for the other one already: it gets its chance.
      other->hold_deadline = std::min(other->hold_deadline, now + kCollisionWait);
    } else {
      Close(other, CollisionCease());
      SetState(Reason::kCollision, "the other of two connections stays");
    }
  }
  AbortDial();
  retry_at_ = absl::InfiniteDuration();
  connection->state = ConnectionState::kEstablished;
  connection->confirmed = false;
  established_at_ = now;
  const AttributeContext context{connection->terms.ebgp(), connection->terms.local_as,
                                 connection->negotiated.four_octet_as, connection->local};
  rib_ = std::make_unique<AdjRibOut>(plan_, context, connection->negotiated,
                                     AdjRibOut::Policy(config_.peer),
                                     connection->negotiated.max_message);
  marks_.emplace(connection->negotiated);
  was_established_ = true;
  wire_ = WireMark();
  SetState(Reason::kConfirmed, DescribeSession(*connection));
  if (connection->peer.identifier == config_.router_id) {
    output_.notes.push_back(Sentence(absl::StrCat(
        "BGP identifier clash: the peer uses ", IpAddress::FromV4(config_.router_id).ToString(),
        ", which is this speaker's routerId; allowed between different ASes (RFC 6286)")));
  }
}

void Session::OnUpdate(Connection* connection, const Message& message, absl::Duration now) {
  const UpdateFormat format{.four_octet_as = connection->negotiated.four_octet_as,
                            .ebgp = connection->terms.ebgp()};
  const std::optional<MessageError> error = CheckUpdate(message.body, format);
  if (!error.has_value()) return;
  ++counters_->update_errors[{std::string(ApproachName(error->severity)),
                              NotificationName(error->notification)}];
  if (error->severity == MessageError::Severity::kReset) {
    return Fail(connection, *error, Reason::kBadMessage, now);
  }
  output_.notes.push_back(Sentence(absl::StrCat("ignored a malformed message: ", error->reason)));
}

void Session::OnRefresh(Connection* connection, const Message& message, absl::Duration now) {
  const Refresh refresh = DecodeRefresh(message.body);
  const bool mark =
      refresh.subtype == RefreshSubtype::kBegin || refresh.subtype == RefreshSubtype::kEnd;
  if (message.body.size() != kRefreshLength) {
    return Fail(connection,
                BadRefreshLength(message, mark && connection->negotiated.enhanced_refresh),
                Reason::kBadMessage, now);
  }
  if (mark) {
    // Of the peer's own routes, none of which are kept.
    ++counters_->refreshes["marked"];
    return;
  }
  if (refresh.subtype != RefreshSubtype::kRequest) {
    ++counters_->refreshes["unknown_subtype"];
    output_.notes.push_back(Sentence(absl::StrCat("ignored a ROUTE-REFRESH of unknown subtype ",
                                                  static_cast<int>(refresh.subtype))));
    return;
  }
  for (Family family : {Family::kV4, Family::kV6}) {
    if (refresh.afi != AfiOf(family) || refresh.safi != kSafiUnicast ||
        !connection->negotiated.use(family).negotiated) {
      continue;
    }
    ++counters_->refreshes[marks_->Ask(family) ? "answered" : "joined"];
    return;
  }
  ++counters_->refreshes["unknown_family"];
  output_.notes.push_back(Sentence(
      absl::StrCat("ignored a ROUTE-REFRESH for a family that the session does not carry (AFI ",
                   refresh.afi, ", SAFI ", static_cast<int>(refresh.safi), ")")));
}

void Session::Count(MessageType type, MessageCounts* counts, MessageCounts* totals) {
  for (MessageCounts* c : {counts, totals}) {
    switch (type) {
      case MessageType::kOpen:
        ++c->open;
        break;
      case MessageType::kUpdate:
        ++c->update;
        break;
      case MessageType::kNotification:
        ++c->notification;
        break;
      case MessageType::kKeepalive:
        ++c->keepalive;
        break;
      case MessageType::kRefresh:
        ++c->refresh;
        break;
    }
  }
}

}  // namespace openelb::bgp
