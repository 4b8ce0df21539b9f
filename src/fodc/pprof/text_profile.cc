// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/text_profile.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <unordered_map>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/pprof/heap_text.h"
#include "fodc/pprof/mapping.h"
#include "fodc/pprof/profile_fields.h"
#include "fodc/pprof/profile_writer.h"
#include "fodc/pprof/wire.h"

namespace fodc::pprof {
namespace {

constexpr std::string_view kCountHead = " profile: total ";
constexpr std::string_view kMappings = "MAPPED_LIBRARIES:";
constexpr std::string_view kGoMappings = "--- Memory map: ---";
constexpr std::size_t kMaxMappings = 16 * 1024;

std::string_view TakeLine(std::string_view* text) {
  const std::size_t end = std::min(text->find('\n'), text->size());
  const std::string_view line = Trim(text->substr(0, end));
  text->remove_prefix(std::min(end + 1, text->size()));
  return line;
}

bool TakeAddress(std::string_view* text, std::uint64_t* address) {
  if (!ConsumePrefix(text, "0x")) return false;
  const char* last = text->data() + text->size();
  const auto [p, error] = std::from_chars(text->data(), last, *address, 16);
  text->remove_prefix(static_cast<std::size_t>(p - text->data()));
  return error == std::errc();
}

// Those of a text, in order of address.
std::vector<Mapping> FindMappings(std::string_view text) {
  std::vector<Mapping> mappings;
  bool has_begun = false;
  while (!text.empty() && mappings.size() < kMaxMappings) {
    const std::string_view line = TakeLine(&text);
    if (line == kMappings || line == kGoMappings) has_begun = true;
    if (!has_begun) continue;
    if (const auto m = ParseMapsLine(line)) mappings.push_back(m->mapping);
  }
  std::sort(
      mappings.begin(), mappings.end(),
      [](const Mapping& a, const Mapping& b) { return a.start < b.start; });
  return mappings;
}

class MessageBuilder {
 public:
  explicit MessageBuilder(std::vector<Mapping> mappings)
      : mappings_(std::move(mappings)) {
    String("");
  }

  void ValueType(std::uint32_t field, std::string_view type,
                 std::string_view unit) {
    part_.Clear();
    part_.Uint(kValueTypeType, String(type));
    part_.Uint(kValueTypeUnit, String(unit));
    message_.Bytes(field, part_.bytes());
  }
  void Number(std::uint32_t field, std::uint64_t value) {
    message_.Uint(field, value);
  }
  void DefaultSampleType(std::string_view type) {
    message_.Uint(kProfileDefaultSampleType, String(type));
  }

  void Sample(std::span<const std::uint64_t> stack,
              std::span<const std::uint64_t> values) {
    first_new_ = locations_.size();
    part_.Clear();
    for (const std::uint64_t address : stack) {
      part_.Item(kSampleLocationId, LocationOf(CallSite(address)));
    }
    for (const std::uint64_t value : values) part_.Item(kSampleValue, value);
    message_.Bytes(kProfileSample, part_.bytes());
  }

  // "0x46f5d7<tab>main.main+0x37<tab>/src/main.go:12", of a frame of the sample
  // before. What is none names nothing.
  void Name(std::string_view comment) {
    std::uint64_t address = 0;
    if (!TakeAddress(&comment, &address)) return;
    const auto it = places_.find(address);
    if (it == places_.end() || it->second < first_new_) return;
    const std::vector<std::string_view> parts = Split(Trim(comment), '\t');
    const std::size_t plus = parts.front().rfind('+');
    if (plus == std::string_view::npos) return;
    const std::string_view source = Trim(parts.back());
    const std::size_t colon = std::min(source.rfind(':'), source.size());
    const std::uint64_t line =
        ParseUint(source.substr(std::min(colon + 1, source.size())))
            .value_or(0);
    part_.Clear();
    part_.Uint(kLineFunctionId, Function(parts.front().substr(0, plus),
                                         source.substr(0, colon)));
    part_.Uint(kLineLine, line);
    locations_[it->second].lines.Bytes(kLocationLine, part_.bytes());
  }

  std::string Finish() {
    for (std::size_t i = 0; i < mappings_.size(); ++i) {
      const Mapping& m = mappings_[i];
      part_.Clear();
      part_.Uint(kMappingId, i + 1);
      part_.Uint(kMappingStart, m.start);
      part_.Uint(kMappingLimit, m.limit);
      part_.Uint(kMappingOffset, m.file_offset);
      part_.Uint(kMappingFilename, String(m.path()));
      message_.Bytes(kProfileMapping, part_.bytes());
    }
    std::string out(message_.bytes());
    for (std::size_t i = 0; i < locations_.size(); ++i) {
      const Location& l = locations_[i];
      const Mapping* m = FindMapping(mappings_, l.address);
      part_.Clear();
      part_.Uint(kLocationId, i + 1);
      part_.Uint(kLocationAddress, l.address);
      if (m != nullptr) {
        part_.Uint(kLocationMappingId,
                   static_cast<std::uint64_t>(m - mappings_.data()) + 1);
      }
      location_.Clear();
      location_.Bytes(kProfileLocation, StrCat(part_.bytes(), l.lines.bytes()));
      out += location_.bytes();
    }
    return out;
  }

