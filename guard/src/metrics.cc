// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "edge.h"
#include "families.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

// Of a metric; a label's has no colon.
bool IsName(std::string_view name, bool may_have_colon) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [may_have_colon](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || (c == ':' && may_have_colon);
  });
}

using Labels = std::vector<std::pair<std::string, std::string>>;

// One of the three, by the family's type.
struct Series {
  std::unique_ptr<Counter> counter;
  std::unique_ptr<Gauge> gauge;
  std::unique_ptr<Histogram> histogram;
};

struct MetricFamily {
  std::string help;
  MetricType type = MetricType::kCounter;
  std::map<Labels, Series> series;
};

Labels OwnedLabels(std::span<const MetricLabel> labels) {
  Labels owned;
  for (const MetricLabel& l : labels) owned.emplace_back(l.name, l.value);
  std::sort(owned.begin(), owned.end());
  return owned;
}

// `text` is of families.cc.
Labels ParseLabels(std::string_view text) {
  Labels labels;
  if (text.empty()) return labels;
  for (std::string_view pair : Split(text, ',')) {
    const std::size_t equals = pair.find('=');
    labels.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  std::sort(labels.begin(), labels.end());
  return labels;
}

std::string FormatNumber(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return {text, end};
}

void AppendEscaped(std::string_view text, bool with_quotes, std::string* out) {
  for (const char c : text) {
    if (c == '\\') {
      out->append("\\\\");
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '"' && with_quotes) {
      out->append("\\\"");
    } else {
      out->push_back(c);
    }
  }
}

std::string_view TypeName(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "untyped";
}

class TextPage final : public MetricVisitor {
 public:
  explicit TextPage(std::string* out) : out_(out) {}

  void Family(std::string_view name, std::string_view help,
              MetricType type) override {
    out_->append("# HELP ").append(name).append(" ");
    AppendEscaped(help, false, out_);
    out_->append("\n# TYPE ").append(name).append(" ");
    out_->append(TypeName(type)).append("\n");
  }

  void Sample(std::string_view name, std::span<const MetricLabel> labels,
              double value) override {
    out_->append(name);
    char before = '{';
    for (const MetricLabel& l : labels) {
      out_->push_back(std::exchange(before, ','));
      out_->append(l.name).append("=\"");
      AppendEscaped(l.value, true, out_);
      out_->push_back('"');
    }
    if (!labels.empty()) out_->push_back('}');
    out_->append(" ").append(FormatNumber(value)).append("\n");
  }

 private:
  std::string* out_;
};

void VisitHistogram(const std::string& name, const Histogram& h,
                    std::vector<MetricLabel> labels, MetricVisitor* visitor) {
  const std::size_t le = labels.size();
  labels.push_back({"le", ""});
  // Read once: +Inf and the count are the same.
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= h.bounds().size(); ++i) {
    count = h.CountUpTo(i);
    const std::string bound =
        i < h.bounds().size() ? FormatNumber(h.bounds()[i]) : "+Inf";
    labels[le].value = bound;
    visitor->Sample(name + "_bucket", labels, static_cast<double>(count));
  }
  const std::span<const MetricLabel> bare{labels.data(), le};
  visitor->Sample(name + "_sum", bare, h.sum());
  visitor->Sample(name + "_count", bare, static_cast<double>(count));
}

}  // namespace

void Gauge::Clear() noexcept { Set(kAbsent); }

Histogram::Histogram(std::span<const double> bounds) noexcept
    : size_(std::min(bounds.size(), kMaxBounds)) {
  std::copy_n(bounds.begin(), size_, bounds_);
}

