// SPDX-License-Identifier: Apache-2.0
// Coding of exposition pages (CPU time per byte of text, and size), and the
// cost of fetching a page over loopback. One JSON object per line.
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/net/compression.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_client.h"
#include "fodc/net/http_server.h"
#include "tests/support/frames.h"

namespace fodc::net {
namespace {

using bench::CpuSeconds;

void Print(const std::string& metric, double value, const char* unit) {
  std::printf(
      "{\"bench\":\"bench_net\",\"metric\":\"%s\",\"value\":%.6g,"
      "\"unit\":\"%s\"}\n",
      metric.c_str(), value, unit);
}

// The last page of each recording of the common set, one after the other.
std::string Pages() {
  std::string out;
  for (std::size_t r = 0; r < test::kCommonRecordings; ++r) {
    out += test::Recording::Load(test::RecordingPath(test::kRecordingNames[r]))
               ->frames()
               .back()
               .body;
  }
  return out;
}

std::string Zlib(std::string_view text, int level) {
  z_stream z{};
  deflateInit2(&z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string Isal(std::string_view text, std::uint32_t level) {
  static std::vector<std::uint8_t> buffer(ISAL_DEF_LVL3_DEFAULT);
  isal_zstream s;
  isal_deflate_init(&s);
  s.level = level;
  s.level_buf = buffer.data();
  s.level_buf_size = level == 0   ? 0
                     : level == 1 ? ISAL_DEF_LVL1_DEFAULT
                     : level == 2 ? ISAL_DEF_LVL2_DEFAULT
                                  : ISAL_DEF_LVL3_DEFAULT;
  s.gzip_flag = IGZIP_GZIP;
  s.end_of_stream = 1;
  std::string out(text.size() + 1000, '\0');
  s.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  s.avail_in = static_cast<std::uint32_t>(text.size());
  s.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  s.avail_out = static_cast<std::uint32_t>(out.size());
  isal_deflate(&s);
  out.resize(s.total_out);
  return out;
}

// As the server does it: in pieces of 256 KiB.
std::string Ours(std::string_view text, ContentCoding coding) {
  const auto c = MakeCompressor(coding);
  std::string out;
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, 256 * 1024);
    text.remove_prefix(piece.size());
    c->Add(piece, text.empty(), &out);
  }
  return out;
}

// The median CPU time of a few runs.
constexpr int kRunsEach = 10;
double Measure(const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = 0; i < 7; ++i) {
    const double start = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    for (int n = 0; n < kRunsEach; ++n) run();
    times.push_back((CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - start) / kRunsEach);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void BenchCodings() {
  // Once only: a repeated page would flatter the coder with the widest window.
  const std::string text = Pages();
  Print("text", static_cast<double>(text.size()), "bytes");
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  double zlib6 = 0;
  double ours = 0;
  const auto code = [&](const std::string& name,
                        const std::function<std::string()>& f) {
    std::string out;
    const double seconds = Measure([&] { out = f(); });
    Print(name + "_rate", megabytes / seconds, "MB/s");
    Print(name + "_size",
          static_cast<double>(out.size()) / static_cast<double>(text.size()),
          "ratio");
    return seconds;
  };
  zlib6 = code("zlib6", [&] { return Zlib(text, 6); });
  code("zlib1", [&] { return Zlib(text, 1); });
  for (std::uint32_t level = 0; level <= 3; ++level) {
    code(StrCat("isal", level), [&] { return Isal(text, level); });
  }
  ours = code("gzip", [&] { return Ours(text, ContentCoding::kGzip); });
  code("zstd", [&] { return Ours(text, ContentCoding::kZstd); });
  Print("gzip_cpu_of_zlib6", ours / zlib6, "ratio");
  for (const auto coding : {ContentCoding::kGzip, ContentCoding::kZstd}) {
    const std::string packed = Ours(text, coding);
    std::string out;
    out.reserve(text.size() + 1);
    const double seconds = Measure([&] {
      out.clear();
      if (!MakeDecompressor(coding)->Add(packed, &out, text.size()).ok()) {
        std::abort();
      }
    });
    Print(StrCat(ContentCodingName(coding), "_decode_rate"),
          megabytes / seconds, "MB/s");
  }
}

void BenchFetch() {
  std::string page = Pages();
  while (page.size() < 500'000) page += page;
  page.resize(500'000);
  const auto body = std::make_shared<const std::string>(page);
  EventLoop loop(SystemClock());
  HttpServer server(loop);
  server.Route("/metrics", Access::kViewer, [&](const HttpRequest& r) {
    HttpResponse response;
    response.shared_body = body;
    response.may_compress = !r.Header("X-Compress").empty();
    return response;
  });
  if (!server.Listen("127.0.0.1:0").ok()) std::abort();
  const std::string url =
      StrCat("http://127.0.0.1:", server.port(), "/metrics");
  // The process's CPU less the server's thread's is the client's.
  double server_cpu = 0;
  std::jthread thread([&] {
    loop.Run();
    server_cpu = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
  });
  HttpClient client;
  constexpr int kRequests = 1000;
  const double before = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < kRequests; ++i) {
    const HttpClientResult r =
        GetAndWait(client, {.url = url, .accept_compressed = false});
    if (r.http_status != 200 || r.body.size() != page.size()) std::abort();
  }
  const double all = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - before;
  loop.Stop();
  thread.join();
  Print("client_fetch_500kB_cpu", (all - server_cpu) / kRequests * 1e3, "ms");
  Print("server_answer_500kB_cpu", server_cpu / kRequests * 1e3, "ms");
}

}  // namespace
}  // namespace fodc::net

int main() {
  fodc::net::BenchCodings();
  fodc::net::BenchFetch();
  return 0;
}
