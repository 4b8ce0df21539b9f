// SPDX-License-Identifier: Apache-2.0
#include "bench/fleet_load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/exposition/page_reader.h"
#include "tests/support/frames.h"
#include "tests/support/wait.h"

namespace fodc::bench {

Result<Tape> Tape::Load(std::string_view name) {
  FODC_ASSIGN_OR_RETURN(const auto recording,
                        test::Recording::Load(test::RecordingPath(name)));
  Tape tape;
  exposition::PageReader reader;
  exposition::PageBuffer page;
  std::unordered_map<std::string, std::uint32_t> known;
  for (const test::Frame& frame : recording.frames()) {
    if (frame.body.empty()) continue;
    page.Clear();
    FODC_RETURN_IF_ERROR(page.Append(frame.body));
    reader.Read(exposition::Format::kText, &page);
    Scrape& s = tape.scrapes_.emplace_back();
    s.values.assign(reader.values().begin(), reader.values().end());
    s.changed.assign(reader.changed().begin(), reader.changed().end());
    s.edits.assign(reader.edits().begin(), reader.edits().end());
    for (std::uint32_t i = 0; i < s.values.size(); ++i) {
      const exposition::SeriesDesc desc = reader.Describe(i);
      std::string key(desc.name);
      key += '{';
      exposition::AppendCanonicalLabels(&key, desc.labels);
      const auto [it, fresh] = known.try_emplace(
          std::move(key), static_cast<std::uint32_t>(tape.series_.size()));
      if (fresh) {
        auto own = std::make_unique<OwnSeries>();
        own->name = desc.name;
        own->family = desc.family;
        own->help = desc.help;
        own->unit = desc.unit;
        own->type = desc.type;
        for (const auto& label : desc.labels) {
          own->labels.emplace_back(label.name, label.value);
        }
        for (const auto& [label, value] : own->labels) {
          own->views.push_back({label, value});
        }
        tape.series_.push_back(std::move(own));
      }
      s.series.push_back(it->second);
    }
  }
  return tape;
}

exposition::SeriesDesc Tape::Describe(std::uint32_t series) const {
  const OwnSeries& own = *series_[series];
  return {own.name, own.views, own.family, own.type, own.help, own.unit};
}

LoadAgent::LoadAgent(std::size_t number, const std::vector<const Tape*>& tapes,
                     std::size_t max_lines, std::size_t first_scrape,
                     std::shared_ptr<recorder::SeriesPool> pool)
    : pod_(StrCat("node-", number)),
      recording_(1'700'000'000'000'000'000u + number, [&] {
        recorder::RecordingOptions options;
        options.pool = std::move(pool);
        return options;
      }()) {
  std::size_t left = max_lines;
  for (const Tape* tape : tapes) {
    Source source;
    source.tape = tape;
    source.id = recording_.OpenSource(
        StrCat("http://localhost:", 2121 + sources_.size(), "/metrics"),
        StrCat("container-", sources_.size()));
    source.at = first_scrape % tape->size();
    source.max_lines = left;
    left -= std::min(left, tape->scrape(source.at).values.size());
    sources_.push_back(source);
  }
}

std::size_t LoadAgent::Append(recorder::FrameTime time) {
  std::size_t samples = 0;
  for (Source& source : sources_) {
    const Tape::Scrape& scrape = source.tape->scrape(source.at);
    const std::size_t lines = std::min(scrape.values.size(), source.max_lines);
    const bool is_next =
        source.lines != 0 && source.at != 0 && lines == scrape.values.size() &&
        source.lines == source.tape->scrape(source.at - 1).values.size();
    const bool stays =
        source.lines == lines && source.at != 0 && scrape.edits.empty();
    if (stays) {
      kept_changed_.clear();
      for (const std::uint32_t c : scrape.changed) {
        if (c < lines) kept_changed_.push_back(c);
      }
    } else if (is_next) {
      kept_changed_ = scrape.changed;
      recording_.EditLines(source.id, scrape.edits, [&](std::size_t line) {
        return source.tape->Describe(scrape.series[line]);
      });
      ++moves_;
    } else {
      // The tape begins anew, or its end is cut off.
      descs_.clear();
      for (std::size_t i = 0; i < lines; ++i) {
        descs_.push_back(source.tape->Describe(scrape.series[i]));
      }
      recording_.SpliceLines(source.id, 0, source.lines, descs_);
      ++moves_;
    }
    const std::span<const double> values(scrape.values.data(), lines);
    if (stays || is_next) {
      changed_ += kept_changed_.size();
      (void)recording_.Append(source.id, time, values, kept_changed_);
    } else {
      changed_ += lines;
      (void)recording_.Append(source.id, time, values, std::nullopt);
    }
    source.lines = lines;
    source.at = (source.at + 1) % source.tape->size();
    samples += lines;
    ++frames_;
  }
  samples_ += samples;
  if (link_ != nullptr) link_->OnAppended();
  return samples;
}

void LoadAgent::Connect(net::EventLoop& loop, const std::string& proxy) {
  link::AgentLink::Options options;
  options.proxies = {proxy};
  options.agent_version = "load";
  link_ = std::make_unique<link::AgentLink>(
      loop, recording_, incidents_,
      [this] {
        fleet::AgentIdentity id;
        id.node_name = id.pod_name = pod_;
        id.instance_id = StrCat("instance-of-", pod_);
        id.incarnation = recording_.incarnation();
        id.role = "ROLE_DATA";
        id.labels = {{"type", "hot"}};
        id.container_names = {"container-0"};
        id.http_port = 9090;
        return id;
      },
      options);
  link_->Start();
}

void LoadAgent::Disconnect(net::Task done) {
  link_->Stop("the load ends", std::chrono::seconds(2), std::move(done));
}

Result<std::unique_ptr<ProxyProcess>> ProxyProcess::Start(
    const std::string& binary, std::vector<std::string> flags, int core) {
  std::unique_ptr<ProxyProcess> p(new ProxyProcess());
  p->grpc_port_ = test::FreePort();
  p->http_port_ = test::FreePort();
  const std::vector<std::string> pinned{"taskset", "-c", std::to_string(core),
                                        binary};
  flags.insert(flags.begin(), pinned.begin(), pinned.end());
  flags.push_back(StrCat("--grpc-listen-addr=127.0.0.1:", p->grpc_port_));
  flags.push_back(StrCat("--http-listen-addr=127.0.0.1:", p->http_port_));
  p->process_ = test::Process::Start({.name = "fodc-proxy",
                                      .argv = std::move(flags),
                                      .env = {},
                                      .log_path = p->dir_.File("proxy.log"),
                                      .stdout_path = ""});
  const bool serves = test::WaitUntil([&p] {
    if (!p->process_.Running()) return true;
    const auto answer = HttpGet(p->http_port_, "/readyz", "", false);
    return answer.ok() && answer->status == 200;
  });
  if (serves && p->process_.Running()) return p;
  return Unavailable("the proxy does not serve: " + p->process_.Log());
}

ProxyProcess::~ProxyProcess() {
  if (!process_.Running()) return;
  if (process_.Stop() != 0) {
    (void)std::fprintf(stderr, "the proxy did not end well; its log:\n%s\n",
                       process_.Log().c_str());
  }
}

std::string ProxyProcess::grpc_address() const {
  return StrCat("127.0.0.1:", grpc_port_);
}

double ProxyProcess::CpuSeconds() const {
  const auto text = ReadFile(StrCat("/proc/", pid(), "/stat"));
  if (!text.ok()) return 0;
  std::istringstream in(text->substr(text->rfind(')') + 2));
  std::string field;
  double ticks = 0;
  for (int i = 3; in >> field; ++i) {
    if (i == 14 || i == 15) ticks += std::strtod(field.c_str(), nullptr);
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double ProxyProcess::MemoryBytes(const std::string& key) const {
  std::ifstream in(StrCat("/proc/", pid(), "/status"));
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with(key + ":")) {
      return std::strtod(line.c_str() + key.size() + 1, nullptr) * 1024;
    }
  }
  return 0;
}

void ProxyProcess::ResetPeak() const {
  std::ofstream(StrCat("/proc/", pid(), "/clear_refs")) << "5";
}

Result<HttpAnswer> HttpGet(int port, const std::string& target,
                           const std::string& accept_encoding, bool keep_body) {
  HttpAnswer answer;
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval limit{60, 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start)
        .count();
  };
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) != 0) {
    return ErrnoStatus(errno, "connect");
  }
  std::string request = StrCat("GET ", target,
                               " HTTP/1.1\r\nHost: localhost\r\n"
                               "Connection: close\r\n");
  if (!accept_encoding.empty()) {
    request += StrCat("Accept-Encoding: ", accept_encoding, "\r\n");
  }
  FODC_RETURN_IF_ERROR(WriteAll(fd.get(), request + "\r\n", "request"));
  static thread_local std::vector<char> buffer(1 << 20);
  std::string head;
  std::string body;
  bool in_body = false;
  for (;;) {
    const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (n < 0) return ErrnoStatus(errno, "recv");
    if (n == 0) break;
    std::string_view piece(buffer.data(), static_cast<std::size_t>(n));
    if (!in_body) {
      head += piece;
      const std::size_t end = head.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      in_body = true;
      answer.first_byte_seconds = elapsed();
      piece = piece.substr(piece.size() - (head.size() - end - 4));
      if (keep_body) body = piece;
      answer.wire_bytes = piece.size();
      head.resize(end);
      continue;
    }
    if (answer.wire_bytes == 0) answer.first_byte_seconds = elapsed();
    answer.wire_bytes += piece.size();
    if (keep_body) body += piece;
  }
  answer.seconds = elapsed();
  if (!in_body || head.size() < 12) return DataLoss("no HTTP answer");
  answer.status = std::atoi(head.c_str() + 9);
  answer.chunked =
      ToLower(head).find("transfer-encoding: chunked") != std::string::npos;
  if (!answer.chunked || !keep_body) {
    answer.body = std::move(body);
    return answer;
  }
  std::size_t at = 0;
  for (;;) {
    const std::size_t line = body.find("\r\n", at);
    if (line == std::string::npos) return DataLoss("a cut body");
    const std::size_t size = std::strtoull(body.c_str() + at, nullptr, 16);
    if (size == 0) return answer;
    if (body.size() < line + 2 + size) return DataLoss("a cut body");
    answer.body.append(body, line + 2, size);
    at = line + 2 + size + 2;
  }
}

double MetricOn(const std::string& page, const std::string& series) {
  const std::string wanted = "\n" + series + " ";
  const std::size_t at = page.find(wanted);
  if (at == std::string::npos) return -1;
  return std::strtod(page.c_str() + at + wanted.size(), nullptr);
}

}  // namespace fodc::bench
