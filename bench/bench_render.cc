// SPDX-License-Identifier: Apache-2.0
// The page of a fleet: the latest of 2,000 series of 1,000 nodes to text, with
// identity labels merged. Baseline: printf("%.17g") and string appends.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/api/page.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/recorder/series_pool.h"
#include "tests/support/frames.h"

namespace fodc {
namespace {

using test::Recording;

constexpr std::size_t kSeries = 2000;
constexpr std::size_t kPieceBytes = 256 * 1024;

// What one line is made of, as a plain program holds it.
struct PlainSeries {
  std::string name;
  std::map<std::string, std::string> labels;
};

struct Load {
  recorder::SeriesPool pool;
  // A few layouts, as a fleet of one kind of node has them: some have a line
  // that others lack.
  std::vector<std::shared_ptr<std::vector<recorder::SeriesRef>>> layouts;
  std::vector<std::vector<PlainSeries>> plain;  // by layout
  std::vector<double> values;                   // of the longest layout
};

bool Fill(Load* load) {
  std::vector<recorder::SeriesRef> series;
  std::vector<PlainSeries> plain;
  for (std::size_t r = 0; r < test::kCommonRecordings; ++r) {
    auto recording =
        Recording::Load(test::RecordingPath(test::kRecordingNames[r]));
    if (!recording.ok()) {
      (void)std::fprintf(stderr, "%s\n", recording.status().ToString().c_str());
      return false;
    }
    exposition::PageReader reader;
    exposition::PageBuffer page;
    if (!page.Append(recording->frames().back().body).ok()) return false;
    reader.Read(exposition::Format::kText, &page);
    for (std::uint32_t i = 0; i < reader.values().size(); ++i) {
      if (series.size() == kSeries + 7) break;
      const exposition::SeriesDesc desc = reader.Describe(i);
      series.push_back(load->pool.Intern(desc));
      load->values.push_back(reader.values()[i]);
      PlainSeries& p = plain.emplace_back();
      p.name = desc.name;
      for (const auto& label : desc.labels) {
        p.labels.emplace(label.name, label.value);
      }
    }
  }
  if (series.size() < kSeries + 7) {
    (void)std::fprintf(stderr, "the recordings have %zu series only\n",
                       series.size());
    return false;
  }
  for (std::size_t skip = 0; skip < 8; ++skip) {
    auto layout = std::make_shared<std::vector<recorder::SeriesRef>>();
    std::vector<PlainSeries> p;
    for (std::size_t i = 0; layout->size() < kSeries; ++i) {
      if (i % 280 == 3 && i / 280 < skip) continue;
      layout->push_back(series[i]);
      p.push_back(plain[i]);
    }
    load->layouts.push_back(std::move(layout));
    load->plain.push_back(std::move(p));
  }
  return true;
}

// The baseline: what one writes first. Families are in order already.
std::size_t RenderPlainly(const Load& load, std::size_t nodes) {
  std::size_t bytes = 0;
  std::string out;
  char number[40];
  for (std::size_t n = 0; n < nodes; ++n) {
    const auto& series = load.plain[n % load.plain.size()];
    const std::string pod = StrCat("node-", n);
    for (std::size_t i = 0; i < series.size(); ++i) {
      std::map<std::string, std::string_view> labels(series[i].labels.begin(),
                                                     series[i].labels.end());
      labels.emplace("pod_name", pod);
      labels.emplace("node_role", "ROLE_DATA");
      labels.emplace("node_type", "hot");
      labels.emplace("container_name", "data");
      out += series[i].name;
      out += '{';
      bool first = true;
      for (const auto& [name, value] : labels) {
        if (!first) out += ',';
        first = false;
        out += name;
        out += "=\"";
        for (const char c : value) {
          if (c == '\\' || c == '"') out += '\\';
          if (c == '\n') {
            out += "\\n";
          } else {
            out += c;
          }
        }
        out += '"';
      }
      out += "} ";
      (void)std::snprintf(number, sizeof number, "%.17g", load.values[i]);
      out += number;
      out += '\n';
      if (out.size() >= kPieceBytes) {
        bytes += out.size();
        out.clear();
      }
    }
  }
  return bytes + out.size();
}

// As RenderPlainly with the labels merged and joined beforehand: numbers and
// appends alone.
std::size_t RenderJoined(const Load& load,
                         const std::vector<std::vector<std::string>>& joined,
                         std::size_t nodes) {
  std::size_t bytes = 0;
  std::string out;
  char number[40];
  for (std::size_t n = 0; n < nodes; ++n) {
    const auto& lines = joined[n % joined.size()];
    for (std::size_t i = 0; i < lines.size(); ++i) {
      out += lines[i];
      (void)std::snprintf(number, sizeof number, "%.17g", load.values[i]);
      out += number;
      out += '\n';
      if (out.size() >= kPieceBytes) {
        bytes += out.size();
        out.clear();
      }
    }
  }
  return bytes + out.size();
}

int Run(int argc, char** argv) {
  const bool quick = bench::HasFlag(argc, argv, "--quick");
  const std::size_t nodes = quick ? 100 : 1000;
  const int rounds = quick ? 3 : 9;
  bench::PinToOneCore();
  bench::Reporter reporter("bench_render");
  Load load;
  if (!Fill(&load)) return 1;

  api::LineCache cache;
  std::vector<std::shared_ptr<const exposition::Identity>> identities;
  std::vector<std::string> slots;
  for (std::size_t n = 0; n < nodes; ++n) {
    identities.push_back(std::make_shared<const exposition::Identity>(
        "ROLE_DATA", StrCat("node-", n), "data",
        std::map<std::string, std::string>{{"type", "hot"}}));
    slots.push_back(StrCat("slot-", n));
  }
  std::vector<std::vector<std::string>> joined;
  for (const auto& plain : load.plain) {
    auto& lines = joined.emplace_back();
    for (const PlainSeries& s : plain) {
      auto& line = lines.emplace_back(s.name + "{");
      for (const auto& [name, value] : s.labels) {
        line.append(name).append("=\"").append(value).append("\",");
      }
      line +=
          "container_name=\"data\",node_role=\"ROLE_DATA\",node_type="
          "\"hot\",pod_name=\"node-000\"} ";
    }
  }

  std::vector<double> plain_s;
  std::vector<double> joined_s;
  std::vector<double> ours_s;
  std::vector<double> begin_s;
  std::size_t plain_bytes = 0;
  std::size_t our_bytes = 0;
  std::string piece;
  for (int round = 0; round < rounds; ++round) {
    if (round % 3 == 0) {
      plain_s.push_back(bench::TimeSeconds(
          [&] { plain_bytes = RenderPlainly(load, nodes); }));
    }
    joined_s.push_back(
        bench::TimeSeconds([&] { RenderJoined(load, joined, nodes); }));
    // The values are taken as the proxy takes them, one copy for each node;
    // a new list each time, as after a change of layout, would cost more.
    our_bytes = 0;
    double begin = 0;
    const double all = bench::TimeSeconds([&] {
      std::optional<api::PageText> page;
      begin = bench::TimeSeconds([&] {
        std::vector<api::PagePart> parts;
        parts.reserve(nodes);
        for (std::size_t n = 0; n < nodes; ++n) {
          api::PagePart& part = parts.emplace_back();
          part.identity = identities[n];
          part.layout = cache.Find(
              slots[n], load.layouts[n % load.layouts.size()], *identities[n]);
          part.values.assign(load.values.begin(),
                             load.values.begin() + kSeries);
        }
        page.emplace(&cache, std::move(parts));
      });
      for (bool more = true; more;) {
        piece.clear();
        more = page->Append(&piece, kPieceBytes);
        our_bytes += piece.size();
      }
    });
    if (round == 0) continue;  // the first one fills the cache
    ours_s.push_back(all);
    begin_s.push_back(begin);
  }
  const double lines = static_cast<double>(nodes * kSeries);
  const double plain = bench::Median(plain_s);
  const double ours = bench::Median(ours_s);
  reporter.Report("lines", lines, "lines");
  reporter.Report("text", static_cast<double>(our_bytes) / 1e6, "MB");
  reporter.Report("baseline_text", static_cast<double>(plain_bytes) / 1e6,
                  "MB");
  reporter.Report("baseline_per_line", plain / lines * 1e9, "ns");
  reporter.Report("baseline_joined_labels_per_line",
                  bench::Median(joined_s) / lines * 1e9, "ns");
  reporter.Report("render_per_line", ours / lines * 1e9, "ns");
  reporter.Report("render_begin", bench::Median(begin_s) * 1e3, "ms");
  reporter.Report("render_rate", static_cast<double>(our_bytes) / ours / 1e9,
                  "GB/s");
  reporter.Report("render_over_joined_labels", bench::Median(joined_s) / ours,
                  "times");
  reporter.Report("render_over_baseline", plain / ours, "times", 12);
  return reporter.ExitCode(bench::HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc

int main(int argc, char** argv) { return fodc::Run(argc, argv); }
