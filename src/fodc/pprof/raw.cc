// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/raw.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/pprof/frame_filter.h"

namespace fodc::pprof {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

class RawWriter {
 public:
  RawWriter(const Profile& profile, const Sink& sink)
      : p_(profile),
        sink_(sink),
        filter_(profile),
        reader_(profile),
        location_numbers_(profile.locations().size(), 0),
        mapping_numbers_(profile.mappings().size(), 0) {}

  Status Write() {
    WriteHead();
    if (!p_.mappings().empty()) Number(0, &mapping_numbers_, &mappings_);
    for (std::size_t i = 0; i < p_.sample_count(); ++i) {
      WriteSample(i);
      FODC_RETURN_IF_ERROR(FlushIfLarge());
    }
    out_ += "Locations\n";
    for (const std::uint32_t at : locations_) {
      FODC_RETURN_IF_ERROR(WriteLocation(at));
      FODC_RETURN_IF_ERROR(FlushIfLarge());
    }
    out_ += "Mappings\n";
    for (const std::uint32_t at : mappings_) {
      WriteMapping(at);
      FODC_RETURN_IF_ERROR(FlushIfLarge());
    }
    return Flush();
  }

 private:
  Status Flush() {
    Status status = sink_(out_);
    out_.clear();
    return status;
  }
  Status FlushIfLarge() {
    return out_.size() < kBufferBytes ? OkStatus() : Flush();
  }

  // The number of a thing, which gets one if it has none.
  static std::uint32_t Number(std::uint32_t at,
                              std::vector<std::uint32_t>* numbers,
                              std::vector<std::uint32_t>* order) {
    if ((*numbers)[at] == 0) {
      order->push_back(at);
      (*numbers)[at] = static_cast<std::uint32_t>(order->size());
    }
    return (*numbers)[at];
  }

