// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/scraper.h"

#include <algorithm>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::collect {
namespace {

using exposition::MetricType;

// Text first: an exporter that can do both may name its counters otherwise in
// OpenMetrics, and names must not depend on who asks.
constexpr char kAccept[] =
    "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5,"
    "*/*;q=0.1";
constexpr std::chrono::milliseconds kShortestDeadline{10};
// Of bad lines that come and go.
constexpr std::chrono::minutes kLogAgain{10};

constexpr ReadingDesc kUp{"up", MetricType::kGauge,
                          "Whether the last scrape of the endpoint gave a "
                          "page."};
constexpr ReadingDesc kDuration{"scrape_duration_seconds", MetricType::kGauge,
                                "How long the last scrape took."};
constexpr ReadingDesc kSamples{"scrape_samples_scraped", MetricType::kGauge,
                               "Samples in the last page; 0 after a failure."};
constexpr ReadingDesc kErrors{"scrape_errors_total", MetricType::kCounter,
                              "Scrapes that gave no page."};
constexpr ReadingDesc kBadLines{
    "scrape_bad_lines_total", MetricType::kCounter,
    "Lines of pages that were left out: bad syntax, duplicates, bad UTF-8; and "
    "pages that end without their # EOF."};
constexpr ReadingDesc kPageBytes{"scrape_page_bytes", MetricType::kGauge,
                                 "Size of the last page, unpacked; 0 after a "
                                 "failure."};

}  // namespace

// A scrape under way. The client's thread fills the buffer while the loop
// leaves it alone; Done's post to the loop hands it back.
struct Scraper::Flight {
  explicit Flight(std::size_t max_page_bytes) : buffer(max_page_bytes) {}
  Scraper* owner = nullptr;  // the loop's; null when nobody waits any more
  net::HttpClient::Id id = 0;
  bool in_flight = false;  // the loop's
  recorder::FrameTime time;
  MonotonicTime begun;
  exposition::PageBuffer buffer;
};

Scraper::Scraper(Endpoint endpoint, const ScrapeOptions& options,
                 net::EventLoop& loop, net::HttpClient& client,
                 recorder::Recording& recording)
    : endpoint_(std::move(endpoint)),
      options_(options),
      loop_(loop),
      client_(client),
      page_(recording, endpoint_, {.max_lines = options.max_lines}),
      own_(recording, StrCat("scrape ", endpoint_.name),
           endpoint_.container_name),
      flight_(std::make_shared<Flight>(options.max_page_bytes)) {
  const std::vector<std::pair<std::string, std::string>> labels = {
      {"endpoint", endpoint_.name}};
  up_ = own_.Add(kUp, labels);
  duration_ = own_.Add(kDuration, labels);
  samples_ = own_.Add(kSamples, labels);
  page_bytes_ = own_.Add(kPageBytes, labels);
  errors_ = own_.Add(kErrors, labels);
  bad_lines_ = own_.Add(kBadLines, labels);
}

Scraper::~Scraper() { Cancel(); }

void Scraper::Cancel() {
  pending_.reset();
  if (!flight_->in_flight) return;
  flight_->owner = nullptr;
  client_.Cancel(flight_->id);
  flight_ = std::make_shared<Flight>(options_.max_page_bytes);
}

void Scraper::set_on_recorded(std::function<void()> callback) {
  on_recorded_ = std::move(callback);
}

std::size_t Scraper::memory_bytes() const {
  return page_.memory_bytes() +
         (flight_->in_flight ? 0 : flight_->buffer.memory_bytes());
}

void Scraper::Scrape(MonotonicTime next_tick) {
  if (flight_->in_flight) {
    pending_ = next_tick;
    return;
  }
  Begin(next_tick);
}

void Scraper::Begin(MonotonicTime next_tick) {
  const MonotonicTime now = loop_.clock().Monotonic();
  flight_->owner = this;
  flight_->in_flight = true;
  flight_->begun = now;
  flight_->time = {
      .monotonic_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                          now.time_since_epoch())
                          .count(),
      .unix_ms = ToUnixMillis(loop_.clock().Unix())};
  flight_->buffer.Clear();

  net::HttpClientRequest request;
  request.url = endpoint_.url;
  request.headers = {{"Accept", kAccept}};
  request.deadline =
      std::max(kShortestDeadline,
               std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::min(options_.EffectiveTimeout(), next_tick - now)));
  request.max_body_bytes = options_.max_page_bytes;
  request.accept_compressed =
      options_.compression == PageCompression::kAlways ||
      (options_.compression == PageCompression::kAuto &&
       !endpoint_.is_loopback);
  request.sink = [flight = flight_](std::string_view piece) {
    return flight->buffer.Append(piece);
  };
  flight_->id = client_.Get(
      std::move(request),
      [flight = flight_, loop = &loop_](net::HttpClientResult result) {
        loop->Post([flight, result = std::move(result)] {
          if (flight->owner != nullptr) flight->owner->Finish(*flight, result);
        });
      });
}

