#include "api/http/answer.h"

#include "absl/strings/str_cat.h"

namespace openelb::http {
namespace {

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Bad Request";
  }
}

// Fields that RFC 9110 wants with some statuses.
std::string FieldsOf(const Answer& answer) {
  switch (answer.status) {
    case 401:
      return "\r\nWWW-Authenticate: Bearer";
    case 405:
      return absl::StrCat("\r\nAllow: ", answer.allow);
    case 503:
      return "\r\nRetry-After: 1";
    default:
      return "";
  }
}

}  // namespace

std::string Render(const Answer& answer, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", answer.status, " ", ReasonPhrase(answer.status),
                      "\r\nContent-Type: ", answer.content_type,
                      "\r\nContent-Length: ", answer.body.size(), FieldsOf(answer),
                      "\r\nConnection: close\r\n\r\n", with_body ? answer.body : "");
}

}  // namespace openelb::http
