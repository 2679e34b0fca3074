#pragma once
// The seam to where cluster state comes from: a folder of manifests today, the Kubernetes API
// behind the same calls.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/object.h"

namespace openelb {

// An object that cannot be used as it stands.
struct Refusal {
  std::string why;         // which fields, what stands there, what is allowed
  int64_t generation = 0;  // metadata.generation of what is refused
  bool operator==(const Refusal&) const = default;
};

struct ObjectEvent {
  ObjectKey key;
  std::optional<Object> object;  // nullopt: deleted, or refused
  // Of a deleted one: its deletion was not seen, but a complete list no longer has it.
  bool missing = false;
  // The last good state, if there was one, stays in force; the next event about the object ends the
  // refusal.
  std::optional<Refusal> refusal = std::nullopt;

  bool operator==(const ObjectEvent&) const = default;
};

class EventSource {
 public:
  // Receives what the source sees. Called on the source's own thread: implementations hand over to
  // the owner thread.
  class Handler {
   public:
    virtual ~Handler() = default;
    // Objects that changed, in order; one batch belongs together. An upsert equal to the last one
    // is not sent.
    virtual void OnEvents(std::vector<ObjectEvent> events) = 0;
    // Every object that exists has been sent once. Nothing may be allocated, planned or pushed
    // before.
    virtual void OnSynced() = 0;
    // The source cannot be read (`reason`, one sentence); what it sent last stays valid. OnBack
    // ends that.
    virtual void OnAway(std::string reason) = 0;
    virtual void OnBack() = 0;
  };

  virtual ~EventSource() = default;
  // Begins to call `handler`, which must outlive the source.
  virtual void Start(Handler* handler) = 0;
};

}  // namespace openelb
