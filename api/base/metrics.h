#pragma once
// Metrics a program declares as one table, so that names, labels and the README that explains them
// cannot drift apart. A thin layer over prometheus-cpp, whose headers stay out of ours.

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace openelb {

enum class MetricType { kCounter, kGauge, kHistogram };
// "counter", "gauge" or "histogram".
absl::string_view MetricTypeName(MetricType type);

// One family. All histograms are of seconds and share their buckets, 0.5 ms to 60 s.
struct MetricDef {
  const char* name;  // openelb_..., Prometheus's conventions: base units, counters end in _total
  MetricType type;
  const char* help;    // one sentence
  const char* labels;  // their names, separated by ","; empty: one series
};

// Handles to one series: cheap to copy, usable from any thread, a few nanoseconds a call; keep them
// rather than look them up. Dead once the series is removed or its Metrics is gone.
class Counter {
 public:
  void Increment(double by = 1);
  double Value() const;

 private:
  friend class Metrics;
  explicit Counter(prometheus::Counter* series) : series_(series) {}
  prometheus::Counter* series_;
};

class Gauge {
 public:
  void Set(double value);
  double Value() const;

 private:
  friend class Metrics;
  explicit Gauge(prometheus::Gauge* series) : series_(series) {}
  prometheus::Gauge* series_;
};

class Histogram {
 public:
  void Observe(double seconds);

 private:
  friend class Metrics;
  explicit Histogram(prometheus::Histogram* series) : series_(series) {}
  prometheus::Histogram* series_;
};

// The metrics of one program. All methods may be called from any thread.
//
// A series exists, at zero, from the first call that names it: a program asks at its start for
// every series whose label values it knows, so that rates are right from the first event on.
// Naming a family that is not in the table, or with another type or number of labels, is a
// programming error and ends the process.
class Metrics {
 public:
  using LabelValues = std::initializer_list<absl::string_view>;

  // Keeps no reference to `table` itself; the strings must outlive it (they are literals).
  explicit Metrics(std::span<const MetricDef> table) : Metrics() { Declare(table); }
  ~Metrics();

  // Adds the families of another table, none of which may be there yet.
  void Declare(std::span<const MetricDef> table);

  // `values` in the order of `def.labels`.
  Counter CounterOf(const MetricDef& def, LabelValues values = {});
  Gauge GaugeOf(const MetricDef& def, LabelValues values = {});
  Histogram HistogramOf(const MetricDef& def, LabelValues values = {});

  // Removes every series of `def` whose label `label` is `value`: what a deleted object leaves.
  void Remove(const MetricDef& def, absl::string_view label, absl::string_view value);

  // One series: label values in the order of `def.labels`, and its value.
  using Sample = std::pair<std::vector<std::string>, double>;
  // Makes these the only series of `def`, a gauge or a counter, in one step for whoever calls
  // Expose. A counter's value is a total; one that is less than before is ignored.
  void Replace(const MetricDef& def, const std::vector<Sample>& samples);

  // The Prometheus text format 0.0.4, families and series in a fixed order.
  std::string Expose() const;

 private:
  Metrics();

  struct State;
  std::unique_ptr<State> state_;
};

// Compares `table` with the markdown table `| name | type | labels | meaning |` in the file, or
// with that which has another first heading: same names in the same order, same types and labels
// (separated by ", ", "-" for none), and a meaning. Returns one line for each difference; empty
// when they agree. For tests.
std::string MetricsReadmeDifference(std::span<const MetricDef> table, const std::string& path,
                                    absl::string_view heading = "name");

}  // namespace openelb
