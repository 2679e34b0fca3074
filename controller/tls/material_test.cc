#include "controller/tls/material.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace openelb::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kDay = absl::Hours(24);

class MaterialTest : public ::testing::Test {
 protected:
  // What is made anew now; empty when nothing is. Takes it.
  std::vector<std::string> Step() {
    auto renewal = Renew(material_, options_, now_);
    EXPECT_TRUE(renewal.ok()) << renewal.status();
    if (!renewal.ok() || !*renewal) return {};
    material_ = (*renewal)->material;
    EXPECT_TRUE(CheckServing(material_, options_.dns_name, now_).ok());
    return (*renewal)->reasons;
  }
  // Speakers that trust `bundle` can connect.
  bool TrustedBy(const std::string& bundle) const {
    for (const std::string& authority : SplitCertificates(bundle)) {
      if (CheckSigned(material_.serving.certificate, authority).ok()) return true;
    }
    return false;
  }

  absl::Time now_ = absl::FromUnixSeconds(1767225600);
  const MaterialOptions options_{.dns_name = "c.ns.svc"};
  Material material_;
};

TEST_F(MaterialTest, IsMadeOnceAndLasts) {
  EXPECT_THAT(Step(), ElementsAre("authority: missing", "serving certificate: missing"));
  EXPECT_THAT(Step(), IsEmpty());
  now_ += 59 * kDay;
  EXPECT_THAT(Step(), IsEmpty());
  EXPECT_EQ(ReadMaterial(material_.Bundle(), material_.authority.key, material_.serving),
            material_);
}

TEST_F(MaterialTest, TheServingCertificateIsReplacedWellBeforeItEnds) {
  Step();
  const Material first = material_;
  now_ += 61 * kDay;
  EXPECT_THAT(Step(), ElementsAre("serving certificate: it ends soon"));
  EXPECT_EQ(material_.authority, first.authority);
  EXPECT_NE(material_.serving, first.serving);
}

TEST_F(MaterialTest, TwentyYearsOfRotationNeverSurpriseASpeaker) {
  Step();
  std::string mounted = material_.Bundle();
  int authorities = 0;
  for (int day = 0; day < 20 * 365; day += 20) {
    now_ += 20 * kDay;
    const std::string before = material_.authority.certificate;
    Step();
    if (material_.authority.certificate != before) ++authorities;
    ASSERT_TRUE(TrustedBy(mounted)) << "day " << day;
    mounted = material_.Bundle();
  }
  EXPECT_EQ(authorities, 2);
  EXPECT_LE(SplitCertificates(mounted).size(), 2u);
}

TEST_F(MaterialTest, DamageIsMended) {
  Step();
  const Material good = material_;
  const auto other = MakeAuthority(now_, now_ + kDay);
  ASSERT_TRUE(other.ok());
  const struct {
    const char* what;
    std::function<void(Material*)> damage;
    std::vector<const char*> reasons;
    bool keeps_trust;  // of speakers that have the bundle of before
  } kCases[] = {
      {"serving lost",
       [](Material* m) { m->serving = {}; },
       {"serving certificate: missing"},
       true},
      {"serving rubbish",
       [](Material* m) { m->serving.certificate = "rubbish"; },
       {"serving certificate: certificate: "},
       true},
      {"serving key of another",
       [&](Material* m) { m->serving.key = other->key; },
       {"serving certificate: certificate and key: "},
       true},
      {"authority's key lost",
       [](Material* m) { m->authority.key = ""; },
       {"authority: key"},
       true},
      {"authority lost",
       [](Material* m) { m->authority = {}; },
       {"authority: missing", "serving certificate: no authority of the bundle signed it"},
       false},
      {"no authority",
       [](Material* m) { m->authority = m->serving; },
       {"authority: may not sign", "serving certificate: no authority"},
       false},
      {"authority of another",
       [&](Material* m) { m->authority = *other; },
       {"authority: it ends soon", "serving certificate: no authority"},
       false},
      {"retired rubbish", [](Material* m) { m->retired = {"rubbish"}; }, {}, true},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    material_ = good;
    test.damage(&material_);
    const std::vector<std::string> reasons = Step();
    ASSERT_EQ(reasons.size(), test.reasons.size());
    for (size_t i = 0; i < reasons.size(); ++i) EXPECT_THAT(reasons[i], HasSubstr(test.reasons[i]));
    EXPECT_EQ(TrustedBy(good.Bundle()), test.keeps_trust);
    EXPECT_THAT(Step(), IsEmpty());
  }
}

TEST_F(MaterialTest, AnotherNameNeedsAnotherCertificate) {
  Step();
  const auto renewal = Renew(material_, {.dns_name = "c.other.svc"}, now_);
  ASSERT_TRUE(renewal.ok() && *renewal);
  EXPECT_THAT((*renewal)->reasons, ElementsAre(HasSubstr("it is for \"c.ns.svc\"")));
}

TEST_F(MaterialTest, AfterALongSleepEverythingIsNew) {
  Step();
  now_ += 11 * 366 * kDay;
  EXPECT_THAT(Step(), ElementsAre(HasSubstr("authority: expired at"), HasSubstr("no authority")));
  EXPECT_THAT(material_.retired, IsEmpty());
}

TEST_F(MaterialTest, AClockThatJumpsDoesNoHarm) {
  Step();
  const absl::Time true_now = now_;
  const std::string mounted = material_.Bundle();
  now_ += 365 * kDay;  // ahead: what is made then holds now as well
  EXPECT_THAT(Step(), ElementsAre(HasSubstr("serving certificate: expired")));
  now_ = true_now;
  EXPECT_THAT(Step(), IsEmpty());
  EXPECT_TRUE(TrustedBy(mounted));
  EXPECT_LE(ReadCertificate(material_.serving.certificate)->not_before, now_);
}

// A clock that is years wrong and then right again. What it makes anew in the meantime is good by
// either time, so that nothing has to be made when it is right.
TEST_F(MaterialTest, WhatAWrongClockMakesIsGoodByTheRightOne) {
  for (const absl::Duration jump : {20 * 365 * kDay, -20 * 365 * kDay}) {
    SCOPED_TRACE(jump);
    material_ = {};
    Step();
    const absl::Time true_now = now_;
    now_ += jump;
    if (jump > absl::ZeroDuration()) {
      EXPECT_THAT(Step(), ElementsAre(HasSubstr("authority: expired"), HasSubstr("no authority")));
    } else {
      EXPECT_THAT(Step(), ElementsAre(HasSubstr("authority: does not begin before 2025-12-31"),
                                      HasSubstr("certificate: does not begin before 2025-12-31")));
    }
    for (const absl::Time now : {now_, true_now}) {
      for (const std::string& made :
           {material_.authority.certificate, material_.serving.certificate}) {
        EXPECT_LE(ReadCertificate(made)->not_before, now);
        EXPECT_LT(now, ReadCertificate(made)->not_after);
      }
    }
    now_ = true_now;
    EXPECT_THAT(Step(), IsEmpty());
  }
}

// The first controller there ever was had a clock that ran ahead.
TEST_F(MaterialTest, AnAuthorityFromTheFutureIsReplaced) {
  now_ += 365 * kDay;
  Step();
  now_ -= 365 * kDay;
  EXPECT_THAT(Step(), ElementsAre(HasSubstr("authority: does not begin before 2026-12-31"),
                                  HasSubstr("certificate: does not begin before 2026-12-31")));
  EXPECT_THAT(Step(), IsEmpty());
}

}  // namespace
}  // namespace openelb::tls