void Histogram::Observe(double value) noexcept {
  const auto at = std::lower_bound(bounds_, bounds_ + size_, value) - bounds_;
  counts_[at].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::CountUpTo(std::size_t i) const noexcept {
  std::uint64_t count = 0;
  for (std::size_t at = 0; at <= std::min(i, size_); ++at) {
    count += counts_[at].load(std::memory_order_relaxed);
  }
  return count;
}

struct Metrics::Impl {
  mutable Mutex mutex;
  std::map<std::string, MetricFamily, std::less<>> families
      FODC_GUARDED_BY(mutex);

  // `make` fills in a series that is new.
  template <typename Make>
  Result<Series*> Find(std::string_view family, MetricType type,
                       std::span<const MetricLabel> labels, const Make& make) {
    for (const MetricLabel& l : labels) {
      if (!IsName(l.name, false)) {
        return InvalidArgument(StrCat("'", l.name, "' is no label's name"));
      }
    }
    const MutexLock lock(mutex);
    const auto it = families.find(family);
    if (it == families.end()) {
      return NotFound(StrCat("no metric family '", family, "'"));
    }
    if (it->second.type != type) {
      return InvalidArgument(StrCat("metric family '", family, "' is a ",
                                    TypeName(it->second.type)));
    }
    auto& all = it->second.series;
    Labels key = OwnedLabels(labels);
    const auto found = all.find(key);
    if (found != all.end()) return &found->second;
    if (all.size() >= kMaxSeriesOfFamily) {
      return ResourceExhausted(StrCat("metric family '", family, "' has ",
                                      all.size(), " series already"));
    }
    Series made;
    make(&made);
    return &all.emplace(std::move(key), std::move(made)).first->second;
  }
};

Metrics::Metrics(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Metrics::~Metrics() = default;

Result<std::unique_ptr<Metrics>> Metrics::Create() noexcept {
  return AtEdge([]() -> Result<std::unique_ptr<Metrics>> {
    std::unique_ptr<Metrics> m(new Metrics(std::make_unique<Impl>()));
    const MutexLock lock(m->impl_->mutex);
    for (const StandardFamily& f : StandardFamilies()) {
      MetricFamily& family = m->impl_->families[std::string(f.name)];
      family.help = f.help;
      family.type = f.type;
      for (std::string_view labels : f.series) {
        Series& s = family.series[ParseLabels(labels)];
        if (f.type == MetricType::kCounter) {
          s.counter = std::make_unique<Counter>();
        } else {
          s.gauge = std::make_unique<Gauge>();
        }
      }
    }
    return m;
  });
}

Status Metrics::Declare(std::string_view name, std::string_view help,
                        MetricType type) noexcept {
  return AtEdge([&]() -> Status {
    if (!IsName(name, true)) {
      return InvalidArgument(StrCat("'", name, "' is no metric's name"));
    }
    const MutexLock lock(impl_->mutex);
    const auto it = impl_->families.find(name);
    if (it == impl_->families.end()) {
      MetricFamily& family = impl_->families[std::string(name)];
      family.help = help;
      family.type = type;
      return OkStatus();
    }
    if (it->second.type == type) return OkStatus();
    return AlreadyExists(
        StrCat("metric family '", name, "' is a ", TypeName(it->second.type)));
  });
}

Result<Counter*> Metrics::FindCounter(
    std::string_view family,
    std::initializer_list<MetricLabel> labels) noexcept {
  return AtEdge([&]() -> Result<Counter*> {
    FODC_ASSIGN_OR_RETURN(
        Series * s,
        impl_->Find(family, MetricType::kCounter, labels, [](Series* made) {
          made->counter = std::make_unique<Counter>();
        }));
    return s->counter.get();
  });
}

Result<Gauge*> Metrics::FindGauge(
    std::string_view family,
    std::initializer_list<MetricLabel> labels) noexcept {
  return AtEdge([&]() -> Result<Gauge*> {
    FODC_ASSIGN_OR_RETURN(
        Series * s,
        impl_->Find(family, MetricType::kGauge, labels, [](Series* made) {
          made->gauge = std::make_unique<Gauge>();
        }));
    return s->gauge.get();
  });
}

Result<Histogram*> Metrics::FindHistogram(
    std::string_view family, std::span<const double> bounds,
    std::initializer_list<MetricLabel> labels) noexcept {
  return AtEdge([&]() -> Result<Histogram*> {
    FODC_ASSIGN_OR_RETURN(Series * s,
                          impl_->Find(family, MetricType::kHistogram, labels,
                                      [bounds](Series* made) {
                                        made->histogram =
                                            std::make_unique<Histogram>(bounds);
                                      }));
    return s->histogram.get();
  });
}

void Metrics::Visit(MetricVisitor* visitor) const {
  // The visitor may ask for a series, so it is not called with the lock held:
  // what is there stays.
  using Row = std::pair<const Labels*, const Series*>;
  std::vector<std::pair<const std::string*, const MetricFamily*>> families;
  std::vector<std::vector<Row>> rows;
  {
    const MutexLock lock(impl_->mutex);
    for (const auto& [name, family] : impl_->families) {
      families.emplace_back(&name, &family);
      auto& of_family = rows.emplace_back();
      for (const auto& [labels, series] : family.series)
        of_family.emplace_back(&labels, &series);
    }
  }
  for (std::size_t i = 0; i < families.size(); ++i) {
    const auto& [name, family] = families[i];
    visitor->Family(*name, family->help, family->type);
    for (const auto& [owned, series] : rows[i]) {
      std::vector<MetricLabel> labels;
      for (const auto& [label, value] : *owned)
        labels.push_back({label, value});
      if (series->histogram != nullptr) {
        VisitHistogram(*name, *series->histogram, std::move(labels), visitor);
      } else if (series->counter != nullptr) {
        visitor->Sample(*name, labels,
                        static_cast<double>(series->counter->value()));
      } else if (!std::isnan(series->gauge->value())) {
        visitor->Sample(*name, labels, series->gauge->value());
      }
    }
  }
}

Status Metrics::AppendTextPage(std::string* out) const noexcept {
  return AtEdge([&]() -> Status {
    TextPage page(out);
    Visit(&page);
    return OkStatus();
  });
}

}  // namespace fodc::guard
