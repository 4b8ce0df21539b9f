// SPDX-License-Identifier: Apache-2.0
// Reading exposition pages: a plain parser, our full parse, and a steady
// scrape, over recorded pages held in memory. What is timed is what ships:
// UTF-8 and duplicate checks and layout changes are in.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/exposition/page_reader.h"
#include "tests/support/allocation_count.h"
#include "tests/support/frames.h"

namespace fodc {
namespace {

using exposition::Format;
using exposition::PageBuffer;
using exposition::PageReader;
using test::Recording;

// What a run found, to compare runs with: samples, and a sum over the bits of
// all values.
struct Findings {
  std::uint64_t samples = 0;
  std::uint64_t value_bits = 0;
  friend bool operator==(const Findings&, const Findings&) = default;

  void Add(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    // Weighted by place, so that swapped values show.
    value_bits += bits * (2 * samples++ + 1);
  }
};

struct Page {
  Page(std::size_t r, std::string_view b) : recording(r), bytes(b) {}
  std::size_t recording;
  std::string_view bytes;
};

std::uint64_t NewlinesOf(std::string_view page) {
  std::uint64_t lines = 0;
  const char* p = page.data();
  const char* end = p + page.size();
  while ((p = static_cast<const char*>(std::memchr(
              p, '\n', static_cast<std::size_t>(end - p)))) != nullptr) {
    ++lines;
    ++p;
  }
  return lines;
}

// What each page took in each round. The sum of the medians per page: a page
// takes some ten microseconds, so that what else runs on the machine falls on
// few of them.
class PageTimes {
 public:
  explicit PageTimes(std::size_t pages) : seconds_(pages) {}

  template <typename Work>
  void Time(std::size_t page, const Work& work) {
    seconds_[page].push_back(bench::TimeSeconds(work));
  }

  double Sum() const {
    double sum = 0;
    for (const auto& rounds : seconds_) sum += bench::Median(rounds);
    return sum;
  }

 private:
  std::vector<std::vector<double>> seconds_;
};

// The baseline: a plain parser as one writes it first. Each sample gets its
// canonical key, as a recorder needs it; duplicates are not looked for.
class PlainParser {
 public:
  // Values of the page in order.
  void Parse(std::string_view page, std::vector<double>* values) {
    values->clear();
    std::string key;
    std::istringstream in{std::string(page)};
    std::string line;
    while (std::getline(in, line)) {
      if (line.empty() || line[0] == '#') continue;
      std::map<std::string, std::string> labels;
      std::size_t at = 0;
      while (at < line.size() && line[at] != '{' && line[at] != ' ') ++at;
      if (at == line.size()) continue;
      key.assign(line, 0, at);
      if (line[at] == '{') {
        ++at;
        while (at < line.size() && line[at] != '}') {
          const std::size_t equals = line.find('=', at);
          if (equals == std::string::npos) break;
          std::string name = line.substr(at, equals - at);
          at = equals + 2;
          std::size_t end = std::min(line.find('"', at), line.size());
          std::string value = line.substr(at, end - at);
          if (value.find('\\') != std::string::npos) {
            value.clear();
            for (end = at; end < line.size() && line[end] != '"'; ++end) {
              if (line[end] == '\\' && end + 1 < line.size()) {
                ++end;
                value += line[end] == 'n' ? '\n' : line[end];
              } else {
                value += line[end];
              }
            }
          }
          at = end;
          ++at;
          labels[std::move(name)] = std::move(value);
          while (at < line.size() && (line[at] == ',' || line[at] == ' ')) ++at;
        }
        ++at;
      }
      key += '{';
      for (const auto& [name, value] : labels) {
        key += name;
        key += "=\"";
        key += value;
        key += "\",";
      }
      key += '}';
      key_bytes_ += key.size();
      values->push_back(std::strtod(line.c_str() + at, nullptr));
    }
  }