  template <typename T>
  void Put(T value, std::size_t width = 0, int base = 10) {
    std::array<char, 24> digits;
    const auto [end, error] = std::to_chars(
        digits.data(), digits.data() + digits.size(), value, base);
    const auto size = static_cast<std::size_t>(end - digits.data());
    if (size < width) out_.append(width - size, ' ');
    out_.append(digits.data(), size);
  }
  void PutHex(std::uint64_t value) {
    out_ += "0x";
    Put(value, 0, 16);
  }
  void PutText(std::uint32_t text) {
    for (const char c : p_.Text(text).substr(0, kMaxRawNameBytes)) {
      const auto byte = static_cast<unsigned char>(c);
      out_ += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
  }

  void WriteHead() {
    for (const std::uint32_t comment : p_.comments()) {
      out_ += "Comment: ";
      PutText(comment);
      out_ += '\n';
    }
    out_ += "PeriodType: ";
    PutText(p_.period_type().type);
    out_ += ' ';
    PutText(p_.period_type().unit);
    out_ += "\nPeriod: ";
    Put(p_.period());
    if (p_.time_ns() != 0) {
      std::string time =
          FormatRfc3339(UnixTime(std::chrono::nanoseconds(p_.time_ns())), 9);
      std::replace(time.begin(), time.end(), 'T', ' ');
      time.pop_back();  // Z
      time.erase(time.find_last_not_of('0') + 1);
      if (time.ends_with('.')) time.pop_back();
      out_ += StrCat("\nTime: ", time, " +0000 UTC");
    }
    if (p_.duration_ns() != 0) {
      out_ +=
          StrCat("\nDuration: ",
                 FormatGoDuration(std::chrono::nanoseconds(p_.duration_ns())));
    }
    out_ += "\nSamples:\n";
    bool is_first = true;
    for (const Profile::ValueType& t : p_.sample_types()) {
      if (!std::exchange(is_first, false)) out_ += ' ';
      PutText(t.type);
      out_ += '/';
      PutText(t.unit);
      if (p_.Text(t.type) == p_.default_sample_type()) out_ += "[dflt]";
    }
    out_ += '\n';
  }

  void WriteSample(std::size_t i) {
    const SampleReader::Sample sample = reader_.Read(i);
    if (std::all_of(sample.values.begin(), sample.values.end(),
                    [](std::int64_t v) { return v == 0; })) {
      return;
    }
    for (const std::int64_t value : sample.values) {
      out_ += ' ';
      Put(value, 10);
    }
    out_ += ": ";
    for (const std::uint32_t at : sample.locations) {
      if (location_numbers_[at] != 0) continue;
      Number(at, &location_numbers_, &locations_);
      const std::uint32_t mapping = p_.locations()[at].mapping;
      if (mapping != Profile::kNone) {
        Number(mapping, &mapping_numbers_, &mappings_);
      }
    }
    for (const std::uint32_t at : filter_.Keep(sample.locations)) {
      Put(location_numbers_[at]);
      out_ += ' ';
    }
    out_ += '\n';
    WriteLabels(i);
  }

  // Texts on one line, numbers on another, those of a key together.
  void WriteLabels(std::size_t sample) {
    std::map<std::string_view, std::vector<SampleReader::Label>> texts;
    std::map<std::string_view, std::vector<SampleReader::Label>> numbers;
    for (const SampleReader::Label& label : reader_.ReadLabels(sample)) {
      if (label.text != 0) {
        texts[p_.Text(label.key)].push_back(label);
      } else if (label.number != 0 || label.unit != 0) {
        numbers[p_.Text(label.key)].push_back(label);
      }
    }
    for (const auto* line : {&texts, &numbers}) {
      if (line->empty()) continue;
      out_.append(15, ' ');
      for (const auto& [key, labels] : *line) {
        out_ += ' ';
        PutText(labels.front().key);
        out_ += ":[";
        PutValues(labels);
        out_ += ']';
      }
      out_ += '\n';
    }
  }

  void PutValues(const std::vector<SampleReader::Label>& labels) {
    const bool has_units =
        std::any_of(labels.begin(), labels.end(),
                    [](const SampleReader::Label& l) { return l.unit != 0; });
    bool is_first = true;
    for (const SampleReader::Label& l : labels) {
      if (!std::exchange(is_first, false)) out_ += ' ';
      if (l.text != 0) {
        PutText(l.text);
        continue;
      }
      Put(l.number);
      if (!has_units) continue;
      out_ += ' ';
      PutText(l.unit);
    }
  }

  Status WriteLocation(std::uint32_t at) {
    const Profile::Location& l = p_.locations()[at];
    Put(location_numbers_[at], 6);
    out_ += ": ";
    PutHex(l.address);
    out_ += ' ';
    if (l.mapping != Profile::kNone) {
      out_ += StrCat("M=", mapping_numbers_[l.mapping], " ");
    }
    if (l.is_folded) out_ += "[F] ";
    const auto lines = filter_.Lines(at);
    if (lines.empty()) out_ += '\n';
    bool is_first = true;
    for (const Profile::Line& line : lines) {
      const Profile::Function& f = p_.functions()[line.function];
      if (!std::exchange(is_first, false)) out_.append(13, ' ');
      PutText(f.name);
      out_ += ' ';
      PutText(f.path);
      out_ += ':';
      Put(line.line);
      out_ += " s=";
      Put(f.start_line);
      if (p_.Text(f.name) != p_.Text(f.system_name)) {
        out_ += '(';
        PutText(f.system_name);
        out_ += ')';
      }
      out_ += '\n';
      FODC_RETURN_IF_ERROR(FlushIfLarge());
    }
    return OkStatus();
  }

  void WriteMapping(std::uint32_t at) {
    const Profile::Mapping& m = p_.mappings()[at];
    Put(mapping_numbers_[at]);
    out_ += ": ";
    PutHex(m.start);
    out_ += '/';
    PutHex(m.limit);
    out_ += '/';
    PutHex(m.file_offset);
    out_ += ' ';
    PutText(m.path);
    out_ += ' ';
    PutText(m.build_id);
    out_ += ' ';
    if (m.has_functions) out_ += "[FN]";
    if (m.has_filenames) out_ += "[FL]";
    if (m.has_line_numbers) out_ += "[LN]";
    if (m.has_inline_frames) out_ += "[IN]";
    out_ += '\n';
  }

  const Profile& p_;
  const Sink& sink_;
  FrameFilter filter_;
  SampleReader reader_;
  std::string out_;
  // By place in the profile, 0: none yet; and the places in their order.
  std::vector<std::uint32_t> location_numbers_;
  std::vector<std::uint32_t> mapping_numbers_;
  std::vector<std::uint32_t> locations_;
  std::vector<std::uint32_t> mappings_;
};

}  // namespace

Status WriteRaw(const Profile& profile, const Sink& sink) {
  return RawWriter(profile, sink).Write();
}

}  // namespace fodc::pprof
