#pragma once
// Keeps an Informer true to one resource of the API server. Pure: responses and time in, requests
// out; KubeSource carries them.
//
// Life of a resource: one watch with sendInitialEvents brings all objects and then every change;
// a server that does not know that is asked for a list, page by page, and for a watch from there.
// When the watch ends it is taken up again where it ended. After a broken or silent connection one
// small list comes first: it tells cheaply when the server is back, and, by its revision, whether
// it is the one we knew. A connection may stay alive and deliver nothing: a watch is silent when it
// has not ended some seconds after the time it was asked for, or when it is doubted and has said
// nothing since. Everything is listed anew only when
//   - the server has forgotten the revision (410), or an etcd restored from a snapshot answers with
//     an earlier one;
//   - nothing was heard of the server for some seconds before a request failed or a watch broke: an
//     etcd may have been restored meanwhile whose revisions have passed ours since, and no watch
//     would tell. Unless the Lease does: where it proves that the store is the one we knew, the
//     watch is taken up again (store_witness.h);
//   - a watch shows an object of the same name and another uid: something has been missed;
//   - the watch cannot be had three times in a row, or somebody asks for it.
// A list earlier than what has been seen may come from a server that lags: it is believed when the
// second one, a second later, says so too. Objects are deleted only by an event of a watch or by a
// complete list.

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "api/base/random.h"
#include "api/codec/value.h"
#include "controller/kube/backoff.h"
#include "controller/kube/informer.h"
#include "controller/kube/line_cutter.h"
#include "controller/kube/outage.h"
#include "controller/kube/store_witness.h"
#include "controller/kube/transport.h"
#include "controller/kube/watch_event.h"

namespace openelb::kube {

struct ReflectorCounters {
  uint64_t lists = 0;      // completed
  uint64_t pages = 0;      // of lists
  uint64_t probes = 0;     // small lists after a broken connection
  uint64_t silent = 0;     // watches given up because they had fallen silent
  uint64_t resumed = 0;    // times that no list was needed after a long absence of the server
  uint64_t watches = 0;    // that the server accepted
  uint64_t events = 0;     // of watches
  uint64_t bookmarks = 0;  // not among the events
  uint64_t outdated = 0;   // events left out because a later one was known, and lists not believed
  uint64_t bytes = 0;      // of bodies
  std::map<absl::StatusCode, uint64_t> failures;
};

class Reflector {
 public:
  // All outlive it. `witness` may be null.
  Reflector(Informer* informer, Random* random, const StoreWitness* witness = nullptr);

  // What is due: first the request under way is cancelled, then a new one is started.
  struct Action {
    bool cancel = false;
    std::optional<HttpRequest> request;
  };
  // Call after each of the calls below and at NextWakeup.
  Action Next(absl::Duration now);
  absl::Duration NextWakeup() const;

  // The response to the request under way, as ResponseSink tells it.
  void OnHead(int status, const HttpHeaders& headers, absl::Duration now);
  void OnData(absl::string_view data, absl::Duration now);
  void OnDone(const absl::Status& status, absl::Duration now);

  // Lists everything anew; counters().lists grows when that is complete. An outage delays it.
  void Relist(absl::Duration now);
  // The server has answered a request of somebody else: one that could not be reached is tried
  // again at once.
  void OnServerAnswers(absl::Duration now);
  // There is reason to think that what was under way at `since` delivers nothing any more, and the
  // server answers others: a watch that has been silent since then is taken up again, where it
  // stands. Doubts that turn out to be false are followed ever more rarely, the first 5 s apart.
  void Doubt(absl::Duration since);

  bool complete() const { return counters_.lists > 0; }
  const std::optional<Outage>& outage() const { return outage_; }
  const ReflectorCounters& counters() const { return counters_; }

 private:
  // What the request under way, or the next one, is for.
  enum class Phase { kStream, kList, kProbe, kLease, kWatch };
  // Since the first request without a whole answer after the last watch or complete list.
  struct Absence {
    absl::Duration since;
    std::optional<StoreWitness::Mark> mark;  // set if it vouches for last_change_
  };

  HttpRequest MakeRequest();
  // When the request under way counts as unanswered, or as silent; the transport looks after the
  // rest.
  absl::Duration SilentUntil() const;
  bool watching() const { return running_ && phase_ == Phase::kWatch && http_status_ == 200; }
  absl::string_view Verb() const;
  void OnLine(absl::string_view line, absl::Duration now);
  void OnEvent(WatchEvent event, absl::Duration now);
  void OnListBody(absl::Duration now);
  void OnPage(codec::Value list, const std::string& version, absl::Duration now);
  void OnProbe(const std::string& version, absl::Duration now);
  void OnLease(const codec::Value& lease, absl::Duration now);
  void OnError(const absl::Status& status, absl::Duration now);
  void OnWatchEnd(absl::Duration now);
  void OnSilentWatch(absl::Duration now);
  void CompleteList(const std::string& version);
  void SetVersion(const std::string& version, bool change);
  void NoteAbsence(absl::Duration since);  // unless one is under way
  bool AwayForLong(absl::Duration now) const;
  void NoteGoodWatch();
  // Ends the request under way; a list begins at `when`.
  void StartList(absl::Duration when);
  // Ends the request under way.
  void Abandon();
  // Ends the request under way, if any; another one comes after a pause.
  void Fail(const absl::Status& status, absl::Duration now);

  Informer* const informer_;
  Random* const random_;
  const StoreWitness* const witness_;

  Phase phase_ = Phase::kStream;
  std::string version_;      // how far we have seen; empty: nothing yet
  std::string last_change_;  // up to there; no bookmark
  uint64_t chain_ = 0;       // of the witness, when we saw that far
  std::string continue_;     // of the next page; empty: the first one
  int expired_ = 0;          // times that pages expired during this list
  bool doubtful_ = false;    // the server has shown an earlier revision than ours
  bool proven_ = false;      // a watch since the last list was not fruitless
  int lost_watches_ = 0;     // in a row, each fruitless
  int silences_ = 0;         // in a row

  // The request under way, or the last one.
  bool running_ = false;
  bool fruitless_ = false;  // a watch without an event, and short
  bool heard_ = false;      // of a watch: an event, or a bookmark with a later revision
  bool doubted_ = false;    // and nothing has come since
  bool cancel_ = false;
  absl::Duration started_;
  absl::Duration last_data_;
  absl::Duration watch_time_;  // that watches are asked for
  int http_status_ = 0;
  absl::Duration retry_after_;
  std::string body_;
  LineCutter lines_;

  absl::Duration not_before_;  // of the next request
  Backoff backoff_;
  absl::Duration next_doubt_;   // followed not before
  absl::Duration doubt_pause_;  // to the next one
  std::optional<Outage> outage_;
  std::optional<Absence> absence_;
  ReflectorCounters counters_;
};

}  // namespace openelb::kube
