// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/heap_text.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::pprof {
namespace {

void SkipBlanks(std::string_view* text) {
  text->remove_prefix(std::min(text->find_first_not_of(' '), text->size()));
}

bool TakeCount(std::string_view* text, char end, std::uint64_t* value) {
  SkipBlanks(text);
  const char* last = text->data() + text->size();
  const auto [p, error] = std::from_chars(text->data(), last, *value);
  if (error != std::errc() || p == last || *p != end) return false;
  text->remove_prefix(static_cast<std::size_t>(p - text->data()) + 1);
  return true;
}

struct TextCounts {
  ObjectsAndBytes inuse;
  ObjectsAndBytes alloc;
};

// "<objects>: <bytes> [<objects>: <bytes>]", and what follows.
std::optional<TextCounts> TakeCounts(std::string_view* text) {
  TextCounts c;
  if (!TakeCount(text, ':', &c.inuse.objects) ||
      !TakeCount(text, ' ', &c.inuse.bytes)) {
    return {};
  }
  SkipBlanks(text);
  if (!ConsumePrefix(text, "[") || !TakeCount(text, ':', &c.alloc.objects) ||
      !TakeCount(text, ']', &c.alloc.bytes)) {
    return {};
  }
  return c;
}

// Of the words that end a head: "heap_v2/524288" where samples are given as
// they were seen; "heap/1048576" of Go, which doubles it; others count all.
std::optional<std::uint64_t> TakeInterval(std::string_view version) {
  if (ConsumePrefix(&version, "heap_v2/") ||
      ConsumePrefix(&version, "heapz_v2/")) {
    return ParseUint(version);
  }
  if (ConsumePrefix(&version, "heap/")) {
    const std::optional<std::uint64_t> doubled = ParseUint(version);
    if (!doubled) return {};
    return *doubled / 2;
  }
  for (const std::string_view all : {"heapprofile", "growthz", "growth"}) {
    if (version == all) return 1;
  }
  return {};
}

}  // namespace

HeapTextReader::HeapTextReader(Head head, Sample sample)
    : head_(std::move(head)), sample_(std::move(sample)) {}

Status HeapTextReader::Line(std::string_view line) {
  ++line_;
  if (kind_ == Kind::kUnknown) return ReadHead(line);
  line = Trim(line);
  if (line == "MAPPED_LIBRARIES:") kind_ = Kind::kDone;
  if (kind_ == Kind::kDone || line.empty()) return OkStatus();
  if (kind_ == Kind::kGperftools) {
    const std::size_t at = line.find('@');
    if (at == std::string_view::npos) {
      return DataLoss(StrCat("line ", line_, ": no stack"));
    }
    FODC_RETURN_IF_ERROR(ReadStack(line.substr(at + 1)));
    return Emit(line.substr(0, at));
  }
  if (ConsumePrefix(&line, "@")) return ReadStack(line);
  // All threads together; those of single threads say nothing more.
  if (!ConsumePrefix(&line, "t*:") || !has_stack_) return OkStatus();
  return Emit(line);
}

Status HeapTextReader::Finish() const {
  if (kind_ != Kind::kUnknown) return OkStatus();
  return DataLoss("no heap profile: it is empty");
}

Status HeapTextReader::ReadHead(std::string_view line) {
  line = Trim(line);
  if (ConsumePrefix(&line, "heap profile:")) {
    const std::size_t at = line.find("@ ");
    line.remove_prefix(std::min(at, line.size() - 2) + 2);
    kind_ = Kind::kGperftools;
  } else {
    kind_ = Kind::kJemalloc;
  }
  const std::string_view version = line;
  std::optional<std::uint64_t> interval;
  if (kind_ == Kind::kGperftools || version.starts_with("heap_v2/")) {
    interval = TakeInterval(version);
  }
  if (!interval) {
    kind_ = Kind::kUnknown;
    return DataLoss(StrCat("'", version.substr(0, 60),
                           "' is no head of a heap profile that is known"));
  }
  interval_bytes_ = *interval;
  return head_(interval_bytes_);
}

Status HeapTextReader::ReadStack(std::string_view text) {
  stack_.clear();
  has_stack_ = true;
  for (SkipBlanks(&text); !text.empty(); SkipBlanks(&text)) {
    std::uint64_t address = 0;
    if (!ConsumePrefix(&text, "0x")) {
      return DataLoss(StrCat("line ", line_, ": no address"));
    }
    const char* last = text.data() + text.size();
    const auto [p, error] = std::from_chars(text.data(), last, address, 16);
    if (error != std::errc()) {
      return DataLoss(StrCat("line ", line_, ": no address"));
    }
    text.remove_prefix(static_cast<std::size_t>(p - text.data()));
    if (stack_.size() == kMaxFrames) {
      return DataLoss(
          StrCat("line ", line_, ": more than ", kMaxFrames, " frames"));
    }
    stack_.push_back(address);
  }
  return OkStatus();
}

Status HeapTextReader::Emit(std::string_view counts) {
  const std::optional<TextCounts> c = TakeCounts(&counts);
  if (!c) return DataLoss(StrCat("line ", line_, ": no counts"));
  has_stack_ = false;
  const ObjectsAndBytes inuse = Unsample(c->inuse, interval_bytes_);
  const ObjectsAndBytes alloc = Unsample(c->alloc, interval_bytes_);
  HeapCounts all;
  all.inuse_objects = inuse.objects;
  all.inuse_bytes = inuse.bytes;
  all.alloc_objects = std::max(alloc.objects, inuse.objects);
  all.alloc_bytes = std::max(alloc.bytes, inuse.bytes);
  return sample_(stack_, all);
}

}  // namespace fodc::pprof
