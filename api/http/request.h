#pragma once
// One request of HTTP/1.1 (RFC 9110, RFC 9112), read as it comes in. Pure.
// Whatever is longer than a limit is refused before it is held.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "api/http/answer.h"

namespace openelb::http {

// What a server takes. A POST has to say its length.
struct Takes {
  std::vector<std::string> methods = {"GET", "HEAD"};
  size_t most_body = 0;  // octets

  bool operator==(const Takes&) const = default;
};

struct Request {
  std::string method;
  std::string path;           // without the query
  std::string authorization;  // the field's value; empty: none
  std::string body;
  bool certified = false;  // the client has shown a certificate that counts; set by the server
};

class RequestReader {
 public:
  static constexpr size_t kMostHead = 16 << 10;  // octets

  explicit RequestReader(Takes takes) : takes_(std::move(takes)) {}

  // The next octets of the connection. Not to be called once the request is complete or refused.
  void Take(absl::string_view octets);

  bool complete() const {
    return body_begins_ && !refusal_ && in_.size() >= *body_begins_ + body_size();
  }
  const std::optional<Answer>& refusal() const { return refusal_; }
  // Octets held, and how many of them are body.
  size_t size() const { return in_.size(); }
  size_t body_size() const { return length_.value_or(0); }

  // Of a complete one.
  Request request() const;
  bool head() const { return request_.method == "HEAD"; }

 private:
  void ReadHead(absl::string_view head);
  void ReadField(absl::string_view name, absl::string_view value);
  void Refuse(int status, absl::string_view why);

  const Takes takes_;
  std::string in_;
  std::optional<size_t> body_begins_;
  std::optional<size_t> length_;
  Request request_;  // but for the body
  std::optional<Answer> refusal_;
};

}  // namespace openelb::http
