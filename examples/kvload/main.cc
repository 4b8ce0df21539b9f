// SPDX-License-Identifier: Apache-2.0
// kvload: load on a kvnode, and a ledger of what it acknowledged.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "examples/kvload/client.h"
#include "examples/kvload/ledger.h"
#include "examples/kvload/loads.h"
#include "examples/kvload/verify.h"
#include "fodc/base/strings.h"
#include "fodc/program/flags.h"
#include "fodc/program/version.h"

namespace kvload {
namespace {

using fodc::Status;
using fodc::StrCat;

struct Modes {
  bool write_burst = false;
  bool ramp = false;
  bool spike = false;
  bool hot_reader = false;
  bool scan = false;
  bool verify = false;
};

void DeclareFlags(fodc::program::Flags* flags, Modes* m, LoadOptions* o) {
  flags->Bool("write-burst", &m->write_burst,
              "puts, deletes and appends, as fast as --rate says");
  flags->Bool("ramp", &m->ramp, "the same, from 0 to --rate");
  flags->Bool("spike", &m->spike,
              "puts of --value-bytes that are held one byte before their end, "
              "--hold-bytes in all");
  flags->Bool("hot-reader", &m->hot_reader,
              "reads of --stream in a tight loop");
  flags->Bool("scan", &m->scan, "scans of all keys");
  flags->Bool("verify", &m->verify,
              "compare the node with --ledger; exit 1 if something is lost");
  flags->Int("port", &o->port, "of the node, on this machine")
      .AtLeast(1)
      .AtMost(65535);
  flags->String("from", &o->from,
                "address of 127.0.0.0/8 that the load comes from: another one "
                "is another client to the node");
  flags->Int("connections", &o->connections, "a thread each")
      .AtLeast(1)
      .AtMost(4096);
  flags->Duration("duration", &o->duration, "how long it runs")
      .AtLeast(std::chrono::milliseconds(1))
      .AtMost(std::chrono::hours(1));
  flags->Int("count", &o->count, "requests at most (0: as time allows)")
      .AtLeast(0);
  flags
      ->Float("rate", &o->rate,
              "requests a second in all (0: as fast as they are answered)")
      .AtLeast(0)
      .AtMost(1e6);
  flags->Duration("timeout", &o->timeout, "for a node that stands still")
      .AtLeast(std::chrono::milliseconds(1));
  flags->String("ledger", &o->ledger,
                "file of what was asked and acknowledged; goes on behind what "
                "it holds");
  flags->Bytes("value-bytes", &o->value_bytes, "of a put or an append")
      .AtLeast(1)
      .AtMost(1 << 30);
  flags->Int("keys", &o->keys, "of each connection").AtLeast(1);
  flags->Int("delete-percent", &o->delete_percent, "of writes")
      .AtLeast(0)
      .AtMost(100);
  flags->Int("append-percent", &o->append_percent, "of writes")
      .AtLeast(0)
      .AtMost(100);
  flags->String("stream", &o->stream, "for --hot-reader").NotEmpty();
  flags->Bool("whole", &o->whole,
              "--hot-reader reads from the beginning each time, not what is "
              "new");
  flags->Int("entries", &o->entries, "appended to --stream beforehand")
      .AtLeast(0);
  flags->Bytes("hold-bytes", &o->hold_bytes, "of --spike, all together")
      .AtLeast(1);
  flags->Bytes("hold-rate", &o->hold_rate, "bytes a second of --spike")
      .AtLeast(1024);
  flags->CheckAll([m, o]() -> Status {
    const int modes = m->write_burst + m->ramp + m->spike + m->hot_reader +
                      m->scan + m->verify;
    if (modes != 1) {
      return fodc::InvalidArgument(
          "say one of --write-burst, --ramp, --spike, --hot-reader, --scan, "
          "--verify");
    }
    if (m->ramp && o->rate <= 0) {
      return fodc::InvalidArgument("--ramp needs --rate");
    }
    if (m->verify && o->ledger.empty()) {
      return fodc::InvalidArgument("--verify needs --ledger");
    }
    return fodc::OkStatus();
  });
}

// 0: as the ledger says.
fodc::Result<int> RunVerify(const LoadOptions& options) {
  FODC_ASSIGN_OR_RETURN(const Expectation expected, ReadLedger(options.ledger));
  Client client(options);
  FODC_ASSIGN_OR_RETURN(const VerifyReport report, Verify(expected, &client));
  (void)std::puts(
      StrCat("{\"verify\":\"",
             report.lost + report.wrong == 0 ? "as acknowledged"
                                             : "not as acknowledged",
             "\",\"acknowledged\":", expected.acknowledged, ",\"keys\":",
             report.keys, ",\"stream_entries\":", report.stream_entries,
             ",\"lost\":", report.lost, ",\"wrong\":", report.wrong, "}")
          .c_str());
  for (const std::string& example : report.examples) {
    (void)std::fputs(("kvload: " + example + "\n").c_str(), stderr);
  }
  return report.lost + report.wrong == 0 ? 0 : 1;
}

fodc::Result<int> RunMode(const Modes& m, const LoadOptions& options) {
  if (m.verify) return RunVerify(options);
  Status status;
  if (m.write_burst || m.ramp) status = RunWrites(options, m.ramp);
  if (m.spike) status = RunSpike(options);
  if (m.hot_reader) status = RunHotReader(options);
  if (m.scan) status = RunScan(options);
  if (!status.ok()) return status;
  return 0;
}

int Main(int argc, char** argv) {
  Modes modes;
  LoadOptions options;
  fodc::program::Flags flags("kvload",
                             "Makes load on a kvnode of this machine, for a "
                             "bounded time, and keeps a ledger of what it "
                             "acknowledged.",
                             fodc::program::Version(), "KVLOAD_");
  DeclareFlags(&flags, &modes, &options);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  // `kvload verify` as well as `kvload --verify`.
  if (argc > 1 && !arguments[0].starts_with('-')) arguments[0].insert(0, "--");
  const fodc::program::ParseOutcome parsed = flags.Parse(arguments);
  (void)std::fputs(parsed.out.c_str(), stdout);
  (void)std::fputs(parsed.error.c_str(), stderr);
  if (!parsed.run) return parsed.exit_code;
  const fodc::Result<int> code = RunMode(modes, options);
  if (code.ok()) return *code;
  (void)std::fputs(StrCat("kvload: ", code.status().message(), "\n").c_str(),
                   stderr);
  return 1;
}

}  // namespace
}  // namespace kvload

int main(int argc, char** argv) { return kvload::Main(argc, argv); }
