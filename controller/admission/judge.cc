#include "controller/admission/judge.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controller/admission/opinion.h"

namespace openelb::admission {
namespace {

constexpr size_t kServicesNamed = 3;
constexpr size_t kMostErrors = 8;

// Deletions that follow from what somebody has decided already: the owner of the object is gone, or
// its namespace. To refuse those would only have them tried again for ever.
constexpr absl::string_view kCascades[] = {
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:kube-controller-manager",  // where its controllers have no accounts of their own
};

// nullopt: the kind is not validated here.
std::optional<Opinion> OpinionOfAny(const Object& object, Knowledge* known) {
  return std::visit(
      [known](const auto& o) -> std::optional<Opinion> {
        if constexpr (requires { OpinionOf(o, known); }) {
          return OpinionOf(o, known);
        } else {
          return std::nullopt;
        }
      },
      object);
}

bool IsGoing(const codec::Decoded& decoded) {
  return decoded.object &&
         std::visit([](const auto& o) { return o.meta.deletion_timestamp.has_value(); },
                    *decoded.object);
}

// What is wrong, each beginning with the object: of several in one file kubectl does not say which
// was refused.
std::vector<std::string> ErrorsOf(const codec::Decoded& decoded, const Opinion& opinion) {
  std::vector<std::string> errors = decoded.errors;
  for (const std::string& error : opinion.errors)
    errors.push_back(absl::StrCat(decoded.key.ToString(), ": ", error));
  return errors;
}

std::string Sentence(const std::vector<std::string>& errors) {
  const size_t shown = std::min(errors.size(), kMostErrors);
  std::string text =
      absl::StrJoin(errors.begin(), errors.begin() + static_cast<ptrdiff_t>(shown), "; ");
  if (shown < errors.size()) absl::StrAppend(&text, "; and ", errors.size() - shown, " more");
  return text;
}

std::string Services(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kServicesNamed);
  std::string text = names.size() == 1 ? "Service " : "Services ";
  absl::StrAppend(
      &text, absl::StrJoin(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown), ", "));
  if (shown < names.size()) absl::StrAppend(&text, " and ", names.size() - shown, " more");
  return text;
}

Verdict JudgeDeletion(const network::Eip& eip, const Review& review, Knowledge* known) {
  if (eip.meta.deletion_timestamp ||
      std::find(std::begin(kCascades), std::end(kCascades), review.user) != std::end(kCascades))
    return {};
  const std::vector<std::string> holders = known->HoldersOf(eip.meta.name);
  if (holders.empty()) return {};
  const auto forced = eip.meta.annotations.find(kForceDelete);
  if (forced != eip.meta.annotations.end() && absl::EqualsIgnoreCase(forced->second, "true")) {
    Verdict verdict;
    verdict.warnings.push_back(absl::StrCat(
        Services(holders), " keep their addresses; the Eip goes with the last of them"));
    return verdict;
  }
  Verdict verdict = Refuse(
      403, "Forbidden",
      absl::StrCat(review.object.key.ToString(), ": ", Services(holders), " ",
                   holders.size() == 1 ? "has an address" : "have addresses",
                   " of it, and a deletion cannot be undone: delete the Services, or let them name "
                   "another Eip, first; or set its annotation ",
                   kForceDelete,
                   " to \"true\": then it gives nothing new and goes with the last of them"));
  verdict.of_others = true;
  return verdict;
}

}  // namespace

Verdict Judge(const Review& review, Knowledge* known) {
  if (review.operation == Operation::kDelete) {
    if (!review.object.object) return {};  // as bad as it is, it may go
    const auto* eip = std::get_if<network::Eip>(&*review.object.object);
    return eip == nullptr ? Verdict() : JudgeDeletion(*eip, review, known);
  }
  if (IsGoing(review.object)) return {};
  Opinion opinion;
  if (review.object.object) {
    auto found = OpinionOfAny(*review.object.object, known);
    if (!found)
      return Refuse(400, "BadRequest",
                    absl::StrCat("kind ", review.kind, " is not validated here"));
    opinion = *std::move(found);
  }
  std::vector<std::string> errors = ErrorsOf(review.object, opinion);
  if (!errors.empty() && review.operation == Operation::kUpdate) {
    const std::vector<std::string> stood =
        ErrorsOf(review.before, review.before.object
                                    ? OpinionOfAny(*review.before.object, known).value_or(Opinion())
                                    : Opinion());
    std::erase_if(errors, [&](const std::string& error) {
      return std::find(stood.begin(), stood.end(), error) != stood.end();
    });
  }
  Verdict verdict;
  if (!errors.empty()) {
    verdict = Refuse(422, "Invalid", Sentence(errors));
    verdict.of_others = review.object.object.has_value();
  }
  verdict.warnings = std::move(opinion.warnings);
  return verdict;
}

}  // namespace openelb::admission
