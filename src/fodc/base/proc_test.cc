// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/proc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/kept_file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Linux 6.1, a process that named itself "a) (b".
constexpr std::string_view kStat =
    "4711 (a) (b) S 17 4711 8976 0 -1 4194304 98 5 7 3 1234 567 1 2 20 0 12 0 "
    "161170 3133440 383 18446744073709551615 94821105889280 94821105909161 "
    "140726775919600 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 94821105925168\n";

TEST(ParseProcessStatTest, FindsTheEndOfAnyName) {
  ProcessStat s;
  ASSERT_THAT(ParseProcessStat(kStat, &s), IsOk());
  EXPECT_EQ(s.pid, 4711);
  EXPECT_EQ(s.comm, "a) (b");
  EXPECT_EQ(s.state, 'S');
  EXPECT_EQ(s.parent_pid, 17);
  EXPECT_EQ(s.minor_faults, 98u);
  EXPECT_EQ(s.major_faults, 7u);
  EXPECT_EQ(s.user_ticks, 1234u);
  EXPECT_EQ(s.system_ticks, 567u);
  EXPECT_EQ(s.threads, 12u);
  EXPECT_EQ(s.start_ticks, 161170u);
  EXPECT_EQ(s.virtual_bytes, 3133440u);
  EXPECT_EQ(s.resident_pages, 383u);
}

TEST(ParseProcessStatTest, RefusesWhatIsCut) {
  ProcessStat s;
  // Up to the 24th field every cut is noticed, save inside the last number.
  const std::size_t end = kStat.find(" 383 ") + 1;
  for (std::size_t n = 0; n < end; ++n) {
    EXPECT_THAT(ParseProcessStat(kStat.substr(0, n), &s),
                StatusIs(Code::kDataLoss, HasSubstr("stat")))
        << n;
  }
}

TEST(ReadProcessStatTest, ReadsThisProcess) {
  const auto s = ReadProcessStat(kProcRoot, ::getpid());
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ(s->pid, ::getpid());
  EXPECT_EQ(s->parent_pid, ::getppid());
  EXPECT_GT(s->resident_pages, 0u);
  EXPECT_THAT(ReadComm(kProcRoot, ::getpid()), IsOkAndHolds(s->comm));
  const auto boot = ReadBootTime(kProcRoot);
  ASSERT_THAT(boot, IsOk());
  const auto age = SystemClock().Unix() - StartTime(*boot, s->start_ticks);
  EXPECT_GT(age, std::chrono::seconds(-2));
  EXPECT_LT(age, std::chrono::hours(1));
  EXPECT_THAT(ListProcesses(kProcRoot), IsOkAndHolds(Contains(::getpid())));
  EXPECT_THAT(ReadBootId(kProcRoot), IsOkAndHolds(SizeIs(36)));
  EXPECT_THAT(ReadPidNamespace(kProcRoot), IsOkAndHolds(Gt(0u)));
}

TEST(ReadProcessStatTest, TellsHowAZombieEnded) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(7);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT),
            0);
  const auto s = ReadProcessStat(kProcRoot, child);
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ(s->state, 'Z');
  EXPECT_EQ(s->exit_code, 7 << 8);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST(ReadProcessStatTest, NamesTheProcessThatIsGone) {
  EXPECT_THAT(ReadProcessStat(kProcRoot, 0x7ffffffe),
              StatusIs(Code::kNotFound, HasSubstr("/proc/2147483646/stat")));
}

