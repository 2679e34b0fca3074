#pragma once
// The answer to a request of HTTP/1.1 (RFC 9110, RFC 9112).

#include <string>

namespace openelb::http {

inline constexpr char kPlainText[] = "text/plain; charset=utf-8";

struct Answer {
  int status = 200;
  std::string body;
  std::string content_type = kPlainText;
  std::string allow = {};  // of a 405: the methods there are

  bool operator==(const Answer&) const = default;
};

// Head and, if wanted, body; the connection is closed after it.
std::string Render(const Answer& answer, bool with_body = true);

}  // namespace openelb::http
