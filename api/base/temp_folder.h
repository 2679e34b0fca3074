#pragma once
// A folder that lasts as long as a test.

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace openelb {

class TempFolder {
 public:
  // Ends the program where none can be made: no test could go on.
  TempFolder() : path_((std::filesystem::temp_directory_path() / "openelb-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) {
      std::perror(path_.c_str());
      abort();
    }
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace openelb