 private:
  struct Location {
    std::uint64_t address = 0;
    WireMessage lines;
  };

  std::uint64_t String(std::string_view text) {
    const auto [it, is_new] =
        strings_.emplace(std::string(text), strings_.size());
    if (is_new) message_.Bytes(kProfileStringTable, text);
    return it->second;
  }

  std::uint64_t Function(std::string_view name, std::string_view path) {
    const std::uint64_t name_at = String(name);
    const std::uint64_t path_at = String(path);
    const auto [it, is_new] =
        functions_.emplace(name_at << 32 | path_at, functions_.size() + 1);
    if (is_new) {
      function_.Clear();
      function_.Uint(kFunctionId, it->second);
      function_.Uint(kFunctionName, name_at);
      function_.Uint(kFunctionSystemName, name_at);
      function_.Uint(kFunctionFilename, path_at);
      message_.Bytes(kProfileFunction, function_.bytes());
    }
    return it->second;
  }

  std::uint64_t LocationOf(std::uint64_t address) {
    const auto [it, is_new] = places_.emplace(address, locations_.size());
    if (is_new) locations_.push_back({address, {}});
    return it->second + 1;
  }

  std::vector<Mapping> mappings_;
  WireMessage message_;
  WireMessage part_;
  WireMessage function_;
  WireMessage location_;
  std::vector<Location> locations_;
  std::size_t first_new_ = 0;  // not in a sample before the last one
  std::unordered_map<std::uint64_t, std::size_t> places_;
  std::unordered_map<std::uint64_t, std::uint64_t> functions_;
  std::unordered_map<std::string, std::uint64_t> strings_;
};

Status ReadHeap(std::string_view text, MessageBuilder* out) {
  HeapTextReader reader(
      [out](std::uint64_t interval_bytes) {
        out->ValueType(kProfileSampleType, "alloc_objects", "count");
        out->ValueType(kProfileSampleType, "alloc_space", "bytes");
        out->ValueType(kProfileSampleType, "inuse_objects", "count");
        out->ValueType(kProfileSampleType, "inuse_space", "bytes");
        out->ValueType(kProfilePeriodType, "space", "bytes");
        out->DefaultSampleType("inuse_space");
        out->Number(kProfilePeriod, interval_bytes);
        return OkStatus();
      },
      [out](std::span<const std::uint64_t> stack, const HeapCounts& c) {
        const std::uint64_t values[] = {c.alloc_objects, c.alloc_bytes,
                                        c.inuse_objects, c.inuse_bytes};
        out->Sample(stack, values);
        return OkStatus();
      });
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    if (ConsumePrefix(&line, "#")) {
      out->Name(Trim(line));
    } else {
      FODC_RETURN_IF_ERROR(reader.Line(line));
    }
  }
  return reader.Finish();
}

// Lines of "<count> @ <address>...".
Status ReadCounts(std::string_view text, MessageBuilder* out) {
  const std::string_view head = TakeLine(&text);
  const std::string_view type = head.substr(0, head.find(kCountHead));
  out->ValueType(kProfileSampleType, type, "count");
  out->ValueType(kProfilePeriodType, type, "count");
  out->Number(kProfilePeriod, 1);
  std::vector<std::uint64_t> stack;
  for (std::size_t number = 2; !text.empty(); ++number) {
    std::string_view line = TakeLine(&text);
    if (line.empty()) continue;
    if (line.starts_with("---")) break;
    if (ConsumePrefix(&line, "#")) {
      out->Name(Trim(line));
      continue;
    }
    const std::size_t at = std::min(line.find(" @"), line.size());
    const auto count = ParseUint(line.substr(0, at));
    stack.clear();
    line.remove_prefix(std::min(at + 2, line.size()));
    bool ok = count.has_value();
    for (line = Trim(line); ok && !line.empty(); line = Trim(line)) {
      ok = stack.size() < HeapTextReader::kMaxFrames &&
           TakeAddress(&line, &stack.emplace_back());
    }
    if (!ok) {
      return DataLoss(StrCat("line ", number,
                             ": no count and stack of at most ",
                             HeapTextReader::kMaxFrames, " frames"));
    }
    const std::uint64_t values[] = {*count};
    out->Sample(stack, values);
  }
  return OkStatus();
}

bool IsCounts(std::string_view text) {
  const std::string_view head = TakeLine(&text);
  const std::size_t at = head.find(kCountHead);
  return at != std::string_view::npos && at > 0 && head.find(' ') == at &&
         ParseUint(head.substr(at + kCountHead.size())).has_value();
}

}  // namespace

bool IsTextProfile(std::string_view bytes) {
  constexpr std::size_t kMaxHeadBytes = 256;
  return bytes.starts_with("heap profile:") || bytes.starts_with("heap_v2/") ||
         IsCounts(bytes.substr(0, kMaxHeadBytes));
}

Result<std::string> MessageOfText(std::string_view text) {
  MessageBuilder out(FindMappings(text));
  FODC_RETURN_IF_ERROR(IsCounts(text) ? ReadCounts(text, &out)
                                      : ReadHeap(text, &out));
  return out.Finish();
}

}  // namespace fodc::pprof
