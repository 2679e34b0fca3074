#include "controller/kube/testing/server.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/codec/parse.h"
#include "api/codec/write.h"
#include "controller/kube/json.h"
#include "controller/kube/testing/value_at.h"

namespace openelb::kube::fake {
namespace {

using codec::Value;

// Null when it is no text of one document.
Value ReadYaml(absl::string_view text) {
  codec::ParsedText parsed = codec::ParseYaml(text);
  if (parsed.error.has_value() || parsed.documents.size() != 1) return {};
  return std::move(parsed.documents[0].value);
}

// Tests make no mistakes that tests are about.
[[noreturn]] void Die(absl::string_view what, const Value& why) {
  std::cerr << what << ": " << codec::ToJson(why) << "\n";
  std::abort();
}

// Where a list in pages goes on.
struct Continue {
  Revision revision = 0;
  std::string after;  // the key of the last object sent
};

std::string EncodeContinue(const Continue& token) {
  return absl::WebSafeBase64Escape(absl::StrCat(token.revision, ":", token.after));
}

std::optional<Continue> DecodeContinue(absl::string_view text) {
  std::string plain;
  if (!absl::WebSafeBase64Unescape(text, &plain)) return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(plain, absl::MaxSplits(':', 1));
  Continue token;
  if (!absl::SimpleAtoi(parts.first, &token.revision)) return std::nullopt;
  token.after = std::string(parts.second);
  return token;
}

// Ordered as the store orders keys.
std::string KeyText(const Value& object) {
  const Value& metadata = *object.Find("metadata");
  const Value* ns = metadata.Find("namespace");
  return absl::StrCat(ns == nullptr ? "" : *ns->string(), "\n", *metadata.Find("name")->string());
}

Reply TooLarge(Revision wanted, Revision current) {
  Value details(Value::Map{{"retryAfterSeconds", 1}});
  details["causes"].Append(Value(Value::Map{{"reason", "ResourceVersionTooLarge"},
                                            {"message", "Too large resource version"}}));
  return Refuse(
      504, "Timeout",
      absl::StrCat("Timeout: Too large resource version: ", wanted, ", current: ", current),
      std::move(details));
}

Reply InvalidOptions(absl::string_view field, absl::string_view message) {
  return Refuse(422, "Invalid",
                absl::StrCat("ListOptions.meta.k8s.io \"\" is invalid: ", field, ": ", message));
}

Reply Expired(absl::string_view message) {
  Reply reply;
  reply.status = 410;
  reply.body = ExpiredBody(message);
  return reply;
}

}  // namespace

Server::Server(const Clock* clock) : writer_(&store_, clock) {
  for (const char* name : {"default", "kube-system", "openelb-system"}) {
    PutObject(Value(Value::Map{
        {"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", Value::Map{{"name", name}}}}));
  }
}

Server::Answer Server::Serve(const HttpRequest& http, Revision behind) {
  const std::optional<ApiRequest> request = ReadRequest(http.method, http.path);
  LoggedRequest logged;
  logged.path = http.path;
  logged.body = http.body;
  Answer answer;
  const Revision before = store_.revision();
  if (!request.has_value()) {
    answer.reply = Refuse(404, "NotFound", "the server could not find the requested resource");
  } else {
    logged.verb = request->verb;
    logged.resource = request->ResourceName();
    logged.ns = request->ns;
    logged.name = request->name;
    if (request->verb == "get") {
      answer.reply = Get(*request, behind);
    } else if (request->verb == "list") {
      answer.reply = List(*request, behind);
    } else if (request->verb == "watch") {
      answer = StartWatch(*request);
    } else {
      answer.reply = Write(*request, http);
    }
  }
  logged.status = answer.reply.status;
  log_.push_back(std::move(logged));
  TellListeners(before);
  return answer;
}

Reply Server::Get(const ApiRequest& request, Revision behind) const {
  const Revision at = std::max(store_.compacted(), store_.revision() - behind);
  const StoredObject object = store_.Get({request.type, request.ns, request.name}, at);
  if (object == nullptr) return NotFound(*request.type, request.name);
  Reply reply;
  reply.body = Render(*object, *request.type, request.version);
  return reply;
}

Reply Server::List(const ApiRequest& request, Revision behind) const {
  const absl::StatusOr<Selector> selector = Selector::Parse(
      request.Param("labelSelector"), request.Param("fieldSelector"), request.type->selectable);
  if (!selector.ok()) return BadRequest(selector.status().message());
  Continue from;
  from.revision = std::max(store_.compacted(), store_.revision() - behind);
  const absl::string_view version = request.Param("resourceVersion");
  Revision wanted = 0;
  if (!version.empty() && !absl::SimpleAtoi(version, &wanted)) {
    return BadRequest(absl::StrCat("invalid resource version: resourceVersion: Invalid value: \"",
                                   version, "\""));
  }
  if (const absl::string_view token = request.Param("continue"); !token.empty()) {
    const std::optional<Continue> decoded = DecodeContinue(token);
    if (!version.empty()) {
      return BadRequest("specifying resource version is not allowed when using continue");
    }
    if (!decoded.has_value()) return BadRequest("continue key is not valid");
    if (decoded->revision < store_.compacted()) {
      return Expired(
          "The provided continue parameter is too old to display a consistent list result. You "
          "must start a new list without the continue parameter.");
    }
    from = *decoded;
  } else if (wanted > store_.revision()) {
    return TooLarge(wanted, store_.revision());
  } else if (request.Param("resourceVersionMatch") == "Exact") {
    if (wanted < store_.compacted()) {
      return Expired("The resourceVersion for the provided list is too old.");
    }
    from.revision = wanted;
  }
  size_t limit = 0;
  if (!absl::SimpleAtoi(request.Param("limit"), &limit)) limit = 0;
  Value items{Value::List()};
  std::string last;
  size_t left = 0;
  for (const StoredObject& object : store_.List(request.type, request.ns, from.revision)) {
    const std::string key = KeyText(*object);
    if ((!from.after.empty() && key <= from.after) || !selector->Matches(*object)) continue;
    if (limit > 0 && items.list()->size() == limit) {
      ++left;
      continue;
    }
    last = key;
    Value item = Render(*object, *request.type, request.version);
    if (!request.type->custom) {
      item.map()->erase("apiVersion");
      item.map()->erase("kind");
    }
    items.Append(std::move(item));
  }
  Reply reply;
  reply.body["apiVersion"] = request.type->ApiVersion(request.version);
  reply.body["kind"] = absl::StrCat(request.type->kind, "List");
  Value& metadata = reply.body["metadata"];
  metadata["resourceVersion"] = absl::StrCat(from.revision);
  if (request.type->custom) metadata["continue"] = "";
  if (left > 0) {
    metadata["continue"] = EncodeContinue({from.revision, last});
    if (selector->empty()) metadata["remainingItemCount"] = left;
  }
  reply.body["items"] = std::move(items);
  return reply;
}

Server::Answer Server::StartWatch(const ApiRequest& request) {
  Answer answer;
  const absl::StatusOr<Selector> selector = Selector::Parse(
      request.Param("labelSelector"), request.Param("fieldSelector"), request.type->selectable);
  if (!selector.ok()) {
    answer.reply = BadRequest(selector.status().message());
    return answer;
  }
  const bool send_initial = request.BoolParam("sendInitialEvents");
  const bool bookmarks = request.BoolParam("allowWatchBookmarks");
  const absl::string_view match = request.Param("resourceVersionMatch");
  const auto forbid = [&](absl::string_view field, absl::string_view why) {
    answer.reply = InvalidOptions(field, absl::StrCat("Forbidden: ", why));
  };
  if (send_initial && !watch_list_) {
    forbid("sendInitialEvents",
           "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
    return answer;
  }
  if (send_initial && match != "NotOlderThan") {
    forbid("resourceVersionMatch",
           "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    return answer;
  }
  if (!send_initial && !match.empty()) {
    forbid("resourceVersionMatch",
           "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    return answer;
  }
  Revision from = 0;
  if (const absl::string_view text = request.Param("resourceVersion");
      !text.empty() && !absl::SimpleAtoi(text, &from)) {
    answer.reply = Refuse(
        500, "", absl::StrCat("resourceVersion: Invalid value: \"", text, "\": invalid syntax"));
    return answer;
  }
  answer.watch = std::make_unique<Watch>(
      &store_, WatchScope{request.type, request.version, request.ns, *selector, bookmarks}, from);
  if (send_initial && from > store_.revision()) {
    answer.watch->Fail(TooLarge(from, store_.revision()).body);
    return answer;
  }
  if (send_initial || from == 0) answer.watch->SendInitial(send_initial && bookmarks);
  return answer;
}

Reply Server::Write(const ApiRequest& request, const HttpRequest& http) {
  Value body;
  if (!http.body.empty()) {
    absl::StatusOr<Value> parsed = ParseJson(http.body);
    if (!parsed.ok()) return BadRequest(parsed.status().message());
    body = *std::move(parsed);
  }
  if (request.name.empty() != (request.verb == "create")) {
    return Refuse(405, "MethodNotAllowed",
                  "the server does not allow this method on the requested resource");
  }
  if (request.type->kind == "TokenReview") return ReviewToken(body);
  if (request.type->kind == "SubjectAccessReview") return ReviewAccess(body);
  if (request.verb == "create") return writer_.Create(request, std::move(body));
  if (request.verb == "update") return writer_.Update(request, std::move(body));
  if (request.verb == "delete") return writer_.Delete(request, body);
  if (request.verb == "patch") {
    if (http.content_type == "application/merge-patch+json") {
      return writer_.MergePatch(request, body);
    }
    if (http.content_type == "application/apply-patch+yaml")
      return writer_.Apply(request, std::move(body));
    return Refuse(
        415, "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        "application/merge-patch+json, application/apply-patch+yaml");
  }
  return Refuse(405, "MethodNotAllowed",
                "the server does not allow this method on the requested resource");
}

Reply Server::ReviewToken(const Value& review) const {
  const std::string token = TextAt(review, {"spec", "token"});
  if (token.empty()) return BadRequest("token is required for TokenReview in authentication");
  Reply reply;
  reply.status = 201;
  reply.body = review;
  Value& status = reply.body["status"];
  status = Value(Value::Map{{"user", Value::Map()}, {"error", "invalid bearer token"}});
  const auto it = tokens_.find(token);
  if (it == tokens_.end()) return reply;
  // Of a review that names no audience it is the server's own, which AddToken calls "".
  const Value* wanted = ValueAt(review, {"spec", "audiences"});
  const Value& own = it->second.Find("audiences")->list()->front();
  const bool fits =
      wanted == nullptr || wanted->list() == nullptr
          ? own == Value("")
          : std::find(wanted->list()->begin(), wanted->list()->end(), own) != wanted->list()->end();
  if (fits) status = it->second;
  return reply;
}

Reply Server::ReviewAccess(const Value& review) const {
  Reply reply;
  reply.status = 201;
  reply.body = review;
  reply.body["status"]["allowed"] =
      metrics_readers_.contains(TextAt(review, {"spec", "user"})) &&
      TextAt(review, {"spec", "nonResourceAttributes", "path"}) == "/metrics" &&
      TextAt(review, {"spec", "nonResourceAttributes", "verb"}) == "get";
  return reply;
}

void Server::AddToken(const std::string& token, const std::string& audience,
                      const std::string& user, Value extra) {
  Value& status = tokens_[token];
  status["authenticated"] = true;
  status["audiences"] = Value(Value::List{audience});
  status["user"]["username"] = user;
  if (!extra.IsNull()) status["user"]["extra"] = std::move(extra);
}

Value Server::Put(absl::string_view text) {
  Value object = ReadYaml(text);
  if (object.IsNull()) Die("not one document", Value(text));
  return PutObject(object);
}

Value Server::PutObject(const Value& object) {
  const Revision before = store_.revision();
  ApiRequest request;
  request.type = FindByKind(*object.Find("apiVersion")->string(), *object.Find("kind")->string());
  if (request.type == nullptr) Die("no such kind", object);
  request.version = std::string(request.type->version);
  const Value& metadata = *object.Find("metadata");
  request.name = *metadata.Find("name")->string();
  if (request.type->namespaced) {
    const Value* ns = metadata.Find("namespace");
    request.ns = ns == nullptr ? "default" : *ns->string();
  }
  const Value* status = object.Find("status");
  Reply reply = store_.Get({request.type, request.ns, request.name}) == nullptr
                    ? writer_.Create(request, object)
                    : writer_.MergePatch(request, object);
  if (reply.ok() && status != nullptr && request.type->has_status) {
    request.subresource = "status";
    reply = writer_.MergePatch(request, Value(Value::Map{{"status", *status}}));
  }
  if (!reply.ok()) Die("refused", reply.body);
  TellListeners(before);
  return std::move(reply.body);
}

void Server::Patch(absl::string_view resource, const std::string& ns, const std::string& name,
                   absl::string_view patch) {
  Value object = Find(resource, ns, name);
  if (object.IsNull()) Die("no such object", Value(name));
  Value changes = ReadYaml(patch);
  changes["apiVersion"] = *object.Find("apiVersion");
  changes["kind"] = *object.Find("kind");
  changes["metadata"]["name"] = name;
  if (!ns.empty()) changes["metadata"]["namespace"] = ns;
  PutObject(changes);
}

void Server::Remove(absl::string_view resource, const std::string& ns, const std::string& name) {
  const Revision before = store_.revision();
  const Value object = Find(resource, ns, name);
  if (object.IsNull()) Die("no such object", Value(name));
  ApiRequest request;
  request.type = FindByKind(*object.Find("apiVersion")->string(), *object.Find("kind")->string());
  request.version = std::string(request.type->version);
  request.ns = ns;
  request.name = name;
  writer_.Delete(request, {});
  TellListeners(before);
}

Value Server::Find(absl::string_view resource, const std::string& ns,
                   const std::string& name) const {
  for (const char* group : {"", "admissionregistration.k8s.io", "apps", "coordination.k8s.io",
                            "discovery.k8s.io", "network.kubesphere.io"}) {
    const ResourceType* type = FindByResource(group, resource);
    if (type == nullptr) continue;
    const StoredObject object = store_.Get({type, ns, name});
    return object == nullptr ? Value() : *object;
  }
  return {};
}

void Server::Restore(Store snapshot) { store_ = std::move(snapshot); }

int Server::AddListener(std::function<void()> listener) {
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
}

void Server::TellListeners(Revision before) {
  if (store_.revision() == before) return;
  for (const auto& [number, listener] : listeners_) listener();
}

}  // namespace openelb::kube::fake
