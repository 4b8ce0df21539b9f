// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/kernel_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "fodc/kernel/program_table.h"

namespace fodc::kernel {
namespace {

using ::testing::HasSubstr;

TEST(CheckCapabilitiesTest, TakesBothOrSysAdmin) {
  EXPECT_TRUE(CheckCapabilities("CapEff:\t000000c000000000\n").ok());
  EXPECT_TRUE(CheckCapabilities("Name: x\nCapEff:\t0000000000200000\n").ok());
}

TEST(CheckCapabilitiesTest, NamesWhatIsMissing) {
  const Status bpf_only = CheckCapabilities("CapEff:\t0000008000000000\n");
  EXPECT_EQ(bpf_only.code(), Code::kPermissionDenied);
  EXPECT_EQ(bpf_only.message(), "CAP_PERFMON missing");
  EXPECT_EQ(CheckCapabilities("CapEff:\t0000004000000000\n").message(),
            "CAP_BPF missing");
  EXPECT_EQ(CheckCapabilities("CapEff:\t0000000000000000\n").message(),
            "CAP_BPF and CAP_PERFMON missing");
}

TEST(CheckCapabilitiesTest, RefusesWhatIsNoStatus) {
  EXPECT_EQ(CheckCapabilities("").code(), Code::kDataLoss);
  EXPECT_EQ(CheckCapabilities("CapEff:\tlots\n").code(), Code::kDataLoss);
}

TEST(NoTypesTest, SaysWhatIsMissing) {
  EXPECT_EQ(NoTypes(ESRCH).message(),
            "no type information: /sys/kernel/btf/vmlinux is not there");
  EXPECT_THAT(NoTypes(EACCES).message(), HasSubstr("Permission denied"));
  EXPECT_EQ(NoTypes(EACCES).code(), Code::kUnimplemented);
}

TEST(CountNamespacesTest, CountsFromThatOfProcToOurs) {
  EXPECT_EQ(CountNamespaces("Pid:\t7\nNSpid:\t7\nVmRSS:\t1 kB\n"), 1u);
  EXPECT_EQ(CountNamespaces("NSpid:\t4711\t7\n"), 2u);
  EXPECT_EQ(CountNamespaces("Pid:\t7\n"), 0u);
}

class BareKernel final : public KernelView {
 public:
  Result<KernelTypes> Types() const override {
    return KernelTypes{.tracepoints = {"sys_enter", "sys_exit", "mark_victim"},
                       .has_rdonly_cast = false,
                       .victim_is_task = false};
  }
  Status MayLoad() const override {
    return PermissionDenied("CAP_BPF missing");
  }
  std::uint32_t PidMax() const override { return 0; }
  ProcessNamespace Namespace() const override { return space; }

  ProcessNamespace space = ProcessNamespace::kFirst;
};

const KernelAnswer* Find(const std::vector<KernelAnswer>& answers,
                         std::string_view what) {
  const auto at = std::find_if(
      answers.begin(), answers.end(),
      [&](const KernelAnswer& a) { return a.what.find(what) != a.what.npos; });
  return at == answers.end() ? nullptr : &*at;
}

TEST(ExamineKernelTest, TellsWhatIsMissingAndWhatToDo) {
  const BareKernel kernel;
  const auto answers = ExamineKernel(kernel);
  const KernelAnswer* permission = Find(answers, "permission");
  ASSERT_NE(permission, nullptr);
  EXPECT_FALSE(permission->ok);
  EXPECT_THAT(permission->detail, HasSubstr("CAP_BPF"));
  EXPECT_THAT(permission->advice, HasSubstr("CAP_PERFMON"));
  EXPECT_TRUE(Find(answers, "type information")->ok);
  EXPECT_TRUE(Find(answers, "tracepoint sys_enter")->ok);
  EXPECT_FALSE(Find(answers, "tracepoint block_rq_issue")->ok);
  EXPECT_FALSE(Find(answers, "OOM victims")->ok);
  EXPECT_THAT(Find(answers, "calls in flight")->detail,
              HasSubstr("task storage"));
}

TEST(ExamineKernelTest, TellsOfAProcThatShowsOtherProcesses) {
  BareKernel kernel;
  EXPECT_TRUE(Find(ExamineKernel(kernel), "process namespace")->ok);
  kernel.space = ProcessNamespace::kOther;
  EXPECT_TRUE(Find(ExamineKernel(kernel), "process namespace")->ok);
  kernel.space = ProcessNamespace::kNotOurs;
  const auto answers = ExamineKernel(kernel);
  EXPECT_FALSE(Find(answers, "process namespace")->ok);
  EXPECT_THAT(Find(answers, "process namespace")->advice, HasSubstr("/proc"));
}

class TypelessKernel final : public KernelView {
 public:
  Result<KernelTypes> Types() const override {
    return Unimplemented("no type information");
  }
};

TEST(ExamineKernelTest, AsksForNoTracepointsWithoutTypes) {
  const TypelessKernel kernel;
  const auto answers = ExamineKernel(kernel);
  EXPECT_FALSE(Find(answers, "type information")->ok);
  EXPECT_THAT(Find(answers, "type information")->advice,
              HasSubstr("CONFIG_DEBUG_INFO_BTF"));
  EXPECT_EQ(Find(answers, "tracepoint"), nullptr);
}

TEST(ProgramTableTest, EachHalfOfAPairNamesTheOther) {
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const ObjectSpec& object = ObjectOf(static_cast<Family>(i));
    EXPECT_EQ(object.stem, FamilyName(static_cast<Family>(i)));
    for (const ProgramSpec& p : object.programs) {
      if (p.needs.empty()) continue;
      EXPECT_TRUE(std::any_of(
          object.programs.begin(), object.programs.end(),
          [&](const ProgramSpec& other) { return other.name == p.needs; }))
          << p.name;
    }
  }
}

}  // namespace
}  // namespace fodc::kernel
