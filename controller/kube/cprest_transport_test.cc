// The transport on real sockets: what a server and the network may do to it.

#include "controller/kube/cprest_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controller/kube/cprest_rig.h"
#include "controller/kube/testing/script_server.h"

namespace openelb::kube {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::string_view kChunkedHead =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n";

TEST_F(CprestTransportTest, SendsRequestsAndReadsAnswers) {
  Serve([](ScriptConnection* c) {
    for (std::string request; !(request = c->ReadRequest()).empty();) {
      c->Answer(201, request, "X-One: 1\r\nRetry-After: 5\r\n");
    }
  });
  config_.base_path = "/k8s/clusters/c-1";
  config_.token = "secret";
  Connect();
  const auto got = Get("/api/v1/nodes?limit=500&continue=a%2Bb%3D&labelSelector=a%20in%20%28b%29");
  EXPECT_EQ(*got->done, absl::OkStatus());
  EXPECT_EQ(got->status, 201);
  EXPECT_EQ(got->headers.at("x-one"), "1");
  EXPECT_EQ(got->headers.at("retry-after"), "5");
  EXPECT_THAT(got->body,
              StartsWith("GET /k8s/clusters/c-1/api/v1/nodes?limit=500&continue=a%2Bb%3D&"
                         "labelSelector=a%20in%20%28b%29 HTTP/1.1\r\n"));
  EXPECT_THAT(got->body, AllOf(HasSubstr("Authorization:Bearer secret\r\n"),
                               HasSubstr("Accept:application/json\r\n"),
                               HasSubstr("User-Agent:openelb-test/1\r\n"),
                               HasSubstr(absl::StrCat("Host:127.0.0.1:", server_->port()))));
  const auto patched = Fetch(Patch());
  EXPECT_THAT(patched->body,
              AllOf(HasSubstr("PATCH /k8s/clusters/c-1/patch HTTP/1.1\r\n"),
                    HasSubstr("Content-Type:application/merge-patch+json\r\n"),
                    HasSubstr("Content-Length:7\r\n"), HasSubstr("\r\n\r\n{\"a\":1}")));
  const auto deleted = Fetch({.method = "DELETE", .path = "/x"});
  EXPECT_THAT(deleted->body, AllOf(StartsWith("DELETE "), HasSubstr("Content-Length:0\r\n"),
                                   ::testing::Not(HasSubstr("Content-Type"))));
}

TEST_F(CprestTransportTest, KeepsConnections) {
  Serve([](ScriptConnection* c) {
    while (!c->ReadRequest().empty()) c->Answer(200, "{}");
  });
  for (int i = 0; i < 100; ++i) EXPECT_EQ(*Fetch(Patch())->done, absl::OkStatus());
  // More than one, because the library takes a connection back a moment after its request is done.
  EXPECT_LT(server_->accepted(), 20);
}

TEST_F(CprestTransportTest, TellsPiecesAsTheyCome) {
  std::atomic<int> seen = 0;
  Serve([&seen](ScriptConnection* c) {
    c->ReadRequest();
    c->Write(kChunkedHead);
    const auto wait_for = [&seen](int count) {
      while (seen < count) std::this_thread::yield();
    };
    wait_for(1);  // the head alone
    c->WriteChunk("{\"type\":");
    wait_for(2);
    c->Write("5\r\n\"ADD");  // a chunk in two writes
    c->Write("\"\r\n");
    wait_for(3);
    c->WriteChunk("}\n");
    c->Write("0\r\n\r\n");
    c->WaitForClose();
  });
  auto sink = std::make_shared<RecordingSink>();
  sink->on_event = [&seen] { ++seen; };
  transport_->Start({.path = "/watch"}, sink);
  ASSERT_TRUE(owner_.RunUntil([&] { return sink->done.has_value(); }));
  EXPECT_EQ(*sink->done, absl::OkStatus());
  EXPECT_EQ(sink->body, "{\"type\":\"ADD\"}\n");
  EXPECT_EQ(seen, 5);
}

TEST_F(CprestTransportTest, BrokenAnswersAreErrors) {
  struct Case {
    const char* name;
    std::string text;
    bool reset;
    int status;
    const char* body;
  };
  const std::string head(kChunkedHead);
  const Case cases[] = {
      {"nothing", "", false, 0, ""},
      {"nothing, reset", "", true, 0, ""},
      {"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, 0, ""},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-", false, 0, ""},
      {"no last chunk", head + "3\r\nabc\r\n", false, 200, "abc"},
      {"half a chunk", head + "3\r\nabc\r\n9\r\nde", false, 200, "abc"},
      {"no chunk size", head + "zz\r\n", false, 200, ""},
      {"short body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false, 200, nullptr},
  };
  for (const Case& c : cases) {
    Serve([&c](ScriptConnection* connection) {
      connection->ReadRequest();
      connection->Write(c.text);
      if (c.reset) connection->Reset();
    });
    const auto got = Get("/");
    EXPECT_EQ(got->done->code(), absl::StatusCode::kUnavailable) << c.name;
    EXPECT_NE(got->done->message(), "") << c.name;
    EXPECT_EQ(got->status, c.status) << c.name;
    if (c.body != nullptr) {
      EXPECT_EQ(got->body, c.body) << c.name;
    }
  }
}

TEST_F(CprestTransportTest, AResetWithinABodyIsAnError) {
  std::atomic<bool> seen = false;
  Serve([&seen](ScriptConnection* c) {
    c->ReadRequest();
    c->Write(kChunkedHead);
    c->WriteChunk("abc");
    c->Write("9\r\nde");
    while (!seen) std::this_thread::yield();
    c->Reset();
  });
  auto sink = std::make_shared<RecordingSink>();
  sink->on_event = [&] { seen = sink->body == "abc"; };
  transport_->Start({.path = "/"}, sink);
  ASSERT_TRUE(owner_.RunUntil([&] { return sink->done.has_value(); }));
  EXPECT_EQ(sink->done->code(), absl::StatusCode::kUnavailable);
}

TEST_F(CprestTransportTest, ABodyMayEndWithTheConnection) {
  Serve([](ScriptConnection* c) {
    c->ReadRequest();
    c->Write("HTTP/1.0 200 OK\r\n\r\nabc");
  });
  const auto got = Get("/");
  EXPECT_EQ(*got->done, absl::OkStatus());
  EXPECT_EQ(got->body, "abc");
}

TEST_F(CprestTransportTest, SilenceIsBounded) {
  Serve([](ScriptConnection* c) {
    const std::string request = c->ReadRequest();
    if (absl::StrContains(request, "/body")) {
      c->Write(kChunkedHead);
      c->WriteChunk("abc");
    }
    c->WaitForClose();
  });
  for (const char* path : {"/head", "/body"}) {
    const auto got = Fetch({.path = path, .timeout = absl::Milliseconds(200)});
    EXPECT_EQ(got->done->code(), absl::StatusCode::kDeadlineExceeded) << path;
    EXPECT_EQ(got->body, path == std::string("/body") ? "abc" : "");
  }
  // What was given up is closed, and the next request has its own connection.
  EXPECT_TRUE(owner_.RunUntil([&] { return server_->open() == 0; }));
  EXPECT_EQ(server_->accepted(), 2);
}

TEST_F(CprestTransportTest, ASlowAnswerIsNoSilence) {
  Serve([](ScriptConnection* c) {
    c->ReadRequest();
    c->Write(kChunkedHead);
    for (int i = 0; i < 20; ++i) {
      c->WriteChunk("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    c->Write("0\r\n\r\n");
  });
  const auto got = Fetch({.path = "/", .timeout = absl::Milliseconds(600)});
  EXPECT_EQ(*got->done, absl::OkStatus());
  EXPECT_EQ(got->body, std::string(20, 'x'));
}

TEST_F(CprestTransportTest, ASlowOwnerSlowsTheServerDown) {
  constexpr size_t kChunk = 16384;
  constexpr size_t kChunks = 4096;  // 64 MiB
  std::atomic<size_t> written = 0;
  Serve([&written](ScriptConnection* c) {
    c->ReadRequest();
    c->Write(kChunkedHead);
    const std::string chunk(kChunk, 'x');
    while (written < kChunks && c->WriteChunk(chunk)) ++written;
    c->Write("0\r\n\r\n");
  });
  const auto sink = Start({.path = "/", .timeout = absl::Milliseconds(300)});
  // The owner does nothing until the server has been stuck for a while; longer than the timeout, as
  // it is not the server that is silent.
  size_t before = 0;
  for (int idle = 0; idle < 10;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    idle = written == before && before > 0 ? idle + 1 : 0;
    before = written;
    ASSERT_LT(before, kChunks) << "read without bound";
  }
  ASSERT_TRUE(owner_.RunUntil([&] { return sink->done.has_value(); }));
  EXPECT_EQ(*sink->done, absl::OkStatus());
  EXPECT_EQ(sink->body.size(), kChunk * kChunks);
}

TEST_F(CprestTransportTest, CancelledRequestsHearNothing) {
  Serve([](ScriptConnection* c) {
    const std::string request = c->ReadRequest();
    if (absl::StrContains(request, "/silent")) return c->WaitForClose();
    c->Write(kChunkedHead);
    if (absl::StrContains(request, "/flood")) {
      while (c->WriteChunk(std::string(16384, 'x'))) {
      }
    }
    c->WriteChunk("abc");
    c->WaitForClose();
  });
  // At once: the connection is not made yet.
  auto sink = Start({.path = "/silent"});
  transport_->Cancel(last_);
  EXPECT_EQ(sink.use_count(), 1);
  // Before the head.
  sink = Start({.path = "/silent"});
  EXPECT_TRUE(owner_.RunUntil([&] { return server_->open() == 1; }));
  transport_->Cancel(last_);
  EXPECT_TRUE(owner_.RunUntil([&] { return server_->open() == 0; }));
  EXPECT_EQ(sink->status, 0);
  // Within the body, from within the sink.
  sink = Start({.path = "/body"});
  sink->on_event = [&] {
    if (sink->body == "abc") transport_->Cancel(last_);
  };
  EXPECT_TRUE(owner_.RunUntil([&] { return sink->body == "abc" && server_->open() == 0; }));
  EXPECT_FALSE(sink->done.has_value());
  sink->on_event = nullptr;
  // While the library waits for us.
  sink = Start({.path = "/flood"});
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  transport_->Cancel(last_);
  EXPECT_TRUE(owner_.RunUntil([&] { return server_->open() == 0; }));
  EXPECT_EQ(sink->status, 0);
  // Again, and when it is over.
  transport_->Cancel(last_);
  transport_->Cancel(12345);
}

TEST_F(CprestTransportTest, NothingLeaksByConnectingAndCancelling) {
  Serve([](ScriptConnection* c) { c->WaitForClose(); });
  const auto threads_and_files = [] {
    const auto count = [](const char* folder) {
      return std::distance(std::filesystem::directory_iterator(folder), {});
    };
    return count("/proc/self/task") + count("/proc/self/fd");
  };
  const auto settled = [&] { return server_->open() == 0; };
  transport_->Cancel((Start({.path = "/"}), last_));
  ASSERT_TRUE(owner_.RunUntil(settled));
  const auto before = threads_and_files();
  for (int i = 0; i < 1000; ++i) {
    const auto sink = Start({.path = "/"});
    // At all moments from before the connection to after it.
    for (int turn = 0; turn < (i % 10) * 20; ++turn) std::this_thread::yield();
    transport_->Cancel(last_);
    EXPECT_EQ(sink.use_count(), 1);
  }
  Connect();  // the end of the old one waits for all that is under way
  ASSERT_TRUE(owner_.RunUntil([&] { return settled() && threads_and_files() <= before + 2; }))
      << threads_and_files() << " instead of " << before;
}

TEST_F(CprestTransportTest, KeptConnectionsThatWereClosedAreNotUsed) {
  std::atomic<int> patches = 0;
  Serve([&patches](ScriptConnection* c) {
    if (c->ReadRequest().empty()) return;
    ++patches;
    c->Answer(200, "{}");
    c->FinishAndWait();
  });
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(*Fetch(Patch())->done, absl::OkStatus());
    ASSERT_TRUE(owner_.RunUntil([&] { return server_->open() == 0; }));
  }
  EXPECT_EQ(patches, 10);
  EXPECT_EQ(server_->accepted(), 10);
}

TEST_F(CprestTransportTest, AllKeptConnectionsMayHaveDied) {
  const auto answer = [](ScriptConnection* c) {
    while (!c->ReadRequest().empty()) c->Answer(200, "{}");
  };
  Serve(answer);
  const auto fetch_many = [&] {
    std::vector<std::shared_ptr<RecordingSink>> sinks;
    for (int i = 0; i < 16; ++i) sinks.push_back(Start(Patch()));
    for (const auto& sink : sinks) {
      ASSERT_TRUE(owner_.RunUntil([&] { return sink->done.has_value(); }));
      EXPECT_EQ(*sink->done, absl::OkStatus());
    }
  };
  fetch_many();
  const ScriptServer::Options same_port{.port = server_->port()};
  server_.reset();
  EXPECT_EQ(Fetch(Patch())->done->code(), absl::StatusCode::kUnavailable);
  server_ = std::make_unique<ScriptServer>(same_port, answer);
  EXPECT_EQ(*Fetch(Patch())->done, absl::OkStatus());
  fetch_many();
}

TEST_F(CprestTransportTest, WhatMayHaveReachedTheServerIsNotSentAgain) {
  std::atomic<int> changes = 0;
  std::atomic<bool> was_kept = false;  // the connection of the last change
  Serve([&](ScriptConnection* c) {
    for (bool kept = false;; kept = true) {
      const std::string request = c->ReadRequest();
      if (request.empty()) return;
      if (!absl::StartsWith(request, "GET")) {
        was_kept = kept;
        ++changes;
        return;  // and no answer
      }
      c->Answer(200, "{}");
    }
  });
  for (const HttpRequest& change : {Patch(), HttpRequest{.method = "DELETE", .path = "/x"},
                                    HttpRequest{"POST", "/x", "application/json", "{}"}}) {
    // The library keeps a connection a moment after its request is done.
    was_kept = false;
    for (int tries = 0; !was_kept && tries < 100; ++tries) {
      changes = 0;
      EXPECT_EQ(*Get("/")->done, absl::OkStatus());
      EXPECT_EQ(Fetch(change)->done->code(), absl::StatusCode::kUnavailable) << change.method;
      EXPECT_EQ(changes, 1) << change.method;
    }
    EXPECT_TRUE(was_kept) << change.method;
  }
}

TEST_F(CprestTransportTest, FollowsNoRedirect) {
  Serve([](ScriptConnection* c) {
    while (!c->ReadRequest().empty()) c->Answer(302, "", "Location: http://127.0.0.1:1/\r\n");
  });
  const auto got = Get("/");
  EXPECT_EQ(*got->done, absl::OkStatus());
  EXPECT_EQ(got->status, 302);
}

TEST_F(CprestTransportTest, WhatCannotBeSentIsAnError) {
  Serve([](ScriptConnection* c) { c->WaitForClose(); });
  const auto sink = Start({.path = "/%zz\r\n"});
  EXPECT_FALSE(sink->done.has_value());  // not from within Start
  ASSERT_TRUE(owner_.RunUntil([&] { return sink->done.has_value(); }));
  EXPECT_EQ(sink->done->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(server_->accepted(), 0);
}

TEST_F(CprestTransportTest, WithoutAServerThereIsAnError) {
  Serve([](ScriptConnection*) {});
  server_.reset();
  const auto got = Get("/");
  EXPECT_EQ(got->done->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(got->done->message(), HasSubstr("connect"));
}

TEST_F(CprestTransportTest, MayEndWhileRequestsAreUnderWay) {
  Serve([](ScriptConnection* c) {
    c->ReadRequest();
    c->Write(kChunkedHead);
    while (c->WriteChunk("abc")) {
    }
  });
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 8; ++i) sinks.push_back(Start({.path = "/"}));
  ASSERT_TRUE(owner_.RunUntil([&] { return sinks[0]->status == 200; }));
  // From within a sink.
  sinks[0]->on_event = [&] { transport_.reset(); };
  ASSERT_TRUE(owner_.RunUntil([&] { return transport_ == nullptr && server_->open() == 0; }));
  for (const auto& sink : sinks) EXPECT_FALSE(sink->done.has_value());
}

}  // namespace
}  // namespace openelb::kube