TEST(ParseProcessStatusTest, LeavesOutWhatTheKernelDoesNotTell) {
  // A kernel thread has no memory of its own.
  const auto kernel = ParseProcessStatus("Name:\tkworker/0:1\nThreads:\t1\n");
  ASSERT_THAT(kernel, IsOk());
  EXPECT_EQ(kernel->threads, 1u);
  EXPECT_EQ(kernel->resident_bytes, std::nullopt);
  const auto s = ParseProcessStatus(
      "Name:\tVmRSS: 7 kB\nVmPeak:\t    9 kB\nVmSize:\t 8000 kB\nVmHWM:\t 70 "
      "kB\n"
      "VmRSS:\t   64 kB\nRssAnon:\t  32 kB\nRssFile:\t 31 kB\nRssShmem:\t1 kB\n"
      "VmSwap:\t 0 kB\nThreads:\t12\nvoluntary_ctxt_switches:\t150\n"
      "nonvoluntary_ctxt_switches:\t545\n");
  ASSERT_THAT(s, IsOk());
  EXPECT_EQ(s->virtual_bytes, 8000u * 1024);
  EXPECT_EQ(s->resident_peak_bytes, 70u * 1024);
  EXPECT_EQ(s->resident_bytes, 64u * 1024);
  EXPECT_EQ(s->resident_anon_bytes, 32u * 1024);
  EXPECT_EQ(s->resident_file_bytes, 31u * 1024);
  EXPECT_EQ(s->resident_shmem_bytes, 1024u);
  EXPECT_EQ(s->swap_bytes, 0u);
  EXPECT_EQ(s->main_thread_voluntary_switches, 150u);
  EXPECT_EQ(s->main_thread_involuntary_switches, 545u);
}

TEST(ParseEffectiveCapabilitiesTest, ReadsTheLineWholeOrNotAtAll) {
  EXPECT_THAT(ParseEffectiveCapabilities(
                  "Name:\tx\nCapEff:\t000000c000080004\nCapBnd:\t0\n"),
              IsOkAndHolds(0xc000080004u));
  for (const char* bad : {"CapEff:\t\n", "CapEff:\t12g\n", "Name:\tx\n", "",
                          "CapEff:\t10000000000000000\n"}) {
    EXPECT_THAT(ParseEffectiveCapabilities(bad),
                StatusIs(Code::kDataLoss, HasSubstr("CapEff")))
        << bad;
  }
}

TEST(ParseProcessSignalsTest, ReadsMasksAndTheInnermostPid) {
  const auto signals = ParseProcessSignals(
      "Name:\tx\nNSpid:\t4711\t12\t1\nSigBlk:\t0000000000000001\nSigIgn:"
      "\t0000000000001000\n"
      "SigCgt:\t0000000000004000\n");
  ASSERT_TRUE(signals.ok()) << signals.status().ToString();
  EXPECT_TRUE(signals->Blocks(1));
  EXPECT_FALSE(signals->Blocks(15));
  EXPECT_TRUE(signals->Ignores(13));  // SIGPIPE
  EXPECT_FALSE(signals->Ignores(15));
  EXPECT_TRUE(signals->Catches(15));  // SIGTERM
  EXPECT_FALSE(signals->Catches(13));
  EXPECT_EQ(signals->innermost_pid, 1);
  const std::string masks = "SigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\n";
  EXPECT_EQ(ParseProcessSignals(masks)->innermost_pid, std::nullopt);
  for (const std::string& bad : std::vector<std::string>{
           "", "SigIgn:\t0\nSigCgt:\t0\n", "SigBlk:\t0\nSigIgn:\t0\n",
           "SigBlk:\t0\nSigIgn:\tx\nSigCgt:\t0\n", "NSpid:\tx\n" + masks,
           "NSpid:\t99999999999\n" + masks}) {
    EXPECT_EQ(ParseProcessSignals(bad).status().code(), Code::kDataLoss) << bad;
  }
}

TEST(ParseProcessStatusTest, RefusesAnotherUnit) {
  EXPECT_THAT(ParseProcessStatus("VmRSS:\t64 MB\n"),
              StatusIs(Code::kDataLoss, HasSubstr("VmRSS")));
  EXPECT_THAT(ParseProcessStatus("Threads:\tmany\n"),
              StatusIs(Code::kDataLoss, HasSubstr("Threads")));
}