 private:
  std::size_t key_bytes_ = 0;  // keeps the keys from being optimised away
};

class Bench {
 public:
  Bench(std::string_view set, std::vector<Page> pages, std::size_t recordings)
      : set_(set), pages_(std::move(pages)), recordings_(recordings) {
    for (const Page& page : pages_) bytes_ += page.bytes.size();
  }

  bool Run(bench::Reporter* reporter, int rounds) {
    PageTimes newline_s(pages_.size());
    PageTimes plain_s(pages_.size());
    PageTimes full_s(pages_.size());
    PageTimes steady_s(pages_.size());
    Findings plain;
    Findings full;
    std::uint64_t lines = 0;
    for (int round = 0; round < rounds; ++round) {
      // All four read some pages and then the next: the machine has fast
      // seconds and slow ones, and each gets as many of both.
      constexpr std::size_t kBatch = 50;
      Findings steady;
      plain = full = steady;
      lines = 0;
      std::vector<PageReader> readers(recordings_);
      for (std::size_t from = 0; from < pages_.size(); from += kBatch) {
        const Batch batch{from, std::min(from + kBatch, pages_.size())};
        lines += CountNewlines(batch, &newline_s);
        ReadPlain(batch, &plain, &plain_s);
        ReadFull(batch, &full, &full_s);
        ReadSteady(batch, &readers, &steady, &steady_s);
      }
      if (!(full == steady) || !(plain == full)) {
        (void)std::fprintf(stderr, "%s: the readers disagree\n", set_.c_str());
        return false;
      }
    }
    const double gb = static_cast<double>(bytes_) / 1e9;
    const double newline = gb / newline_s.Sum();
    const double scale = newline / bench::kReferenceNewlineGbPerSecond;
    const double plain_rate = gb / plain_s.Sum();
    const double full_rate = gb / full_s.Sum();
    const double steady_rate = gb / steady_s.Sum();
    const auto samples = static_cast<double>(full.samples);
    const auto name = [this](std::string_view what) {
      return set_ + "." + std::string(what);
    };
    reporter->Report(name("text"), gb * 1e3, "MB");
    reporter->Report(name("lines"), static_cast<double>(lines), "lines");
    reporter->Report(name("samples"), samples, "samples");
    reporter->Report(name("newline_count"), newline, "GB/s");
    reporter->Report(name("plain_parse"), plain_rate, "GB/s", newline / 40);
    reporter->Report(name("full_parse"), full_rate, "GB/s", 1.2 * scale);
    reporter->Report(name("full_parse_over_plain"), full_rate / plain_rate,
                     "times", 9);
    reporter->Report(name("full_parse_per_sample"),
                     full_s.Sum() / samples * 1e9, "ns");
    reporter->Report(name("steady_scrape"), steady_rate, "GB/s", 3 * scale);
    reporter->Report(name("steady_scrape_over_full"), steady_rate / full_rate,
                     "times", 2);
    reporter->Report(name("steady_scrape_per_sample"),
                     steady_s.Sum() / samples * 1e9, "ns");
    reporter->Report(name("steady_scrape_allocations"),
                     CountSteadyAllocations(), "allocations/scrape", 0,
                     bench::Reporter::Floor::kAtMost);
    return true;
  }

 private:
  struct Batch {
    std::size_t begin;
    std::size_t end;
  };

  // Of the pages where they are held, beyond the caches.
  std::uint64_t CountNewlines(Batch batch, PageTimes* times) {
    std::uint64_t lines = 0;
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
      times->Time(i, [&] { lines += NewlinesOf(pages_[i].bytes); });
    }
    return lines;
  }

  void ReadPlain(Batch batch, Findings* findings, PageTimes* times) {
    std::vector<double> values;
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
      Fill(pages_[i], &buffer_);
      times->Time(i, [&] { plain_.Parse(buffer_.bytes(), &values); });
      for (const double value : values) findings->Add(value);
    }
  }

