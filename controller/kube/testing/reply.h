#pragma once
// Answers of the double: an object, or metav1.Status with the words of the real server.

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/codec/value.h"
#include "controller/kube/testing/resource_type.h"
#include "controller/kube/transport.h"

namespace openelb::kube::fake {

struct Reply {
  int status = 200;
  HttpHeaders headers = {{"content-type", "application/json"}};
  codec::Value body;

  bool ok() const { return status < 300; }
};

// metav1.Status; `details` may be null.
codec::Value StatusBody(int code, absl::string_view reason, absl::string_view message,
                        codec::Value details = {});
Reply Refuse(int code, absl::string_view reason, absl::string_view message,
             codec::Value details = {});

// {name, group, kind: resource}, as the real server names what an error is about.
codec::Value Details(const ResourceType& type, absl::string_view name);

Reply NotFound(const ResourceType& type, absl::string_view name);
Reply AlreadyExists(const ResourceType& type, absl::string_view name);
// 409: `why` it cannot be done.
Reply Conflict(const ResourceType& type, absl::string_view name, absl::string_view why);
// 409: the write was made on another revision.
Reply Modified(const ResourceType& type, absl::string_view name);
// `field`: what is wrong with it, in one sentence.
Reply Invalid(const ResourceType& type, absl::string_view name, absl::string_view field,
              absl::string_view message);
Reply BadRequest(absl::string_view message);
// The body of 410, as a reply and within an ERROR event.
codec::Value ExpiredBody(absl::string_view message);

// What a server that is not well says, by the code alone: 401, 403, 410, 429, 500, 503, 504.
// `retry_after` other than zero stands in the header and the details.
Reply Unwell(int code, absl::Duration retry_after);

}  // namespace openelb::kube::fake
