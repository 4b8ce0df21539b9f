// SPDX-License-Identifier: Apache-2.0
// For tests: collectors that scrape real servers on loopback. Time is a fake
// clock's; only the client's deadlines are real.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/log_testing.h"
#include "fodc/base/strings.h"
#include "fodc/collect/collector.h"
#include "fodc/collect/recording_testing.h"
#include "fodc/net/http_server.h"

namespace fodc::collect {

using net::HttpRequest;
using net::HttpResponse;

inline constexpr char kText[] = "text/plain; version=0.0.4";

class CollectorFixture : public ::testing::Test {
 protected:
  CollectorFixture() {
    EXPECT_TRUE(server_.Listen("127.0.0.1:0").ok());
    options_.interval = std::chrono::seconds(1);
  }
  ~CollectorFixture() override { collector_.reset(); }

  std::string Url(std::string_view path) const {
    return StrCat("http://127.0.0.1:", server_.port(), path);
  }
  // What `path` answers; looked up anew for each request.
  void Serve(const std::string& path, std::function<HttpResponse()> answer) {
    const bool is_new = !answers_.contains(path);
    answers_[path] = std::move(answer);
    if (!is_new) return;
    server_.Route(path, net::Access::kPublic,
                  [this, path](const HttpRequest& request) {
                    requests_.push_back(request);
                    return answers_.at(path)();
                  });
  }
  void ServePage(const std::string& path, std::string text) {
    Serve(path, [text = std::move(text)] {
      HttpResponse r;
      r.content_type = kText;
      r.body = text;
      return r;
    });
  }
  // A collector over a fresh recording.
  void Make(const std::vector<std::string>& urls) {
    collector_.reset();
    recording_ = recorder::Recording(1, recording_options_);
    std::vector<Endpoint> endpoints;
    for (const std::string& url : urls) {
      endpoints.push_back(*ParseEndpoint(url, "db"));
      if (are_elsewhere_) endpoints.back().is_loopback = false;
    }
    collector_ = std::make_unique<Collector>(std::move(endpoints), options_,
                                             loop_, client_, recording_);
  }
  const EndpointStatus& status(std::size_t i = 0) const {
    return collector_->scrapers()[i]->status();
  }
  // Until every endpoint has been scraped `n` times.
  bool Scraped(std::uint64_t n) {
    return loop_.RunUntil([&] {
      for (const auto& s : collector_->scrapers()) {
        if (s->status().scrapes < n) return false;
      }
      return true;
    });
  }
  std::map<std::string, double> Page(std::string_view path) const {
    return LatestSamples(recording_, Url(path));
  }
  double Own(std::string_view path, std::string_view name) const {
    const auto own = LatestSamples(recording_, "scrape " + Url(path));
    const auto it = own.find(StrCat(name, "{endpoint=\"", Url(path), "\"}"));
    return it == own.end() ? -1 : it->second;
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  net::HttpServer server_{loop_};
  net::HttpClient client_;
  recorder::Recording recording_{1, {}};
  ScrapeOptions options_;
  bool are_elsewhere_ = false;  // endpoints, on another machine
  recorder::RecordingOptions recording_options_;
  std::map<std::string, std::function<HttpResponse()>> answers_;
  std::vector<HttpRequest> requests_;
  std::unique_ptr<Collector> collector_;
};

}  // namespace fodc::collect
