#pragma once
// Structured logging: one line an event, a fixed message plus key=value fields that name the
// object. Loggers are passed in, never global, so that a simulation's log is its event log.

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/clock.h"

namespace openelb {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  LogField(absl::string_view k, absl::string_view v) : key(k), value(v) {}
  LogField(absl::string_view k, const char* v) : key(k), value(v) {}
  LogField(absl::string_view k, const std::string& v) : key(k), value(v) {}
  template <typename Number>
  LogField(absl::string_view k, Number v) : key(k), value(absl::StrCat(v)) {}
  std::string key;
  std::string value;
};

struct LogRecord {
  absl::Time time;
  LogLevel level;
  std::string message;
  std::vector<LogField> fields;
};

// One line without the newline: `2026-01-02T03:04:05.678Z INFO message key=value key="with space"`.
std::string FormatText(const LogRecord& record);
// The same as one JSON object: {"time":...,"level":"info","message":...,"key":"value",...}.
std::string FormatJson(const LogRecord& record);

// Where records go. Write is called from any thread.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void Write(const LogRecord& record) = 0;
};

// Lines to standard error, each in one write(2).
class StderrLogSink final : public LogSink {
 public:
  enum class Format { kText, kJson };
  StderrLogSink(Format format, LogLevel minimum) : format_(format), minimum_(minimum) {}
  void Write(const LogRecord& record) override;

 private:
  const Format format_;
  const LogLevel minimum_;
};

// Swallows everything.
class NullLogSink final : public LogSink {
 public:
  void Write(const LogRecord&) override {}
};

// What cores and shells log through. Not thread-safe by itself for Damped; each owner thread has
// its own Logger over a shared sink.
class Logger {
 public:
  using Fields = std::initializer_list<LogField>;
  Logger(LogSink* sink, const Clock* clock) : sink_(sink), clock_(clock) {}
  // One for another thread, over the same sink.
  Logger ForAnotherThread() const { return {sink_, clock_}; }

  void Debug(absl::string_view message, Fields fields = {}) {
    Log(LogLevel::kDebug, message, fields);
  }
  void Info(absl::string_view message, Fields fields = {}) {
    Log(LogLevel::kInfo, message, fields);
  }
  void Warning(absl::string_view message, Fields fields = {}) {
    Log(LogLevel::kWarning, message, fields);
  }
  void Error(absl::string_view message, Fields fields = {}) {
    Log(LogLevel::kError, message, fields);
  }
  void Log(LogLevel level, absl::string_view message, Fields fields);

  // For a failure that may repeat: `key` names it (such as "dial 192.168.0.2"). The first one, and
  // each whose `error` text differs from the last, is logged at warning; the same one again only
  // after 1, 2, 4 ... 64 minutes, with the number of repeats left out as field `repeated`.
  void Damped(absl::string_view key, absl::string_view message, absl::string_view error,
              Fields fields = {});
  // The failure `key` is over: forgets it; logs `message` at info when there was one. Call freely
  // on success.
  void Recovered(absl::string_view key, absl::string_view message, Fields fields = {});

 private:
  struct Repeat {
    std::string error;
    absl::Duration next;
    absl::Duration interval;
    int suppressed = 0;
  };
  LogSink* sink_;
  const Clock* clock_;
  std::map<std::string, Repeat, std::less<>> repeats_;
};

}  // namespace openelb
