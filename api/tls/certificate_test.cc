#include "api/tls/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace openelb::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1767225600);
const absl::Time kEnd = kStart + absl::Hours(24 * 20'000);  // past 2049: another form of time

TEST(CertificateTest, AnAuthoritySignsAServer) {
  const auto authority = MakeAuthority(kStart, kEnd);
  ASSERT_TRUE(authority.ok()) << authority.status();
  const auto serving = Issue(*authority, "c.ns.svc", kStart, kStart + absl::Hours(1));
  ASSERT_TRUE(serving.ok()) << serving.status();
  const auto root = ReadCertificate(authority->certificate);
  ASSERT_TRUE(root.ok());
  EXPECT_TRUE(root->is_authority);
  EXPECT_EQ(root->not_before, kStart);
  EXPECT_EQ(root->not_after, kEnd);
  EXPECT_THAT(root->dns_names, IsEmpty());
  const auto leaf = ReadCertificate(serving->certificate);
  ASSERT_TRUE(leaf.ok());
  EXPECT_FALSE(leaf->is_authority);
  EXPECT_EQ(leaf->not_after, kStart + absl::Hours(1));
  EXPECT_THAT(leaf->dns_names, ElementsAre("c.ns.svc"));

  EXPECT_TRUE(CheckPair(*serving).ok());
  EXPECT_TRUE(CheckSigned(serving->certificate, authority->certificate).ok());
  const auto other = MakeAuthority(kStart, kEnd);
  EXPECT_FALSE(CheckSigned(serving->certificate, other->certificate).ok());
  EXPECT_FALSE(CheckPair({serving->certificate, other->key}).ok());
}

TEST(CertificateTest, WhatCannotBeReadIsSaid) {
  const auto authority = MakeAuthority(kStart, kEnd);
  ASSERT_TRUE(authority.ok());
  std::string damaged = authority->certificate;
  damaged.erase(60, 40);
  for (const std::string& pem : {std::string(), std::string("rubbish"), damaged, authority->key}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadCertificate(pem).status())) << pem;
    EXPECT_TRUE(absl::IsInvalidArgument(CheckPair({pem, authority->key}))) << pem;
    EXPECT_FALSE(CheckSigned(pem, authority->certificate).ok());
    EXPECT_FALSE(CheckSigned(authority->certificate, pem).ok());
    EXPECT_TRUE(absl::IsInvalidArgument(Issue({pem, authority->key}, "x", kStart, kEnd).status()));
  }
  EXPECT_THAT(std::string(CheckPair({authority->certificate, "rubbish"}).message()),
              HasSubstr("key: "));
}

TEST(CertificateTest, ABundleIsSplit) {
  const auto first = MakeAuthority(kStart, kEnd);
  const auto second = MakeAuthority(kStart, kEnd);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_THAT(SplitCertificates("# comment\n" + first->certificate + "\n" + second->certificate),
              ElementsAre(first->certificate, second->certificate));
  EXPECT_THAT(SplitCertificates("rubbish"), IsEmpty());
}

}  // namespace
}  // namespace openelb::tls
