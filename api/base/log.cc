#include "api/base/log.h"

#include <unistd.h>

#include <algorithm>

namespace openelb {
namespace {

constexpr absl::Duration kFirstRepeat = absl::Minutes(1);
constexpr absl::Duration kLastRepeat = absl::Minutes(64);

absl::string_view LevelName(LogLevel level, bool upper) {
  switch (level) {
    case LogLevel::kDebug:
      return upper ? "DEBUG" : "debug";
    case LogLevel::kInfo:
      return upper ? "INFO" : "info";
    case LogLevel::kWarning:
      return upper ? "WARNING" : "warning";
    case LogLevel::kError:
      return upper ? "ERROR" : "error";
  }
  return "";
}

std::string Stamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// JSON string escaping (RFC 8259 section 7); also used for quoted values of the text form.
std::string Quote(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppend(&out, "\\u00", absl::Hex(byte, absl::kZeroPad2));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool NeedsQuotes(absl::string_view value) {
  return value.empty() || std::any_of(value.begin(), value.end(), [](char c) {
           return c == ' ' || c == '"' || c == '=' || c == '\\' ||
                  static_cast<unsigned char>(c) < 0x20;
         });
}

}  // namespace

std::string FormatText(const LogRecord& record) {
  std::string line =
      absl::StrCat(Stamp(record.time), " ", LevelName(record.level, true), " ", record.message);
  for (const LogField& field : record.fields) {
    absl::StrAppend(&line, " ", field.key, "=",
                    NeedsQuotes(field.value) ? Quote(field.value) : field.value);
  }
  return line;
}

std::string FormatJson(const LogRecord& record) {
  std::string line =
      absl::StrCat("{\"time\":\"", Stamp(record.time), "\",\"level\":\"",
                   LevelName(record.level, false), "\",\"message\":", Quote(record.message));
  for (const LogField& field : record.fields)
    absl::StrAppend(&line, ",", Quote(field.key), ":", Quote(field.value));
  return line + "}";
}

void StderrLogSink::Write(const LogRecord& record) {
  if (record.level < minimum_) return;
  const std::string line =
      (format_ == Format::kText ? FormatText(record) : FormatJson(record)) + "\n";
  // A log that cannot be written has nowhere to say so.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

void Logger::Log(LogLevel level, absl::string_view message, Fields fields) {
  sink_->Write(
      {.time = clock_->Wall(), .level = level, .message = std::string(message), .fields = fields});
}

void Logger::Damped(absl::string_view key, absl::string_view message, absl::string_view error,
                    Fields fields) {
  const absl::Duration now = clock_->Monotonic();
  Repeat& repeat = repeats_[std::string(key)];
  const bool is_new = repeat.error != error || repeat.interval == absl::ZeroDuration();
  if (!is_new && now < repeat.next) {
    ++repeat.suppressed;
    return;
  }
  LogRecord record{.time = clock_->Wall(),
                   .level = LogLevel::kWarning,
                   .message = std::string(message),
                   .fields = fields};
  record.fields.emplace_back("error", error);
  if (repeat.suppressed > 0) record.fields.emplace_back("repeated", repeat.suppressed);
  sink_->Write(record);
  repeat.interval = is_new ? kFirstRepeat : std::min(repeat.interval * 2, kLastRepeat);
  repeat.next = now + repeat.interval;
  repeat.error = std::string(error);
  repeat.suppressed = 0;
}

void Logger::Recovered(absl::string_view key, absl::string_view message, Fields fields) {
  const auto it = repeats_.find(std::string(key));
  if (it == repeats_.end()) return;
  repeats_.erase(it);
  Info(message, fields);
}

}  // namespace openelb