void Scraper::Finish(Flight& flight, const net::HttpClientResult& result) {
  flight.in_flight = false;
  Status why;
  const ScrapeError error = Classify(result, &why);
  ++status_.scrapes;
  status_.tried = true;
  status_.duration = result.duration;
  if (error == ScrapeError::kNone) {
    status_.page_bytes = flight.buffer.size();
    const auto format = exposition::FormatOfContentType(result.content_type);
    status_.samples = page_.Record(&flight.buffer, *format, flight.time);
    CountBadLines();
    NoteRefused();
    // Both buffers are as large as the largest page they held: after a page
    // out of the ordinary they give that back.
    if (flight.buffer.memory_bytes() >
        std::max<std::size_t>(1u << 20, 4 * status_.page_bytes)) {
      flight.buffer = exposition::PageBuffer(options_.max_page_bytes);
    }
  } else {
    // The page's source gets no frame: a gap stays a gap.
    status_.page_bytes = 0;
    status_.samples = 0;
    ++status_.errors[static_cast<std::size_t>(error)];
    ++status_.errors_total;
  }
  NoteChange(error, why);
  AppendOwn(flight.time);
  if (on_recorded_) on_recorded_();

  if (pending_) {
    const MonotonicTime next_tick = *pending_;
    pending_.reset();
    ++status_.late;
    Begin(next_tick);
  }
}

void Scraper::CountBadLines() {
  const exposition::PageStats& stats = page_.stats();
  status_.timestamps += stats.timestamps;
  status_.exemplars += stats.exemplars;
  const MonotonicTime now = loop_.clock().Monotonic();
  for (std::size_t i = 0; i < exposition::kLineProblems; ++i) {
    const auto problem = static_cast<exposition::LineProblem>(i);
    std::uint64_t lost = stats.problems[i];
    if (problem == exposition::LineProblem::kTruncated && lost == 0 &&
        stats.is_truncated)
      lost = 1;
    Trouble& trouble = troubles_[i];
    const bool was_there = std::exchange(trouble.is_there, lost > 0);
    if (lost == 0) continue;
    status_.bad_lines[i] += lost;
    status_.bad_lines_total += lost;
    // When it begins, and when it is back after it was gone; not each time if
    // it comes and goes.
    if (was_there ||
        (trouble.logged_at && now - *trouble.logged_at < kLogAgain))
      continue;
    trouble.logged_at = now;
    const exposition::ProblemLine* line = page_.FirstBadLine(problem);
    if (line == nullptr && stats.problems[i] == 0) {
      LogWarn("a page ends without # EOF: what came is recorded",
              {{"endpoint", endpoint_.name},
               {"reason", exposition::LineProblemName(problem)}});
      continue;
    }
    LogWarn("bad lines in a page: left out, the rest is recorded",
            {{"endpoint", endpoint_.name},
             {"reason", exposition::LineProblemName(problem)},
             {"lines", lost},
             {"line", line == nullptr ? 0 : line->line},
             {"text", line == nullptr ? "" : line->excerpt()}});
  }
}

void Scraper::NoteRefused() {
  const bool was_refusing = status_.refused_lines > 0;
  status_.refused_lines = page_.refused_lines();
  const bool is_refusing = status_.refused_lines > 0;
  if (is_refusing && !was_refusing) {
    LogWarn("series are refused: beyond --max-series or --recorder-memory",
            {{"endpoint", endpoint_.name},
             {"lines", status_.refused_lines},
             {"samples", status_.samples}});
  } else if (was_refusing && !is_refusing) {
    LogInfo("no series are refused any more", {{"endpoint", endpoint_.name}});
  }
}

void Scraper::NoteChange(ScrapeError error, const Status& why) {
  const bool was_up = status_.up;
  const ScrapeError was = status_.last_error;
  const bool first = status_.scrapes == 1;
  status_.up = error == ScrapeError::kNone;
  status_.last_error = error;
  if (status_.up && (first || !was_up)) {
    LogInfo("endpoint is up", {{"endpoint", endpoint_.name},
                               {"samples", status_.samples},
                               {"page_bytes", status_.page_bytes}});
  } else if (!status_.up && (first || was_up || was != error)) {
    LogWarn("endpoint is down", {{"endpoint", endpoint_.name},
                                 {"reason", ScrapeErrorName(error)},
                                 {"error", why.message()}});
  }
}

void Scraper::AppendOwn(recorder::FrameTime time) {
  own_.Set(up_, status_.up ? 1 : 0);
  // Microseconds: the digits beyond are noise that would have to be kept.
  own_.Set(duration_, static_cast<double>(
                          std::chrono::duration_cast<std::chrono::microseconds>(
                              status_.duration)
                              .count()) /
                          1e6);
  own_.Set(samples_, static_cast<double>(status_.samples));
  own_.Set(page_bytes_, static_cast<double>(status_.page_bytes));
  own_.Set(errors_, static_cast<double>(status_.errors_total));
  own_.Set(bad_lines_, static_cast<double>(status_.bad_lines_total));
  own_.Commit(time);
}

}  // namespace fodc::collect
