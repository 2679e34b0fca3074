#include "api/http/pages.h"

namespace openelb::http {

Answer AnswerOf(const Pages& pages, const Request& request) {
  const auto page = pages.find(request.path);
  return page == pages.end() ? Answer{404, "no such page\n"} : page->second();
}

}  // namespace openelb::http
