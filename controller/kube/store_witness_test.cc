#include "controller/kube/store_witness.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace openelb::kube {
namespace {

using codec::Value;

// A Lease, seconds since the epoch as its times.
struct At {
  std::string revision;
  int renewed = 0;
  std::string holder = "us_1";
  int acquired = 0;
  std::string uid = "u1";
};

Value LeaseOf(const At& at) {
  Value lease;
  WriteLease({.holder = at.holder,
              .acquired = absl::FromUnixSeconds(at.acquired),
              .renewed = absl::FromUnixSeconds(at.renewed)},
             &lease);
  lease["metadata"]["uid"] = at.uid;
  lease["metadata"]["resourceVersion"] = at.revision;
  return lease;
}

class StoreWitnessTest : public ::testing::Test {
 protected:
  bool Vouches(const std::string& version) {
    return witness_.Vouch(version, witness_.chain()).has_value();
  }
  StoreWitness witness_{"/lease", "us_1"};
};

TEST_F(StoreWitnessTest, OursVouchesForWhatCameBefore) {
  EXPECT_FALSE(Vouches("1"));
  witness_.OnWritten(LeaseOf({"9", 2}));
  EXPECT_TRUE(Vouches("8"));
  EXPECT_TRUE(Vouches("9"));
  for (const char* version : {"10", "", "x"}) EXPECT_FALSE(Vouches(version)) << version;
  const uint64_t chain = witness_.chain();
  witness_.OnWritten(LeaseOf({"12", 4}));
  EXPECT_TRUE(witness_.Vouch("10", chain).has_value());
  witness_.OnRead(std::nullopt);
  EXPECT_FALSE(Vouches("1"));
}

// Who else holds it has surely known what it has replaced; edits by hand are not its own.
TEST_F(StoreWitnessTest, AnothersVouchesOnceItHasBeenReplaced) {
  witness_.OnRead(LeaseOf({"9", 2, "a_1"}));
  EXPECT_FALSE(Vouches("1"));
  witness_.OnRead(LeaseOf({"10", 2, "a_1"}));
  EXPECT_FALSE(Vouches("1"));
  witness_.OnRead(LeaseOf({"15", 4, "a_1"}));
  EXPECT_TRUE(Vouches("10"));
  EXPECT_FALSE(Vouches("11"));
}

TEST_F(StoreWitnessTest, ProvesWhatItVouchedFor) {
  const struct {
    const char* what;
    std::vector<At> known;  // read since the mark
    At shown;
    bool proves;
  } kCases[] = {
      {"the same", {}, {"9", 2}, true},
      {"renewed", {}, {"20", 9}, true},
      {"renewed and known", {{"20", 9}}, {"20", 9}, true},
      {"shown before it was renewed", {{"20", 9}}, {"9", 2}, true},
      {"older", {}, {"8", 0}, false},
      {"older, passed by an edit", {}, {"30", 0}, false},
      {"another's", {}, {"20", 9, "b_1"}, false},
      {"taken anew", {}, {"20", 9, "us_1", 8}, false},
      {"made anew", {}, {"20", 9, "us_1", 0, "u2"}, false},
      {"no number", {}, {"x", 9}, false},
      {"no revision", {}, {"", 9}, false},
      {"known to be older", {{"8", 0}}, {"20", 9}, false},
      {"known to be another's", {{"8", 0, "b_1"}}, {"20", 9}, false},
      {"known to be taken anew", {{"20", 9, "us_1", 8}}, {"22", 10, "us_1", 8}, false},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    StoreWitness witness("/lease", "us_1");
    witness.OnWritten(LeaseOf({"9", 2}));
    const auto mark = witness.Vouch("5", witness.chain());
    ASSERT_TRUE(mark.has_value());
    for (const At& at : test.known) witness.OnRead(LeaseOf(at));
    EXPECT_EQ(witness.Proves(*mark, LeaseOf(test.shown)), test.proves);
  }
}

TEST_F(StoreWitnessTest, OnlyOursThatIsOlderTellsOfARestore) {
  const struct {
    const char* what;
    At read;
    bool restored;
  } kCases[] = {
      {"the same", {"9", 2}, false},
      {"earlier", {"8", 0}, true},
      {"passed by an edit", {"30", 0}, true},
      {"done, and not known", {"11", 4}, false},
      {"another's", {"8", 0, "b_1"}, false},
      {"of our own earlier taking", {"8", 0, "us_1", -5}, false},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    StoreWitness witness("/lease", "us_1");
    witness.OnWritten(LeaseOf({"9", 2}));
    EXPECT_EQ(witness.OnRead(LeaseOf(test.read)), test.restored);
    EXPECT_EQ(witness.restores(), test.restored ? 1u : 0u);
  }
}

// Who sets the clock back while it leads has lost nothing.
TEST_F(StoreWitnessTest, OurOwnUpdateMayHaveAnEarlierTime) {
  witness_.OnWritten(LeaseOf({"9", 100}));
  const auto mark = witness_.Vouch("5", witness_.chain());
  const uint64_t chain = witness_.chain();
  witness_.OnWritten(LeaseOf({"12", 40}));
  EXPECT_EQ(witness_.chain(), chain);
  EXPECT_EQ(witness_.restores(), 0u);
  EXPECT_TRUE(Vouches("12"));
}

}  // namespace
}  // namespace openelb::kube
