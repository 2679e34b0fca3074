#include "e2e/simulation/memory_link.h"

#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace openelb::simulation {

using Event = std::function<void()>;

// One direction of a stream: events in order, each due after its own delay but never before those
// ahead of it.
struct Pipe {
  std::deque<Event> waiting;
  int due = 0;  // of these, how many may happen
};

struct Stream {
  push::StreamId id = 0;
  std::string node;
  Pipe up;
  Pipe down;
  push::PlanLink::Handler* controller = nullptr;  // null: not reached, or has given up
  link::PlanLink::Handler* speaker = nullptr;     // null: has given up
};
using StreamPtr = std::shared_ptr<Stream>;

struct MemoryNet::Core : std::enable_shared_from_this<MemoryNet::Core> {
  explicit Core(MemoryNet* n, Scheduler* s) : net(n), scheduler(s) {}

  void Push(const StreamPtr& stream, Pipe Stream::* pipe, Event event) {
    ((*stream).*pipe).waiting.push_back(std::move(event));
    const absl::Duration time = net->delay ? net->delay(stream->node) : absl::Microseconds(100);
    scheduler->After(time, [core = shared_from_this(), stream, pipe] {
      ++((*stream).*pipe).due;
      core->Flush(*stream, (*stream).*pipe);
    });
  }
  void Flush(const Stream& stream, Pipe& pipe) {
    while (!blocked.contains(stream.node) && pipe.due > 0 && !pipe.waiting.empty()) {
      --pipe.due;
      const Event event = std::move(pipe.waiting.front());
      pipe.waiting.pop_front();
      event();
    }
  }
  // The controller's side is gone: the speaker learns `why`.
  void EndController(const StreamPtr& stream, const absl::Status& why) {
    stream->controller = nullptr;
    streams.erase(stream->id);
    Push(stream, &Stream::down, [stream, why] {
      if (auto* speaker = std::exchange(stream->speaker, nullptr)) speaker->OnDown(why);
    });
  }
  void EndSpeaker(const StreamPtr& stream) {
    stream->speaker = nullptr;
    Push(stream, &Stream::up, [core = shared_from_this(), stream] {
      core->Detach(stream, absl::CancelledError("the speaker hung up"));
    });
  }
  void Detach(const StreamPtr& stream, const absl::Status& why) {
    streams.erase(stream->id);
    if (auto* controller = std::exchange(stream->controller, nullptr)) {
      controller->OnDetached(stream->id, why);
    }
  }

  MemoryNet* net;
  Scheduler* scheduler;
  std::map<std::string, push::PlanLink::Handler*> listeners;  // by endpoint
  std::map<push::StreamId, StreamPtr> streams;                // that a controller has not given up
  std::map<std::string, StreamPtr> dialled;                   // the last one of each node
  std::vector<std::weak_ptr<Stream>> all;
  std::set<std::string> blocked;
  push::StreamId next_id = 1;
};

class MemoryNet::ControllerEnd final : public push::PlanLink {
 public:
  ControllerEnd(std::shared_ptr<Core> core, std::string endpoint, Handler* handler)
      : core_(std::move(core)), endpoint_(std::move(endpoint)), handler_(handler) {
    core_->listeners[endpoint_] = handler_;
  }
  ~ControllerEnd() override {
    core_->listeners.erase(endpoint_);
    const auto streams = core_->streams;
    for (const auto& [id, stream] : streams) {
      if (stream->controller != handler_) continue;
      core_->EndController(stream, absl::UnavailableError("connection reset by the controller"));
    }
  }

  void Send(push::StreamId id, std::shared_ptr<const plan::v1::Plan> plan) override {
    const auto it = core_->streams.find(id);
    if (it == core_->streams.end()) return;
    core_->Push(it->second, &Stream::down, [core = core_, stream = it->second, plan] {
      core->scheduler->After(absl::ZeroDuration(), [stream] {
        if (stream->controller != nullptr) stream->controller->OnWritable(stream->id);
      });
      if (stream->speaker == nullptr) return;
      const auto& older = core->net->down;
      older == nullptr ? stream->speaker->OnPlan(*plan)
                       : stream->speaker->OnPlan(older(stream->node, *plan));
    });
  }
  void Close(push::StreamId id, const absl::Status& why) override {
    const auto it = core_->streams.find(id);
    if (it == core_->streams.end()) return;
    const StreamPtr stream = it->second;
    Handler* const handler = stream->controller;
    core_->EndController(stream, why);
    core_->scheduler->After(absl::ZeroDuration(),
                            [core = core_, endpoint = endpoint_, handler, id, why] {
                              const auto listener = core->listeners.find(endpoint);
                              if (listener == core->listeners.end() || listener->second != handler)
                                return;
                              handler->OnDetached(id, why);
                            });
  }