  // Each page as the first one of its endpoint: nothing is known.
  void ReadFull(Batch batch, Findings* findings, PageTimes* times) {
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
      full_.Forget();
      Fill(pages_[i], &buffer_);
      times->Time(i, [&] { full_.Read(Format::kText, &buffer_); });
      for (const double value : full_.values()) findings->Add(value);
    }
  }

  // Each recording scraped by its own reader. Inserted lines are described, as
  // a recorder needs them.
  void ReadSteady(Batch batch, std::vector<PageReader>* readers,
                  Findings* findings, PageTimes* times) {
    for (std::size_t i = batch.begin; i < batch.end; ++i) {
      PageReader& reader = (*readers)[pages_[i].recording];
      Fill(pages_[i], &buffer_);
      times->Time(i, [&] {
        reader.Read(Format::kText, &buffer_);
        DescribeInserted(&reader);
      });
      for (const double value : reader.values()) findings->Add(value);
    }
  }

  void DescribeInserted(PageReader* reader) {
    std::uint32_t line = 0;
    for (const auto& edit : reader->edits()) {
      if (edit.kind == exposition::LineEdit::Kind::kRemove) continue;
      if (edit.kind == exposition::LineEdit::Kind::kInsert) {
        for (std::uint32_t i = 0; i < edit.count; ++i) {
          described_ += reader->Describe(line + i).labels.size();
        }
      }
      line += edit.count;
    }
  }

  // Of scrapes whose layout is that of the one before, with memory warm.
  double CountSteadyAllocations() {
    std::vector<PageReader> readers(recordings_);
    std::vector<PageBuffer> buffers(recordings_);
    std::uint64_t allocations = 0;
    std::uint64_t scrapes = 0;
    for (int round = 0; round < 2; ++round) {
      for (const Page& page : pages_) {
        PageReader& reader = readers[page.recording];
        PageBuffer& buffer = buffers[page.recording];
        const std::uint64_t before = test::AllocationCount();
        Fill(page, &buffer);
        reader.Read(Format::kText, &buffer);
        const std::uint64_t made = test::AllocationCount() - before;
        if (round == 1 && reader.edits().empty()) {
          allocations += made;
          ++scrapes;
        }
      }
    }
    return static_cast<double>(allocations) / static_cast<double>(scrapes);
  }

  static void Fill(const Page& page, PageBuffer* buffer) {
    buffer->Clear();
    if (!buffer->Append(page.bytes).ok()) std::abort();
  }

  std::string set_;
  std::vector<Page> pages_;
  std::size_t recordings_;
  std::size_t bytes_ = 0;
  std::size_t described_ = 0;
  PlainParser plain_;
  PageReader full_;
  PageBuffer buffer_;
};

int Main(int argc, char** argv) {
  bench::PinToOneCore();
  std::vector<std::unique_ptr<Recording>> recordings;
  std::vector<Page> common;
  std::vector<Page> all;
  for (const std::string_view name : test::kRecordingNames) {
    auto recording = Recording::Load(test::RecordingPath(name));
    if (!recording.ok()) {
      (void)std::fprintf(stderr, "%s\n", recording.status().ToString().c_str());
      return 2;
    }
    const std::size_t index = recordings.size();
    recordings.push_back(std::make_unique<Recording>(*std::move(recording)));
    for (const auto& frame : recordings.back()->frames()) {
      if (frame.http_status != 200) continue;
      all.emplace_back(index, frame.body);
      if (index < test::kCommonRecordings) {
        common.emplace_back(index, frame.body);
      }
    }
  }
  bench::Reporter reporter("bench_exposition");
  constexpr int kRounds = 9;
  if (!Bench("common", common, recordings.size()).Run(&reporter, kRounds) ||
      !Bench("all", all, recordings.size()).Run(&reporter, kRounds)) {
    return 2;
  }
  return reporter.ExitCode(bench::HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc

int main(int argc, char** argv) { return fodc::Main(argc, argv); }