TEST(ParseProcessStatusTest, ReadsThisMachine) {
  const auto text = ReadFile("/proc/self/status");
  ASSERT_THAT(text, IsOk());
  const auto s = ParseProcessStatus(*text);
  ASSERT_THAT(s, IsOk());
  EXPECT_GT(s->resident_bytes.value_or(0), 100'000u);
  EXPECT_GE(s->threads.value_or(0), 1u);
  EXPECT_TRUE(s->main_thread_voluntary_switches.has_value());
}

TEST(ParseProcessIoTest, NeedsEveryLine) {
  const std::string text =
      "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\n"
      "cancelled_write_bytes: 7\n";
  const auto io = ParseProcessIo(text);
  ASSERT_THAT(io, IsOk());
  EXPECT_EQ(io->read_chars_bytes, 1u);
  EXPECT_EQ(io->write_syscalls, 4u);
  EXPECT_EQ(io->write_storage_bytes, 6u);
  EXPECT_EQ(io->cancelled_write_bytes, 7u);
  EXPECT_THAT(ParseProcessIo(text.substr(0, 40)),
              StatusIs(Code::kDataLoss, HasSubstr("read_bytes")));
  EXPECT_THAT(ParseProcessIo(*ReadFile("/proc/self/io")), IsOk());
}

TEST(ParseMaxOpenFilesTest, TakesTheSoftLimit) {
  EXPECT_THAT(ParseMaxOpenFiles(
                  "Limit                     Soft Limit  Hard Limit  Units\n"
                  "Max open files            1024        524288      files\n"),
              IsOkAndHolds(std::optional<std::uint64_t>(1024)));
  EXPECT_THAT(ParseMaxOpenFiles("Max open files   unlimited unlimited files\n"),
              IsOkAndHolds(std::optional<std::uint64_t>()));
  EXPECT_FALSE(ParseMaxOpenFiles("Max processes 1 1 processes\n").ok());
  EXPECT_THAT(ParseMaxOpenFiles(*ReadFile("/proc/self/limits")), IsOk());
}

TEST(ParseBootTimeTest, FindsItsLine) {
  EXPECT_THAT(ParseBootTime("cpu  1 2 3\nbtime 1790000000\nprocesses 5\n"),
              IsOkAndHolds(1790000000u));
  EXPECT_FALSE(ParseBootTime("cpu 1\n").ok());
  EXPECT_FALSE(ParseBootTime("btime 99999999999999\n").ok());
  const UnixTime t = StartTime(1790000000, 250);
  EXPECT_EQ(ToUnixMillis(t),
            1790000000'000 +
                static_cast<std::int64_t>(250'000 / ClockTicksPerSecond()));
}

TEST(ParseUptimeTest, TakesTheFirstWord) {
  EXPECT_THAT(ParseUptimeSeconds("350.25 600.00\n"), IsOkAndHolds(350.25));
  EXPECT_FALSE(ParseUptimeSeconds("").ok());
  EXPECT_FALSE(ParseUptimeSeconds("nan 1").ok());
  const auto self = ReadProcessStat(kProcRoot, ::getpid());
  const auto uptime = ReadUptimeSeconds(kProcRoot);
  ASSERT_THAT(uptime, IsOk());
  EXPECT_GE(*uptime + 0.02, static_cast<double>(self->start_ticks) /
                                static_cast<double>(ClockTicksPerSecond()));
}

constexpr std::string_view kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
    "retrnsmt"
    "   uid  timeout inode\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 "
    "00000000"
    "  1000        0 4711 1 000000005457a88d 100 0 0 10 0\n"
    "   1: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 "
    "00000000"
    "     0        0 137 1 000000005457a88d 100 0 0 10 0\n"
    "   2: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 "
    "00000000"
    "     0        0 140 1 000000005457a88d 100 0 0 10 0\n";

TEST(ParseListeningSocketsTest, TakesThoseThatListen) {
  std::vector<ListeningSocket> sockets;
  EXPECT_FALSE(ParseListeningSockets(kTcp, false, &sockets));
  ASSERT_THAT(sockets, SizeIs(2));
  EXPECT_EQ(sockets[0].port, 8080);
  EXPECT_TRUE(sockets[0].is_loopback);
  EXPECT_EQ(sockets[0].inode, 4711u);
  EXPECT_EQ(sockets[1].port, 2024);
  EXPECT_FALSE(sockets[1].is_loopback);
  sockets.clear();
  EXPECT_TRUE(ParseListeningSockets(
      "   0: 00000000000000000000000001000000:1F90 "
      "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
      "00000000  0  0 42 1 0 100 0 0 10 0\n",
      true, &sockets));
  ASSERT_THAT(sockets, SizeIs(1));
  EXPECT_TRUE(sockets[0].is_ipv6 && sockets[0].is_loopback);
}

TEST(ParseListeningSocketsTest, PassesOverWhatItDoesNotUnderstand) {
  std::vector<ListeningSocket> sockets;
  EXPECT_TRUE(ParseListeningSockets(
      "garbage\n 0: 7F:1 0 0A\n 1: 0100007F:FFFFF 0:0 0A 0 0 0 0 0 5 1\n"
      " 2: 0100007F:zz 0:0 0A 0 0 0 0 0 5 1\n\n",
      false, &sockets));
  EXPECT_THAT(sockets, IsEmpty());
}

TEST(ReadListeningSocketsTest, ReadsPastOnePiece) {
  TempDirectory dir;
  ASSERT_THAT(MakeDirectories(dir.File("net")), IsOk());
  std::string text(kTcp.substr(0, kTcp.find('\n') + 1));
  for (int i = 0; i < 1000; ++i) {
    text += StrCat("   ", i,
                   ": 0100007F:1F90 00000000:0000 0A 00000000:00000000 "
                   "00:00000000 00000000  1000        0 ",
                   i + 1, " 1 0 100 0 0 10 0\n");
  }
  ASSERT_THAT(WriteFileAtomically(dir.File("net/tcp"), text), IsOk());
  const auto sockets = ReadListeningSockets(dir.path());
  ASSERT_THAT(sockets, IsOkAndHolds(SizeIs(1000)));
  EXPECT_EQ(sockets->back().inode, 1000u);
  EXPECT_THAT(ReadListeningSockets(dir.File("none")),
              StatusIs(Code::kNotFound, HasSubstr("net/tcp")));
}

TEST(ReadListeningSocketsTest, LeadsFromAPortToItsOwner) {
  for (const int family : {AF_INET, AF_INET6}) {
    UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.ok() && family == AF_INET6) continue;
    ASSERT_TRUE(fd.ok());
    sockaddr_in6 address{};
    address.sin6_family = static_cast<sa_family_t>(family);
    socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof address;
    if (family == AF_INET6) address.sin6_addr = in6addr_loopback;
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length),
              0);
    ASSERT_EQ(::listen(fd.get(), 1), 0);
    ASSERT_EQ(
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length),
        0);
    const std::uint16_t port = ntohs(address.sin6_port);
    const auto sockets = ReadListeningSockets(kProcRoot);
    ASSERT_THAT(sockets, IsOk());
    std::vector<std::uint64_t> inodes;
    for (const ListeningSocket& s : *sockets) {
      if (s.port == port) inodes.push_back(s.inode);
    }
    struct stat st {};
    ASSERT_EQ(::fstat(fd.get(), &st), 0);
    EXPECT_THAT(inodes, ElementsAre(st.st_ino));
    EXPECT_THAT(OwnsAnySocket(kProcRoot, ::getpid(), inodes),
                IsOkAndHolds(true));
    EXPECT_THAT(OwnsAnySocket(kProcRoot, ::getpid(), {1}), IsOkAndHolds(false));
  }
  EXPECT_THAT(OwnsAnySocket(kProcRoot, 0x7ffffffe, {1}),
              StatusIs(Code::kNotFound, HasSubstr("fd")));
}

TEST(ParseSocketLinkTest, TakesSocketsOnly) {
  EXPECT_EQ(ParseSocketLink("socket:[4711]"), 4711u);
  EXPECT_EQ(ParseSocketLink("pipe:[4711]"), std::nullopt);
  EXPECT_EQ(ParseSocketLink("socket:[47"), std::nullopt);
  EXPECT_EQ(ParseSocketLink("socket:[]"), std::nullopt);
}

}  // namespace
}  // namespace fodc