 private:
  const std::shared_ptr<Core> core_;
  const std::string endpoint_;
  Handler* const handler_;
};

class MemoryNet::SpeakerEnd final : public link::PlanLink {
 public:
  SpeakerEnd(std::shared_ptr<Core> core, std::string node, Handler* handler)
      : core_(std::move(core)), node_(std::move(node)), handler_(handler) {}
  ~SpeakerEnd() override { Hangup(); }

  void Dial(const std::string& endpoint) override {
    stream_ = std::make_shared<Stream>();
    stream_->id = core_->next_id++;
    stream_->node = node_;
    stream_->speaker = handler_;
    core_->dialled[node_] = stream_;
    std::erase_if(core_->all, [](const auto& old) { return old.expired(); });
    core_->all.push_back(stream_);
    core_->Push(stream_, &Stream::up, [core = core_, stream = stream_, endpoint] {
      if (stream->speaker == nullptr) return;
      const auto listener = core->listeners.find(endpoint);
      if (listener == core->listeners.end()) {
        core->EndController(stream, absl::UnavailableError("connection refused"));
        return;
      }
      core->streams[stream->id] = stream;
      stream->controller = listener->second;
      core->Push(stream, &Stream::down, [stream, endpoint] {
        if (stream->speaker != nullptr) stream->speaker->OnUp(endpoint);
      });
      stream->controller->OnAttached(stream->id, {stream->node});
    });
  }
  void Send(const plan::v1::Report& report) override {
    if (stream_ == nullptr || stream_->speaker == nullptr) return;
    core_->Push(stream_, &Stream::up, [core = core_, stream = stream_, report] {
      if (stream->controller == nullptr) return;
      const auto& older = core->net->up;
      older == nullptr ? stream->controller->OnReport(stream->id, report)
                       : stream->controller->OnReport(stream->id, older(stream->node, report));
    });
  }
  void Hangup() override {
    if (stream_ != nullptr && stream_->speaker != nullptr) core_->EndSpeaker(stream_);
    stream_.reset();
  }

 private:
  const std::shared_ptr<Core> core_;
  const std::string node_;
  Handler* const handler_;
  StreamPtr stream_;
};

MemoryNet::MemoryNet(Scheduler* scheduler) : core_(std::make_shared<Core>(this, scheduler)) {}

MemoryNet::~MemoryNet() {
  // What waits in a stream holds the stream.
  for (const auto& weak : core_->all) {
    const StreamPtr stream = weak.lock();
    if (stream == nullptr) continue;
    stream->up.waiting.clear();
    stream->down.waiting.clear();
  }
}

std::unique_ptr<push::PlanLink> MemoryNet::Listen(const std::string& endpoint,
                                                  push::PlanLink::Handler* handler) {
  return std::make_unique<ControllerEnd>(core_, endpoint, handler);
}

std::unique_ptr<link::PlanLink> MemoryNet::Connect(const std::string& node,
                                                   link::PlanLink::Handler* handler) {
  return std::make_unique<SpeakerEnd>(core_, node, handler);
}

void MemoryNet::Cut(const std::string& node) {
  const auto it = core_->dialled.find(node);
  if (it == core_->dialled.end()) return;
  core_->scheduler->After(absl::ZeroDuration(), [core = core_, stream = it->second] {
    const absl::Status why = absl::UnavailableError("connection reset");
    core->Detach(stream, why);
    if (auto* speaker = std::exchange(stream->speaker, nullptr)) speaker->OnDown(why);
  });
}

void MemoryNet::SetBlocked(const std::string& node, bool blocked) {
  if (blocked) {
    core_->blocked.insert(node);
    return;
  }
  core_->blocked.erase(node);
  for (const auto& weak : core_->all) {
    const StreamPtr stream = weak.lock();
    if (stream == nullptr || stream->node != node) continue;
    core_->scheduler->After(absl::ZeroDuration(), [core = core_, stream] {
      core->Flush(*stream, stream->up);
      core->Flush(*stream, stream->down);
    });
  }
}

}  // namespace openelb::simulation
