#include "controller/admission/review.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "api/codec/field.h"
#include "api/codec/write.h"
#include "controller/kube/json.h"

namespace openelb::admission {
namespace {

using codec::Field;
using codec::Findings;
using codec::Value;

constexpr absl::string_view kGroup = "admission.k8s.io/";
// What API servers pass on whole.
constexpr size_t kMaxWarning = 256;
// Read, each may take 700 octets for a moment. Of an Eip's addresses in use its status shows some
// 17,000, and an update is of two Eips.
constexpr auto kMostValues = 150'000;

absl::Status Garbage(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      why, "; an AdmissionReview of admission.k8s.io/v1 is expected, as an API server sends it"));
}

// The name of one that the API server is yet to name does not matter here.
codec::Decoded Decode(const Value& object) {
  const Value* meta = object.Find("metadata");
  const Value* prefix = meta == nullptr ? nullptr : meta->Find("generateName");
  if (prefix == nullptr || prefix->string() == nullptr || meta->Find("name") != nullptr)
    return codec::DecodeObject(object, "");
  Value named = object;
  named["metadata"]["name"] = absl::StrCat(*prefix->string(), "0");
  return codec::DecodeObject(named, "");
}

// The object at `field`, which has to be one of `kind`. An object that is wrong is read, too: its
// errors are for the user.
absl::StatusOr<codec::Decoded> ReadObject(const Field& field, const std::string& kind) {
  if (!field.given()) return Garbage(absl::StrCat(field.path(), ": missing"));
  codec::Decoded decoded = Decode(*field.value());
  if (decoded.skipped)
    return Garbage(absl::StrCat(field.path(), ": a kind that is not known here"));
  if (decoded.key.name.empty())
    return Garbage(absl::StrCat(field.path(), ": no object with a name"));
  if (decoded.key.kind != kind) {
    return Garbage(absl::StrCat(field.path(), ".kind: \"", absl::Utf8SafeCEscape(decoded.key.kind),
                                "\" is not that of request.kind"));
  }
  return decoded;
}

// RFC 6901.
std::string PointerStep(absl::string_view key) {
  return absl::StrReplaceAll(key, {{"~", "~0"}, {"/", "~1"}});
}

const kube::Labels& AnnotationsOf(const Object& object) {
  return std::visit([](const auto& o) -> const kube::Labels& { return o.meta.annotations; },
                    object);
}

// RFC 6902.
Value PatchOf(const Review& review, const Verdict& verdict) {
  const auto add = [](std::string path, Value value) {
    Value step;
    step["op"] = "add";
    step["path"] = std::move(path);
    step["value"] = std::move(value);
    return step;
  };
  Value patch;
  if (AnnotationsOf(*review.object.object).empty())
    patch.Append(add("/metadata/annotations", Value(Value::Map())));
  for (const auto& [key, value] : verdict.annotations)
    patch.Append(add(absl::StrCat("/metadata/annotations/", PointerStep(key)), value));
  return patch;
}

}  // namespace

absl::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kCreate:
      return "CREATE";
    case Operation::kUpdate:
      return "UPDATE";
    case Operation::kDelete:
      return "DELETE";
  }
  return "";
}

absl::StatusOr<Review> ReadReview(absl::string_view text) {
  const auto values = std::count_if(text.begin(), text.end(),
                                    [](char c) { return c == ',' || c == '[' || c == '{'; });
  if (values > kMostValues) return Garbage(absl::StrCat("more than ", kMostValues, " values"));
  const absl::StatusOr<Value> value = kube::ParseJson(text);
  if (!value.ok()) return Garbage(absl::StrCat("not JSON: ", value.status().message()));
  Findings findings;
  const Field root(&*value, "", 0, &findings);
  if (value->map() == nullptr) return Garbage("not a JSON object");
  Review review;
  review.api_version = root["apiVersion"].String();
  if (root["kind"].String() != "AdmissionReview" || !absl::StartsWith(review.api_version, kGroup) ||
      review.api_version.size() > 64) {
    return Garbage("not an AdmissionReview");
  }
  const Field request = root["request"];
  if (!request.Require("what is asked")) return Garbage("request: missing");
  review.uid = request["uid"].String();
  review.kind = request["kind"]["kind"].String();
  review.user = request["userInfo"]["username"].String();
  review.operation = request["operation"].OneOf({{"CREATE", Operation::kCreate},
                                                 {"UPDATE", Operation::kUpdate},
                                                 {"DELETE", Operation::kDelete}},
                                                Operation::kCreate);
  request["uid"].Require("the API server's name for this request");
  request["kind"]["kind"].Require("the kind of the object");
  request["operation"].Require("CREATE, UPDATE or DELETE");
  if (!findings.errors().empty()) {
    const codec::Finding& first = findings.errors().front();
    return Garbage(absl::StrCat(first.path, ": ", first.message));
  }
  const bool goes = review.operation == Operation::kDelete;
  auto object = ReadObject(request[goes ? "oldObject" : "object"], review.kind);
  if (!object.ok()) return object.status();
  review.object = *std::move(object);
  if (review.operation == Operation::kUpdate) {
    auto before = ReadObject(request["oldObject"], review.kind);
    if (!before.ok()) return before.status();
    review.before = *std::move(before);
  }
  return review;
}

Verdict Refuse(int code, std::string reason, std::string message) {
  Verdict verdict;
  verdict.allowed = false;
  verdict.code = code;
  verdict.reason = std::move(reason);
  verdict.message = std::move(message);
  return verdict;
}

std::string WriteVerdict(const Review& review, const Verdict& verdict) {
  Value answer;
  answer["apiVersion"] = review.api_version;
  answer["kind"] = "AdmissionReview";
  Value& response = answer["response"];
  response["uid"] = review.uid;
  response["allowed"] = verdict.allowed;
  if (!verdict.allowed) {
    response["status"]["code"] = verdict.code;
    response["status"]["reason"] = verdict.reason;
    response["status"]["message"] = verdict.message;
  }
  for (const std::string& warning : verdict.warnings)
    response["warnings"].Append(warning.substr(0, kMaxWarning));
  if (verdict.allowed && !verdict.annotations.empty()) {
    response["patchType"] = "JSONPatch";
    response["patch"] = absl::Base64Escape(codec::ToJson(PatchOf(review, verdict)));
  }
  return codec::ToJson(answer);
}

}  // namespace openelb::admission
