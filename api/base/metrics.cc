#include "api/base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <utility>
#include <variant>

#include "absl/strings/str_split.h"
#include "api/base/mutex.h"

namespace openelb {
namespace {

const prometheus::Histogram::BucketBoundaries& Buckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return kBuckets;
}

std::vector<std::string> LabelNames(const MetricDef& def) {
  return absl::StrSplit(def.labels, ',', absl::SkipEmpty());
}

[[noreturn]] void Misuse(const MetricDef& def, const char* why) {
  std::fprintf(stderr, "metric %s: %s\n", def.name, why);
  std::abort();
}

// A family of prometheus-cpp with the series we asked it for: it can add a series by labels, but
// remove one only by address.
struct Family {
  template <typename T>
  struct Of {
    prometheus::Family<T>* family;
    std::map<std::vector<std::string>, T*> series;
  };

  MetricType type;
  std::vector<std::string> labels;
  std::variant<Of<prometheus::Counter>, Of<prometheus::Gauge>, Of<prometheus::Histogram>> of;

  template <typename T, typename... Args>
  T* Series(std::vector<std::string> values, const Args&... args) {
    auto& typed = std::get<Of<T>>(of);
    T*& found = typed.series[values];
    if (found == nullptr) {
      prometheus::Labels named;
      for (size_t i = 0; i < values.size(); ++i) named[labels[i]] = std::move(values[i]);
      found = &typed.family->Add(named, args...);
    }
    return found;
  }
};

}  // namespace

absl::string_view MetricTypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

void Counter::Increment(double by) { series_->Increment(by); }
double Counter::Value() const { return series_->Value(); }
void Gauge::Set(double value) { series_->Set(value); }
double Gauge::Value() const { return series_->Value(); }
void Histogram::Observe(double seconds) { series_->Observe(seconds); }

struct Metrics::State {
  prometheus::Registry registry;
  mutable Mutex mutex;
  std::map<std::string, Family, std::less<>> families GUARDED_BY(mutex);

  // The family of `def`, which the caller takes to be of `type` with so many labels.
  Family& Find(const MetricDef& def, MetricType type, size_t labels) REQUIRES(mutex) {
    const auto it = families.find(absl::string_view(def.name));
    if (it == families.end()) Misuse(def, "is not in the table");
    if (it->second.type != type) Misuse(def, "is of another type");
    if (it->second.labels.size() != labels) Misuse(def, "has another number of labels");
    return it->second;
  }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}

void Metrics::Declare(std::span<const MetricDef> table) {
  MutexLock lock(&state_->mutex);
  for (const MetricDef& def : table) {
    Family family{.type = def.type, .labels = LabelNames(def), .of = {}};
    const auto build = [&](auto builder) {
      return &builder.Name(def.name).Help(def.help).Register(state_->registry);
    };
    switch (def.type) {
      case MetricType::kCounter:
        family.of = Family::Of<prometheus::Counter>{build(prometheus::BuildCounter()), {}};
        break;
      case MetricType::kGauge:
        family.of = Family::Of<prometheus::Gauge>{build(prometheus::BuildGauge()), {}};
        break;
      case MetricType::kHistogram:
        family.of = Family::Of<prometheus::Histogram>{build(prometheus::BuildHistogram()), {}};
        break;
    }
    if (!state_->families.emplace(def.name, std::move(family)).second)
      Misuse(def, "declared twice");
  }
}

Metrics::~Metrics() = default;

Counter Metrics::CounterOf(const MetricDef& def, LabelValues values) {
  MutexLock lock(&state_->mutex);
  Family& family = state_->Find(def, MetricType::kCounter, values.size());
  return Counter(family.Series<prometheus::Counter>({values.begin(), values.end()}));
}

Gauge Metrics::GaugeOf(const MetricDef& def, LabelValues values) {
  MutexLock lock(&state_->mutex);
  Family& family = state_->Find(def, MetricType::kGauge, values.size());
  return Gauge(family.Series<prometheus::Gauge>({values.begin(), values.end()}));
}

Histogram Metrics::HistogramOf(const MetricDef& def, LabelValues values) {
  MutexLock lock(&state_->mutex);
  Family& family = state_->Find(def, MetricType::kHistogram, values.size());
  return Histogram(family.Series<prometheus::Histogram>({values.begin(), values.end()}, Buckets()));
}

void Metrics::Remove(const MetricDef& def, absl::string_view label, absl::string_view value) {
  MutexLock lock(&state_->mutex);
  const auto it = state_->families.find(absl::string_view(def.name));
  if (it == state_->families.end()) Misuse(def, "is not in the table");
  const std::vector<std::string>& labels = it->second.labels;
  const auto place = std::find(labels.begin(), labels.end(), label);
  if (place == labels.end()) Misuse(def, "has no such label");
  std::visit(
      [at = place - labels.begin(), value](auto& of) {
        std::erase_if(of.series, [&](const auto& one) {
          if (one.first[at] != value) return false;
          of.family->Remove(one.second);
          return true;
        });
      },
      it->second.of);
}

void Metrics::Replace(const MetricDef& def, const std::vector<Sample>& samples) {
  if (def.type == MetricType::kHistogram) Misuse(def, "is a histogram");
  const size_t labels = LabelNames(def).size();
  MutexLock lock(&state_->mutex);
  Family& family = state_->Find(def, def.type, labels);
  std::set<std::vector<std::string>> kept;
  for (const auto& [values, value] : samples) {
    if (values.size() != labels) Misuse(def, "has another number of labels");
    if (def.type == MetricType::kGauge) {
      family.Series<prometheus::Gauge>(values)->Set(value);
    } else {
      auto* const counter = family.Series<prometheus::Counter>(values);
      counter->Increment(std::max(0.0, value - counter->Value()));
    }
    kept.insert(values);
  }
  std::visit(
      [&kept](auto& of) {
        std::erase_if(of.series, [&](const auto& one) {
          if (kept.contains(one.first)) return false;
          of.family->Remove(one.second);
          return true;
        });
      },
      family.of);
}

std::string Metrics::Expose() const {
  MutexLock lock(&state_->mutex);
  std::vector<prometheus::MetricFamily> families = state_->registry.Collect();
  std::sort(families.begin(), families.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (prometheus::MetricFamily& family : families) {
    std::sort(family.metric.begin(), family.metric.end(), [](const auto& a, const auto& b) {
      return std::lexicographical_compare(a.label.begin(), a.label.end(), b.label.begin(),
                                          b.label.end(), [](const auto& x, const auto& y) {
                                            return std::tie(x.name, x.value) <
                                                   std::tie(y.name, y.value);
                                          });
    });
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

}  // namespace openelb
