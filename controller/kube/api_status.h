#pragma once
// The errors of an API server as absl::Status: metav1.Status in bodies and in watch events, and
// what proxies in front of the server answer instead.

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/codec/value.h"
#include "controller/kube/transport.h"

namespace openelb::kube {

// Whether an HTTP status says that the request was done.
inline bool IsSuccess(int http_status) { return http_status >= 200 && http_status < 300; }

// The error that an answer without success stands for. Its code: Unauthenticated 401,
// PermissionDenied 403, NotFound 404, AlreadyExists or Aborted (conflict) 409, OutOfRange 410,
// ResourceExhausted 429, InvalidArgument for the other 4xx, Unavailable for anything else. The
// message is the server's own where the body is a metav1.Status; else the HTTP status and the
// beginning of the body.
absl::Status ErrorOfAnswer(int http_status, absl::string_view body);

// What the server added to an error of ErrorOfAnswer (`details` of the metav1.Status) with code
// Aborted: of a server-side apply the conflicts. Null: nothing.
codec::Value DetailsOf(const absl::Status& error);

// The same for a metav1.Status, such as the object of a watch's ERROR event. What is no such object
// is Unavailable.
absl::Status ErrorOfStatus(const codec::Value& status);

// How long the server asks to be left alone: Retry-After within 1..60 s; 1 s when it does not say,
// or says it as a date.
absl::Duration RetryAfter(const HttpHeaders& headers);

}  // namespace openelb::kube
