// SPDX-License-Identifier: Apache-2.0
// Many simulated flight agents in one process: recordings filled from the
// recorded pages, linked to a proxy by the link that ships.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status.h"
#include "fodc/exposition/page_scan.h"
#include "fodc/link/agent_link.h"
#include "fodc/net/event_loop.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/series_pool.h"
#include "tests/support/process.h"

namespace fodc::bench {

// The scrapes of one recorded server, taken apart.
class Tape {
 public:
  static Result<Tape> Load(std::string_view name);

  struct Scrape {
    std::vector<double> values;
    std::vector<std::uint32_t> changed;
    std::vector<exposition::LineEdit> edits;  // from the scrape before
    std::vector<std::uint32_t> series;        // of each line
  };
  std::size_t size() const { return scrapes_.size(); }
  const Scrape& scrape(std::size_t i) const { return scrapes_[i]; }
  // Views into the tape.
  exposition::SeriesDesc Describe(std::uint32_t series) const;

 private:
  struct OwnSeries {
    std::string name, family, help, unit;
    std::vector<std::pair<std::string, std::string>> labels;
    std::vector<exposition::Label> views;
    exposition::MetricType type;
  };
  std::vector<Scrape> scrapes_;
  std::vector<std::unique_ptr<OwnSeries>> series_;
};

// One agent: each of its tapes is a source. Lines beyond `max_lines` of the
// last tape are left out, so that it has as many series as it should.
class LoadAgent {
 public:
  LoadAgent(std::size_t number, const std::vector<const Tape*>& tapes,
            std::size_t max_lines, std::size_t first_scrape,
            std::shared_ptr<recorder::SeriesPool> pool);

  // One scrape of every tape. Returns the samples.
  std::size_t Append(recorder::FrameTime time);
  void Connect(net::EventLoop& loop, const std::string& proxy);
  void Disconnect(net::Task done);

  std::uint64_t frames() const { return frames_; }
  std::uint64_t samples() const { return samples_; }
  std::uint64_t changed() const { return changed_; }
  std::uint64_t moves() const { return moves_; }  // frames with a new layout
  const std::string& pod() const { return pod_; }

 private:
  struct Source {
    const Tape* tape = nullptr;
    recorder::SourceId id = 0;
    std::size_t at = 0;     // next scrape
    std::size_t lines = 0;  // now
    std::size_t max_lines = 0;
  };
  const std::string pod_;
  recorder::Recording recording_;
  const evidence::IncidentList incidents_;
  std::vector<Source> sources_;
  std::unique_ptr<link::AgentLink> link_;
  std::vector<exposition::SeriesDesc> descs_;
  std::vector<std::uint32_t> kept_changed_;
  std::uint64_t frames_ = 0;
  std::uint64_t samples_ = 0;
  std::uint64_t changed_ = 0;
  std::uint64_t moves_ = 0;
};

// A proxy of this build, as a process of its own, pinned to one core.
class ProxyProcess {
 public:
  // Waits until it serves. Errors: what its log says.
  static Result<std::unique_ptr<ProxyProcess>> Start(
      const std::string& binary, std::vector<std::string> flags, int core);
  ~ProxyProcess();  // stops it

  int pid() const { return process_.pid(); }
  std::string grpc_address() const;
  int http_port() const { return http_port_; }
  double CpuSeconds() const;
  // VmRSS, VmHWM, RssAnon of /proc/PID/status, in bytes.
  double MemoryBytes(const std::string& key) const;
  void ResetPeak() const;  // VmHWM

 private:
  ProxyProcess() = default;
  TempDirectory dir_{"fodc-bench-proxy"};
  test::Process process_;
  int grpc_port_ = 0;
  int http_port_ = 0;
};

struct HttpAnswer {
  int status = 0;
  bool chunked = false;
  std::size_t wire_bytes = 0;  // of the body, chunk framing included
  double first_byte_seconds = 0;
  double seconds = 0;
  std::string body;  // only if it was asked for, without framing
};
// A plain blocking client, one connection a request: what a body costs here
// must not hide what it costs there, as a client that decodes it would.
Result<HttpAnswer> HttpGet(int port, const std::string& target,
                           const std::string& accept_encoding, bool keep_body);

// The value of a series on a page: the text up to the blank before the value.
double MetricOn(const std::string& page, const std::string& series);

}  // namespace fodc::bench
