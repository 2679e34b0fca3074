#pragma once
// Matchers of address problems.

#include <gmock/gmock.h>

#include "api/base/mac.h"
#include "speaker/layer2/address_problem.h"

namespace openelb::layer2 {

// Another station, this one, answers for the address.
inline auto IsDuplicate(const MacAddress& station) {
  return ::testing::AllOf(
      ::testing::Field(&AddressProblem::sentence, ::testing::HasSubstr(station.ToString())),
      ::testing::Field(&AddressProblem::duplicate, true));
}

// Nobody answers for it here.
inline auto IsUnanswered(const char* why) {
  return ::testing::AllOf(::testing::Field(&AddressProblem::sentence, ::testing::HasSubstr(why)),
                          ::testing::Field(&AddressProblem::duplicate, false));
}

}  // namespace openelb::layer2
