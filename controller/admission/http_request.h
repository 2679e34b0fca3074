#pragma once
// The one kind of HTTP/1.1 request (RFC 9112) that webhooks get: a POST with its length, read as it
// comes in. Pure. Whatever is longer than a limit is refused before it is held.

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace openelb::admission {

struct HttpAnswer {
  int status = 200;
  std::string body;  // JSON where the status is 200, else a sentence

  bool operator==(const HttpAnswer&) const = default;
};

// Head and body; the connection is closed after it.
std::string RenderHttp(const HttpAnswer& answer);

class HttpRequest {
 public:
  static constexpr size_t kMostHead = 16 << 10;
  // Two objects of the 1.5 MiB that an API server stores, and what is around them.
  static constexpr size_t kMostBody = 4 << 20;

  // The next octets of the connection. Not to be called once the request is complete or refused.
  void Take(absl::string_view octets);

  bool complete() const {
    return body_begins_ && !refusal_ && in_.size() >= *body_begins_ + length_;
  }
  const std::optional<HttpAnswer>& refusal() const { return refusal_; }
  // Octets held.
  size_t size() const { return in_.size(); }

  // Of a complete one.
  const std::string& path() const { return path_; }
  absl::string_view body() const { return absl::string_view(in_).substr(*body_begins_, length_); }

 private:
  void ReadHead(absl::string_view head);
  void Refuse(int status, absl::string_view why);

  std::string in_;
  std::optional<size_t> body_begins_;
  size_t length_ = 0;
  std::string path_;
  std::optional<HttpAnswer> refusal_;
};

}  // namespace openelb::admission
