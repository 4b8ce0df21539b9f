// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/signals.h"

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::detect {
namespace {

constexpr SignalDesc kDescs[kSignals] = {
    {"compaction_bytes", Fact::kCompactionBytes, Reading::kRate},
    {"compaction_threads", Fact::kCompactionThreads, Reading::kLevel},
    {"block_cache_hits", Fact::kBlockCacheHits, Reading::kRate},
    {"block_cache_misses", Fact::kBlockCacheMisses, Reading::kRate},
    {"background_io_bytes", Fact::kBackgroundIoBytes, Reading::kRate},
};

struct BuiltIn {
  std::string_view product;
  std::string_view signal;
  Reading reading;
  double scale;
  std::string_view selector;
};

// Where a page has no gauge of compactions that run, but a counter of the time
// that they took, its rate says how many ran at a time. BanyanDB counts neither
// bytes of merges nor hits. RocksDB has its statistics' names, with whatever
// prefix a program puts before them, and the names that CockroachDB gives them.
constexpr BuiltIn kBuiltIn[] = {
    {"banyandb", "compaction_threads", Reading::kRate, 1,
     "{__name__=~\"banyandb_(measure|stream_tst|trace_tst)_total_merge_"
     "latency\"}"},
    {"banyandb", "block_cache_misses", Reading::kRate, 1,
     "{__name__=~\"banyandb_(measure|stream|trace)_cache_misses_total\"}"},
    {"rocksdb", "compaction_bytes", Reading::kRate, 1,
     "{__name__=~\"(.+_)?rocksdb_(compact_(read|write)_bytes|compacted_bytes_("
     "read|written))(_total)?\"}"},
    {"rocksdb", "compaction_threads", Reading::kLevel, 1,
     "{__name__=~\"(.+_)?rocksdb_num_running_compactions\"}"},
    {"rocksdb", "block_cache_hits", Reading::kRate, 1,
     "{__name__=~\"(.+_)?rocksdb_block_cache_hits?(_total)?\"}"},
    {"rocksdb", "block_cache_misses", Reading::kRate, 1,
     "{__name__=~\"(.+_)?rocksdb_block_cache_miss(es)?(_total)?\"}"},
    {"rocksdb", "background_io_bytes", Reading::kRate, 1,
     "{__name__=~\"(.+_)?rocksdb_(flush_write_bytes|flushed_bytes)(_total)?"
     "\"}"},
    {"etcd", "compaction_threads", Reading::kRate, 1e-3,
     "{__name__=~\"etcd_debugging_mvcc_db_compaction_total_duration_"
     "milliseconds_sum\"}"},
    {"etcd", "compaction_threads", Reading::kLevel, 1,
     "etcd_disk_defrag_inflight"},
};

std::optional<std::size_t> FindSignal(std::string_view name) {
  for (std::size_t i = 0; i < kSignals; ++i) {
    if (kDescs[i].name == name) return i;
  }
  return std::nullopt;
}

std::string SignalNames() {
  std::string out;
  for (const SignalDesc& d : kDescs)
    out += StrCat(out.empty() ? "" : ", ", d.name);
  return out;
}

// What stands before the next comma that is neither in braces nor in quotes.
std::string_view NextPiece(std::string_view* rest) {
  bool in_braces = false;
  char quote = '\0';
  std::size_t i = 0;
  for (; i < rest->size(); ++i) {
    const char c = (*rest)[i];
    if (quote != '\0') {
      if (c == '\\' && quote != '`') {
        ++i;
      } else if (c == quote) {
        quote = '\0';
      }
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '{' || c == '}') {
      in_braces = c == '{';
    } else if (c == ',' && !in_braces) {
      break;
    }
  }
  const std::size_t end = std::min(i, rest->size());
  const std::string_view piece = rest->substr(0, end);
  rest->remove_prefix(std::min(end + 1, rest->size()));
  return Trim(piece);
}

// Takes "NAME=" away, if it stands there: a name, and what is behind it is no
// part of a selector.
std::string_view TakeName(std::string_view* piece) {
  const std::size_t equals = piece->find('=');
  if (equals == std::string_view::npos ||
      piece->substr(0, equals).find_first_of("{\"'`") !=
          std::string_view::npos) {
    return {};
  }
  const std::string_view name = Trim(piece->substr(0, equals));
  *piece = Trim(piece->substr(equals + 1));
  return name;
}

}  // namespace

std::span<const SignalDesc, kSignals> AllSignals() { return kDescs; }

void SignalMap::AddBuiltIn() {
  for (const BuiltIn& b : kBuiltIn) {
    const auto signal = FindSignal(b.signal);
    FODC_CHECK(signal.has_value());
    if (given_[*signal]) continue;
    auto selector = exposition::Selector::Parse(b.selector);
    FODC_CHECK(selector.ok());
    sources_.push_back({*signal, b.reading, b.scale, *std::move(selector),
                        std::string(b.product)});
  }
}

Result<SignalMap> SignalMap::Parse(std::span<const std::string> texts) {
  std::string all;
  for (const std::string& text : texts) {
    if (!all.empty()) all += ',';
    all += text;
  }
  SignalMap map{Empty()};
  std::size_t expressions = 0;
  std::optional<std::size_t> signal;
  std::string_view rest = all;
  while (!rest.empty()) {
    std::string_view piece = NextPiece(&rest);
    const std::string whole(piece);
    if (const std::string_view name = TakeName(&piece); !name.empty()) {
      signal = FindSignal(name);
      if (!signal) {
        return InvalidArgument(StrCat("'", name, "' in '", whole,
                                      "' is not a signal; there are ",
                                      SignalNames()));
      }
    }
    if (!signal) {
      return InvalidArgument(StrCat(
          "'", whole, "' is not NAME=SELECTOR; names are ", SignalNames()));
    }
    if (piece.empty()) {
      return InvalidArgument(
          StrCat(kDescs[*signal].name, ": '", whole, "' has no selector"));
    }
    if (map.sources_.size() == kMaxGivenSelectors) {
      return InvalidArgument(
          StrCat("more than ", kMaxGivenSelectors, " selectors of signals"));
    }
    auto selector = exposition::Selector::Parse(piece, &expressions);
    if (!selector.ok())
      return selector.status().WithContext(kDescs[*signal].name);
    map.sources_.push_back(
        {*signal, kDescs[*signal].reading, 1, *std::move(selector), ""});
    map.given_[*signal] = true;
  }
  map.AddBuiltIn();
  return map;
}

}  // namespace fodc::detect
