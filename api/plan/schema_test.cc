// Whatever was ever spoken over the stream is still understood as it was meant: what stands in a
// recorded schema stands in today's, under the same number, with the same type.

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "api/plan/recorded/first.pb.h"
#include "api/plan/recorded/v0_1_0.pb.h"
#include "api/plan/v1/plan.pb.h"

namespace openelb::plan {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

// Without the package, so that types of different versions compare.
std::string TypeOf(const FieldDescriptor& field) {
  const auto local = [](const auto& type) {
    const std::string& package = type.file()->package();
    return package == "google.protobuf" ? type.full_name()
                                        : type.full_name().substr(package.size() + 1);
  };
  std::string name = field.type_name();
  if (field.message_type() != nullptr) name = local(*field.message_type());
  if (field.enum_type() != nullptr) name = local(*field.enum_type());
  const auto* oneof = field.real_containing_oneof();
  // That a number may be left out changes nothing on the wire.
  return absl::StrCat(field.is_repeated() ? "repeated " : "", name,
                      oneof == nullptr ? "" : " in " + oneof->name());
}

void ExpectKept(const EnumDescriptor& old, const EnumDescriptor* now) {
  ASSERT_NE(now, nullptr) << old.full_name();
  for (int i = 0; i < old.value_count(); ++i) {
    const auto* value = now->FindValueByNumber(old.value(i)->number());
    ASSERT_NE(value, nullptr) << old.value(i)->full_name();
    EXPECT_EQ(value->name(), old.value(i)->name()) << old.full_name();
  }
}

void ExpectKept(const Descriptor& old, const Descriptor* now) {
  ASSERT_NE(now, nullptr) << old.full_name();
  for (int i = 0; i < old.field_count(); ++i) {
    const FieldDescriptor& field = *old.field(i);
    const FieldDescriptor* kept = now->FindFieldByNumber(field.number());
    ASSERT_NE(kept, nullptr) << field.full_name() << " = " << field.number();
    EXPECT_EQ(TypeOf(*kept), TypeOf(field)) << field.full_name();
    EXPECT_EQ(kept->name(), field.name()) << field.full_name();
  }
  for (int i = 0; i < old.nested_type_count(); ++i) {
    ExpectKept(*old.nested_type(i), now->FindNestedTypeByName(old.nested_type(i)->name()));
  }
  for (int i = 0; i < old.enum_type_count(); ++i) {
    ExpectKept(*old.enum_type(i), now->FindEnumTypeByName(old.enum_type(i)->name()));
  }
}

class SchemaTest : public ::testing::TestWithParam<const FileDescriptor*> {};

TEST_P(SchemaTest, IsStillUnderstood) {
  const FileDescriptor& old = *GetParam();
  const FileDescriptor& now = *v1::Plan::descriptor()->file();
  for (int i = 0; i < old.message_type_count(); ++i) {
    ExpectKept(*old.message_type(i), now.FindMessageTypeByName(old.message_type(i)->name()));
  }
  for (int i = 0; i < old.enum_type_count(); ++i) {
    ExpectKept(*old.enum_type(i), now.FindEnumTypeByName(old.enum_type(i)->name()));
  }
  for (int i = 0; i < old.service_count(); ++i) {
    const auto* service = now.FindServiceByName(old.service(i)->name());
    ASSERT_NE(service, nullptr);
    for (int j = 0; j < old.service(i)->method_count(); ++j) {
      const auto& method = *old.service(i)->method(j);
      const auto* kept = service->FindMethodByName(method.name());
      ASSERT_NE(kept, nullptr) << method.full_name();
      EXPECT_EQ(kept->input_type()->name(), method.input_type()->name());
      EXPECT_EQ(kept->output_type()->name(), method.output_type()->name());
      EXPECT_TRUE(kept->client_streaming() && kept->server_streaming());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Recorded, SchemaTest,
                         ::testing::Values(recorded::first::Plan::descriptor()->file(),
                                           recorded::v0_1_0::Plan::descriptor()->file()),
                         [](const auto& info) {
                           return info.index == 0 ? std::string("first") : "v0_1_0";
                         });

}  // namespace
}  // namespace openelb::plan
