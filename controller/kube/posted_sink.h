#pragma once
// The StatusSink that the controller's thread sees: hands each call to the sink's own thread, in
// order.

#include <functional>
#include <string>
#include <utility>

#include "api/base/post.h"
#include "controller/status_sink.h"

namespace openelb::kube {

class PostedSink final : public StatusSink {
 public:
  // `target` is asked for, and called, on the thread that `post` reaches.
  PostedSink(Post post, std::function<StatusSink*()> target)
      : post_(std::move(post)), target_(std::move(target)) {}

  bool Answers() const override { return true; }
  void WriteService(const ObjectKey& key, const ServiceStatus& status) override {
    post_([=, target = target_] { target()->WriteService(key, status); });
  }
  void WriteEip(const std::string& name, const network::EipStatus& status) override {
    post_([=, target = target_] { target()->WriteEip(name, status); });
  }
  void WriteBgpPeer(const std::string& name, const network::BgpPeerStatus& status) override {
    post_([=, target = target_] { target()->WriteBgpPeer(name, status); });
  }
  void WriteBgpConf(const std::string& name, const network::BgpConfStatus& status) override {
    post_([=, target = target_] { target()->WriteBgpConf(name, status); });
  }
  void Forget(const ObjectKey& key) override {
    post_([=, target = target_] { target()->Forget(key); });
  }
  void Record(const ClusterEvent& event) override {
    post_([=, target = target_] { target()->Record(event); });
  }

 private:
  const Post post_;
  const std::function<StatusSink*()> target_;
};

}  // namespace openelb::kube
