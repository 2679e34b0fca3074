#include "controller/kube/testing/reply.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace openelb::kube::fake {

using codec::Value;

Value StatusBody(int code, absl::string_view reason, absl::string_view message, Value details) {
  Value body(Value::Map{{"kind", "Status"},
                        {"apiVersion", "v1"},
                        {"metadata", Value::Map()},
                        {"status", code < 300 ? "Success" : "Failure"},
                        {"code", code}});
  if (!message.empty()) body["message"] = message;
  if (!reason.empty()) body["reason"] = reason;
  if (!details.IsNull()) body["details"] = std::move(details);
  return body;
}

Reply Refuse(int code, absl::string_view reason, absl::string_view message, Value details) {
  Reply reply;
  reply.status = code;
  reply.body = StatusBody(code, reason, message, std::move(details));
  return reply;
}

Value Details(const ResourceType& type, absl::string_view name) {
  Value details(Value::Map{{"kind", type.resource}});
  if (!name.empty()) details["name"] = name;
  if (!type.group.empty()) details["group"] = type.group;
  return details;
}

namespace {

// "services", "eips.network.kubesphere.io"
std::string Qualified(absl::string_view what, const ResourceType& type) {
  return type.group.empty() ? std::string(what) : absl::StrCat(what, ".", type.group);
}

}  // namespace

Reply NotFound(const ResourceType& type, absl::string_view name) {
  return Refuse(404, "NotFound",
                absl::StrCat(Qualified(type.resource, type), " \"", name, "\" not found"),
                Details(type, name));
}

Reply AlreadyExists(const ResourceType& type, absl::string_view name) {
  return Refuse(409, "AlreadyExists",
                absl::StrCat(Qualified(type.resource, type), " \"", name, "\" already exists"),
                Details(type, name));
}

Reply Conflict(const ResourceType& type, absl::string_view name, absl::string_view why) {
  return Refuse(409, "Conflict",
                absl::StrCat("Operation cannot be fulfilled on ", Qualified(type.resource, type),
                             " \"", name, "\": ", why),
                Details(type, name));
}

Reply Modified(const ResourceType& type, absl::string_view name) {
  return Conflict(type, name,
                  "the object has been modified; please apply your changes to the latest version "
                  "and try again");
}

Reply Invalid(const ResourceType& type, absl::string_view name, absl::string_view field,
              absl::string_view message) {
  Value details = Details(type, name);
  details["kind"] = type.kind;
  details["causes"].Append(
      Value(Value::Map{{"reason", "FieldValueInvalid"}, {"message", message}, {"field", field}}));
  return Refuse(422, "Invalid",
                absl::StrCat(Qualified(type.kind, type), " \"", name, "\" is invalid: ", field,
                             ": ", message),
                std::move(details));
}

Reply BadRequest(absl::string_view message) { return Refuse(400, "BadRequest", message); }

Value ExpiredBody(absl::string_view message) { return StatusBody(410, "Expired", message); }

Reply Unwell(int code, absl::Duration retry_after) {
  struct Words {
    int code;
    absl::string_view reason;
    absl::string_view message;
  };
  constexpr Words kWords[] = {
      {401, "Unauthorized", "Unauthorized"},
      {403, "Forbidden", "forbidden: User \"double\" cannot do this"},
      {410, "Expired", "The resourceVersion for the provided watch is too old."},
      {429, "TooManyRequests", "Too many requests, please try again later."},
      {500, "InternalError", "Internal error occurred: etcdserver: leader changed"},
      {503, "ServiceUnavailable", "the server is currently unable to handle the request"},
      {504, "Timeout", "Timeout: request did not complete within the allotted timeout"},
  };
  Reply reply = Refuse(code, "Unknown", "unknown");
  for (const Words& words : kWords) {
    if (words.code == code) reply = Refuse(code, words.reason, words.message);
  }
  if (retry_after > absl::ZeroDuration()) {
    const int64_t seconds = absl::ToInt64Seconds(absl::Ceil(retry_after, absl::Seconds(1)));
    reply.headers["retry-after"] = absl::StrCat(seconds);
    reply.body["details"]["retryAfterSeconds"] = seconds;
  }
  return reply;
}

}  // namespace openelb::kube::fake
