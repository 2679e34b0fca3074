#pragma once
// Pages that are read with GET, by path.

#include <functional>
#include <map>
#include <string>

#include "api/http/request.h"

namespace openelb::http {

// Called on the server's thread, one at a time: what they read must be safe to read there, and
// while one runs nobody else is answered.
using Pages = std::map<std::string, std::function<Answer()>, std::less<>>;

// The page, or 404.
Answer AnswerOf(const Pages& pages, const Request& request);

}  // namespace openelb::http
