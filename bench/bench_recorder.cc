// SPDX-License-Identifier: Apache-2.0
// What a sample costs in a recording: bytes, sealing, reading. Appends the
// recorded pages at their own times, each server as one agent's recording.
//
// --check: exit code 1 if a floor is missed.
#include <time.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_util.h"
#include "bench/gorilla.h"
#include "fodc/recorder/chunk.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/recording_file.h"
#include "tests/support/frames.h"
#include "tests/support/page_feeder.h"

namespace fodc::bench {
namespace {

using recorder::Recording;

// What a row costs besides its payload where it is stored or sent: sequence,
// source and times as small numbers, and the frame around them.
constexpr std::size_t kRowOverheadBytes = 12;

// One server's pages, and all that they come to.
struct Server {
  std::string name;
  std::unique_ptr<Recording> recording;
  std::vector<recorder::RowEntry> rows;
  std::size_t samples = 0;
  std::size_t series = 0;
  std::size_t frames = 0;
  recorder::RecordingStats window;
  std::size_t file_bytes = 0;
  std::size_t row_bytes = 0;
  std::size_t gorilla_bytes = 0;
};

Server Load(std::string_view name) {
  const auto pages = test::Recording::Load(test::RecordingPath(name));
  FODC_CHECK(pages.ok());
  Server s;
  s.name = name;
  s.recording = std::make_unique<Recording>(1, recorder::RecordingOptions());
  test::PageFeeder feeder(s.recording.get(), name);
  Recording::Defined defined;
  recorder::LogPosition position;
  for (const test::Frame& f : pages->frames()) {
    if (f.http_status != 200) continue;
    feeder.Read(f.body);
    feeder.Append({f.unix_ms, f.unix_ms});
    s.samples += feeder.reader().values().size();
    ++s.frames;
    position = s.recording->ReadLog(
        position, &defined, [&](const recorder::LogEntry& e) {
          if (const auto* row = std::get_if<recorder::RowEntry>(&e)) {
            s.row_bytes += row->payload.size() + kRowOverheadBytes;
            s.rows.push_back(*row);
          }
          return true;
        });
  }
  s.window = s.recording->stats();
  s.recording->Take().ReadSeries(
      {}, nullptr, [&](const recorder::SeriesView&, auto, auto values) {
        ++s.series;
        s.gorilla_bytes += (GorillaValueBits(values) + 7) / 8;
        return true;
      });
  s.recording->Seal();
  s.file_bytes = recorder::EncodeRecordingFile(s.recording->Take(), {}).size();
  return s;
}

// Sealing and decoding, over whole stretches of all servers.
struct Stretch {
  std::vector<recorder::SealRow> rows;
  std::shared_ptr<const recorder::Chunk> chunk;
};

std::vector<Stretch> StretchesOf(const std::vector<Server>& servers) {
  std::vector<Stretch> all;
  for (const Server& s : servers) {
    recorder::Sequence stretch = 0;
    for (const recorder::RowEntry& r : s.rows) {
      if (r.stretch != stretch) all.emplace_back();
      stretch = r.stretch;
      all.back().rows.push_back({r.source, r.name.sequence, r.time, r.payload});
    }
  }
  for (Stretch& s : all) {
    auto chunk = recorder::Chunk::Parse(*recorder::SealChunk(1, s.rows));
    FODC_CHECK(chunk.ok());
    s.chunk = *std::move(chunk);
  }
  return all;
}

// Processor time of this thread: what else runs on the machine does not count.
template <typename Work>
double CpuSeconds(const Work& work) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) +
           static_cast<double>(t.tv_nsec) * 1e-9;
  };
  const double start = now();
  work();
  return now() - start;
}

double DecodeAll(const std::vector<Stretch>& stretches) {
  double sum = 0;
  std::vector<double> column(recorder::kMaxStretchRows);
  for (const Stretch& s : stretches) {
    const auto section = s.chunk->Open(0);
    FODC_CHECK(section.ok());
    recorder::ColumnDecoder::Cache cache;
    for (recorder::Slot slot = 0; slot < (*section)->slots(); ++slot) {
      (*section)->Decode(slot, column.data(), &cache);
      sum += column[0];
    }
  }
  return sum;
}

int Run(int argc, char** argv) {
  Reporter report("bench_recorder");
  const bool check = HasFlag(argc, argv, "--check");
  PinToOneCore();
  std::vector<Server> servers;
  for (const std::string_view name : test::kRecordingNames) {
    servers.push_back(Load(name));
  }
  Server common;
  std::size_t rings = 0;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const Server& s = servers[i];
    const auto per_sample = [&s](std::size_t bytes) {
      return static_cast<double>(bytes) / static_cast<double>(s.samples);
    };
    report.Report(s.name + ", sealed, all included", per_sample(s.file_bytes),
                  "B/sample");
    report.Report(s.name + ", open rows", per_sample(s.row_bytes), "B/sample");
    report.Report(s.name + ", Gorilla values", per_sample(s.gorilla_bytes),
                  "B/sample");
    report.Report(s.name + ", window memory",
                  static_cast<double>(s.window.bytes), "B");
    if (i >= test::kCommonRecordings) continue;
    common.samples += s.samples;
    common.file_bytes += s.file_bytes;
    common.row_bytes += s.row_bytes;
    common.gorilla_bytes += s.gorilla_bytes;
    common.window.bytes += s.window.bytes;
    common.window.sealed_bytes += s.window.sealed_bytes;
    common.window.open_bytes += s.window.open_bytes;
    common.window.index_bytes += s.window.index_bytes;
    rings += s.series * s.frames * sizeof(double);
  }
  const auto per_sample = [&](std::size_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(common.samples);
  };
  report.Report("common set, raw float64", 8, "B/sample");
  report.Report("common set, Gorilla values", per_sample(common.gorilla_bytes),
                "B/sample");
  report.Report("common set, open rows, all included",
                per_sample(common.row_bytes), "B/sample");
  report.Report("common set, sealed, all included",
                per_sample(common.file_bytes), "B/sample", 0.235,
                Reporter::Floor::kAtMost);
  report.Report("common set, window sealed",
                static_cast<double>(common.window.sealed_bytes), "B");
  report.Report("common set, window open",
                static_cast<double>(common.window.open_bytes), "B");
  report.Report("common set, window index",
                static_cast<double>(common.window.index_bytes), "B");
  report.Report("common set, raw rings", static_cast<double>(rings), "B");
  report.Report("common set, window memory",
                static_cast<double>(common.window.bytes), "B",
                static_cast<double>(rings) / 10, Reporter::Floor::kAtMost);

  servers.resize(test::kCommonRecordings);
  const std::vector<Stretch> stretches = StretchesOf(servers);
  std::vector<double> seal;
  std::vector<double> decode;
  double sum = 0;
  for (int round = 0; round < 15; ++round) {
    seal.push_back(CpuSeconds([&] {
      for (const Stretch& s : stretches) {
        FODC_CHECK(recorder::SealChunk(1, s.rows).ok());
      }
    }));
    decode.push_back(CpuSeconds([&] { sum += DecodeAll(stretches); }));
  }
  const auto samples = static_cast<double>(common.samples);
  report.Report("seal", samples / Median(seal) / 1e6, "M samples/s", 60);
  report.Report("full decode", samples / Median(decode) / 1e6, "M samples/s",
                300);
  return report.ExitCode(check) + (sum == 0.5 ? 2 : 0);
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Run(argc, argv); }
