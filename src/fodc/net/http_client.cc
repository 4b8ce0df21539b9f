// SPDX-License-Identifier: Apache-2.0
#include "fodc/net/http_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/net/compression.h"
#include "fodc/net/url.h"

namespace fodc::net {
namespace {

using std::chrono::nanoseconds;

// A reading step of libcurl, held by each kept handle. Larger ones cost memory
// and gain little (README.md).
constexpr long kReadBytes = 64 * 1024;
constexpr std::size_t kDecodedAtOnce = 1024;
constexpr std::size_t kMaxHeaderBytes = 256 * 1024;
// Of a body that the caller's sink does not get.
constexpr std::size_t kMaxErrorBodyBytes = 64 * 1024;
constexpr std::size_t kMaxSpareHandles = 16;
constexpr std::chrono::milliseconds kLongestPoll{60'000};

struct EasyDeleter {
  void operator()(CURL* c) const { curl_easy_cleanup(c); }
};
using Easy = std::unique_ptr<CURL, EasyDeleter>;

struct ListDeleter {
  void operator()(curl_slist* l) const { curl_slist_free_all(l); }
};

void GlobalInit() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// libcurl 7.88 opens sockets without close-on-exec.
curl_socket_t OpenSocket(void*, curlsocktype, curl_sockaddr* a) {
  return ::socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

// One request on its way. Belongs to the client's thread.
struct Transfer {
  HttpClient::Id id = 0;
  HttpClientRequest request;
  HttpClient::Done done;
  HttpClientResult result;
  MonotonicTime start;
  MonotonicTime deadline;
  Easy easy;
  std::unique_ptr<curl_slist, ListDeleter> headers;
  char error[CURL_ERROR_SIZE] = {};

  Status failure;  // ours, which ended the transfer
  std::size_t header_bytes = 0;
  std::string location;
  std::string content_encoding;
  bool body_begun = false;
  std::unique_ptr<Decompressor> decoder;
  std::string piece;  // decoded, for the sink
  bool to_sink = false;
  std::size_t limit = 0;

  std::size_t Fail(Status s) {
    failure = std::move(s);
    return CURL_WRITEFUNC_ERROR;
  }
  std::size_t OnHeader(std::string_view line);
  Status BeginBody();
  std::size_t OnBody(std::string_view bytes);
  Status PassOn(std::string_view decoded);
  Status TooLarge() const {
    return ResourceExhausted(StrCat("the body is larger than the limit of ",
                                    request.max_body_bytes, " bytes"));
  }
};

std::size_t Transfer::OnHeader(std::string_view line) {
  header_bytes += line.size();
  if (header_bytes > kMaxHeaderBytes) {
    return Fail(ResourceExhausted(
        StrCat("the headers are larger than ", kMaxHeaderBytes, " bytes")));
  }
  if (line.starts_with("HTTP/")) {  // also after an interim answer
    result.content_type.clear();
    content_encoding.clear();
    location.clear();
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = Trim(line.substr(colon + 1));
  if (EqualsIgnoreCase(name, "Content-Type")) {
    result.content_type = value;
  } else if (EqualsIgnoreCase(name, "Content-Encoding")) {
    content_encoding = value;
  } else if (EqualsIgnoreCase(name, "Location")) {
    location = value;
  }
  return line.size();
}

Status Transfer::BeginBody() {
  body_begun = true;
  long code = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &code);
  to_sink = request.sink && code >= 200 && code < 300;
  limit = request.max_body_bytes;
  if (request.sink && !to_sink) limit = std::min(limit, kMaxErrorBodyBytes);
  if (content_encoding.empty() ||
      EqualsIgnoreCase(content_encoding, "identity")) {
    return OkStatus();
  }
  if (EqualsIgnoreCase(content_encoding, "gzip") ||
      EqualsIgnoreCase(content_encoding, "x-gzip")) {
    decoder = MakeDecompressor(ContentCoding::kGzip);
  } else if (EqualsIgnoreCase(content_encoding, "zstd")) {
    decoder = MakeDecompressor(ContentCoding::kZstd);
  } else {
    return DataLoss("the content encoding \"" + ToValidUtf8(content_encoding) +
                    "\" was not asked for");
  }
  return OkStatus();
}

Status Transfer::PassOn(std::string_view decoded) {
  result.body_bytes += decoded.size();
  return decoded.empty() ? OkStatus() : request.sink(decoded);
}

std::size_t Transfer::OnBody(std::string_view bytes) {
  if (!body_begun) {
    if (Status s = BeginBody(); !s.ok()) return Fail(std::move(s));
  }
  result.wire_bytes += bytes.size();
  if (result.wire_bytes > limit) return Fail(TooLarge());
  if (to_sink) {
    if (!decoder) {
      if (Status s = PassOn(bytes); !s.ok()) return Fail(std::move(s));
      return bytes.size();
    }
    for (std::string_view rest = bytes; !rest.empty();) {
      // A part at a time: it may become a thousand times as large.
      const std::string_view part = rest.substr(0, kDecodedAtOnce);
      rest.remove_prefix(part.size());
      piece.clear();
      // What may still come, so that the sum keeps the limit.
      const std::size_t left = limit - result.body_bytes;
      if (Status s = decoder->Add(part, &piece, left); !s.ok()) {
        return Fail(s.code() == Code::kResourceExhausted ? TooLarge()
                                                         : std::move(s));
      }
      if (Status s = PassOn(piece); !s.ok()) return Fail(std::move(s));
    }
    return bytes.size();
  }
  if (decoder) {
    Status s = decoder->Add(bytes, &result.body, limit);
    result.body_bytes = result.body.size();
    if (!s.ok()) {
      return Fail(s.code() == Code::kResourceExhausted ? TooLarge()
                                                       : std::move(s));
    }
  } else {
    result.body.append(bytes);
    result.body_bytes += bytes.size();
  }
  return bytes.size();
}

std::size_t HeaderCallback(char* data, std::size_t, std::size_t n, void* t) {
  return static_cast<Transfer*>(t)->OnHeader({data, n});
}
std::size_t BodyCallback(char* data, std::size_t, std::size_t n, void* t) {
  return static_cast<Transfer*>(t)->OnBody({data, n});
}

Code CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Code::kInvalidArgument;
    case CURLE_OPERATION_TIMEDOUT:
      return Code::kDeadlineExceeded;
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
      return Code::kDataLoss;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Code::kFailedPrecondition;
    default:
      return Code::kUnavailable;
  }
}

}  // namespace

struct HttpClient::Impl {
  explicit Impl(Options o) : options(std::move(o)) {}

  Options options;
  CURLM* multi = nullptr;

  mutable Mutex mutex;
  // Requests and cancellations, in the order of their calls.
  std::vector<std::unique_ptr<Transfer>> incoming FODC_GUARDED_BY(mutex);
  std::vector<Id> cancels FODC_GUARDED_BY(mutex);
  Id next_id FODC_GUARDED_BY(mutex) = 1;
  Stats stats FODC_GUARDED_BY(mutex);

  // The thread's own.
  std::unordered_map<Id, std::unique_ptr<Transfer>> active;
  std::map<std::pair<MonotonicTime, Id>, Transfer*> deadlines;
  std::vector<Easy> spare;

  std::jthread thread;

  void Run(const std::stop_token& stop);
  void TakeIncoming();
  void Begin(std::unique_ptr<Transfer> transfer);
  Status Configure(Transfer& t);
  void End(Transfer* t, CURLcode code);
  // `t` has left the multi handle; `status` overrules what came.
  void Complete(std::unique_ptr<Transfer> t, const Status& status);
  std::unique_ptr<Transfer> Remove(Transfer* t);
  void ExpireDeadlines();
  Status DeadlineStatus(const Transfer& t) const;
};

Status HttpClient::Impl::Configure(Transfer& t) {
  CURL* c = t.easy.get();
  const HttpClientRequest& r = t.request;
  curl_easy_setopt(c, CURLOPT_URL, r.url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_PROXY, "");
  curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
                   static_cast<long>(CURL_HTTP_VERSION_1_1));
  // A name server that is slow must not hold up the thread at the end.
  curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(c, CURLOPT_BUFFERSIZE, kReadBytes);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t.error);
  curl_easy_setopt(c, CURLOPT_PRIVATE, &t);
  curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, HeaderCallback);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, BodyCallback);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE,
                   static_cast<curl_off_t>(r.max_body_bytes));
  curl_easy_setopt(c, CURLOPT_USERAGENT, options.user_agent.c_str());
  if (r.is_post) {
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
  }
  const auto add = [&t](const std::string& line) {
    t.headers.reset(curl_slist_append(t.headers.release(), line.c_str()));
  };
  for (const auto& [name, value] : r.headers) {
    const std::string line = StrCat(name, ": ", value);
    if (line.find_first_of("\r\n") != std::string::npos) {
      return InvalidArgument("header " + ToValidUtf8(name) +
                             " holds a line feed");
    }
    add(line);
  }
  if (r.accept_compressed) add("Accept-Encoding: zstd, gzip;q=0.9");
  if (t.headers) curl_easy_setopt(c, CURLOPT_HTTPHEADER, t.headers.get());
  return OkStatus();
}

void HttpClient::Impl::Begin(std::unique_ptr<Transfer> transfer) {
  Transfer& t = *transfer;
  t.result.url = WithoutUserInfo(t.request.url);
  if (!t.failure.ok()) {
    return Complete(std::move(transfer), t.failure);
  }
  if (!spare.empty()) {
    t.easy = std::move(spare.back());
    spare.pop_back();
  } else {
    t.easy.reset(curl_easy_init());
  }
  if (!t.easy) {
    return Complete(std::move(transfer), ResourceExhausted("no memory"));
  }
  if (Status s = Configure(t); !s.ok()) {
    return Complete(std::move(transfer), s);
  }
  if (curl_multi_add_handle(multi, t.easy.get()) != CURLM_OK) {
    return Complete(std::move(transfer), Internal("curl_multi_add_handle"));
  }
  deadlines.emplace(std::pair(t.deadline, t.id), &t);
  active.emplace(t.id, std::move(transfer));
}

std::unique_ptr<Transfer> HttpClient::Impl::Remove(Transfer* t) {
  curl_multi_remove_handle(multi, t->easy.get());
  deadlines.erase({t->deadline, t->id});
  auto node = active.extract(t->id);
  return std::move(node.mapped());
}

void HttpClient::Impl::End(Transfer* t, CURLcode code) {
  std::unique_ptr<Transfer> own = Remove(t);
  long http_status = 0;
  curl_easy_getinfo(t->easy.get(), CURLINFO_RESPONSE_CODE, &http_status);
  if (!t->failure.ok()) {
    return Complete(std::move(own), t->failure);
  }
  if (code == CURLE_FILESIZE_EXCEEDED) {
    return Complete(std::move(own), t->TooLarge());
  }
  if (code != CURLE_OK) {
    Code c = CodeOf(code);
    // Cut in the middle of an answer: its bytes are lost, the peer is there.
    if (c == Code::kUnavailable && t->header_bytes > 0) c = Code::kDataLoss;
    // An answer without a status line comes as this, too.
    curl_off_t connected_us = 0;
    curl_easy_getinfo(t->easy.get(), CURLINFO_CONNECT_TIME_T, &connected_us);
    if (code == CURLE_UNSUPPORTED_PROTOCOL && connected_us > 0) {
      c = Code::kDataLoss;
    }
    std::string text =
        t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
    long os_errno = 0;
    curl_easy_getinfo(t->easy.get(), CURLINFO_OS_ERRNO, &os_errno);
    if (code == CURLE_COULDNT_CONNECT && os_errno != 0) {
      text = ErrnoStatus(static_cast<int>(os_errno), text).message();
    }
    return Complete(std::move(own), Status(c, std::move(text)));
  }
  if (t->decoder) {
    if (Status s = t->decoder->End(); !s.ok()) {
      return Complete(std::move(own), s);
    }
  }
  if (http_status >= 300 && http_status < 400 && !t->location.empty()) {
    return Complete(
        std::move(own),
        FailedPrecondition(StrCat("HTTP ", http_status, " redirects to ",
                                  ToValidUtf8(WithoutUserInfo(t->location)),
                                  ", which is not followed")));
  }
  Complete(std::move(own), OkStatus());
}

void HttpClient::Impl::Complete(std::unique_ptr<Transfer> t,
                                const Status& status) {
  HttpClientResult& r = t->result;
  r.duration = SystemClock().Monotonic() - t->start;
  if (!status.ok()) r.status = status.WithContext(r.url);
  if (t->easy) {
    CURL* c = t->easy.get();
    long http_status = 0;
    long connects = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &http_status);
    curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &connects);
    r.http_status = static_cast<int>(http_status);
    curl_easy_reset(c);
    if (spare.size() < kMaxSpareHandles) spare.push_back(std::move(t->easy));
    MutexLock lock(mutex);
    stats.connections += static_cast<std::uint64_t>(std::max(connects, 0L));
  }
  {
    MutexLock lock(mutex);
    --stats.in_flight;
    if (!r.status.ok()) ++stats.failed;
    stats.wire_bytes += r.wire_bytes;
    stats.body_bytes += r.body_bytes;
  }
  t->done(std::move(r));
}

Status HttpClient::Impl::DeadlineStatus(const Transfer& t) const {
  const std::string passed =
      "deadline of " + FormatGoDuration(t.request.deadline) + " passed ";
  curl_off_t connected_us = 0;
  curl_easy_getinfo(t.easy.get(), CURLINFO_CONNECT_TIME_T, &connected_us);
  if (t.result.wire_bytes > 0) {
    return DeadlineExceeded(
        StrCat(passed, "after ", t.result.wire_bytes, " bytes of the body"));
  }
  if (t.header_bytes > 0) return DeadlineExceeded(passed + "in the headers");
  return DeadlineExceeded(passed + (connected_us > 0 ? "waiting for an answer"
                                                     : "while connecting"));
}

void HttpClient::Impl::ExpireDeadlines() {
  const MonotonicTime now = SystemClock().Monotonic();
  while (!deadlines.empty() && deadlines.begin()->first.first <= now) {
    Transfer* t = deadlines.begin()->second;
    const Status s = DeadlineStatus(*t);
    Complete(Remove(t), s);
  }
}

void HttpClient::Impl::TakeIncoming() {
  std::vector<std::unique_ptr<Transfer>> begin;
  std::vector<Id> cancel;
  {
    MutexLock lock(mutex);
    begin.swap(incoming);
    cancel.swap(cancels);
  }
  for (auto& t : begin) Begin(std::move(t));
  for (const Id id : cancel) {
    const auto it = active.find(id);
    if (it != active.end()) {
      Complete(Remove(it->second.get()), Cancelled("cancelled"));
    }
  }
}

void HttpClient::Impl::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    TakeIncoming();
    int running = 0;
    curl_multi_perform(multi, &running);
    int left = 0;
    while (CURLMsg* m = curl_multi_info_read(multi, &left)) {
      if (m->msg != CURLMSG_DONE) continue;
      char* t = nullptr;
      curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
      End(reinterpret_cast<Transfer*>(t), m->data.result);
    }
    ExpireDeadlines();
    auto wait = std::chrono::milliseconds(kLongestPoll);
    if (!deadlines.empty()) {
      const auto until =
          deadlines.begin()->first.first - SystemClock().Monotonic();
      wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(until),
                        std::chrono::milliseconds(0), wait);
    }
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
  }
  TakeIncoming();
  while (!active.empty()) {
    Complete(Remove(active.begin()->second.get()),
             Cancelled("the client ends"));
  }
}

HttpClient::HttpClient() : HttpClient(Options()) {}

HttpClient::HttpClient(Options options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  GlobalInit();
  impl_->multi = curl_multi_init();
  FODC_CHECK(impl_->multi != nullptr);
  curl_multi_setopt(impl_->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                    impl_->options.max_connections_per_endpoint);
  curl_multi_setopt(impl_->multi, CURLMOPT_MAXCONNECTS,
                    impl_->options.max_idle_connections);
  impl_->thread = std::jthread(
      [impl = impl_.get()](const std::stop_token& stop) { impl->Run(stop); });
}

HttpClient::~HttpClient() {
  impl_->thread.request_stop();
  curl_multi_wakeup(impl_->multi);
  impl_->thread.join();
  impl_->spare.clear();
  curl_multi_cleanup(impl_->multi);
}

HttpClient::Id HttpClient::Get(HttpClientRequest request, Done done) {
  auto t = std::make_unique<Transfer>();
  t->start = SystemClock().Monotonic();
  t->deadline = t->start + request.deadline;
  t->request = std::move(request);
  t->done = std::move(done);
  Id id = 0;
  bool refused = false;
  {
    MutexLock lock(impl_->mutex);
    id = t->id = impl_->next_id++;
    ++impl_->stats.requests;
    ++impl_->stats.in_flight;
    refused = impl_->stats.in_flight > impl_->options.max_in_flight;
    if (refused) {
      ++impl_->stats.refused;
      // Its answer comes from the thread, as every other.
      t->failure =
          ResourceExhausted(StrCat("more than ", impl_->options.max_in_flight,
                                   " requests are in flight"));
    }
    impl_->incoming.push_back(std::move(t));
  }
  curl_multi_wakeup(impl_->multi);
  return id;
}

void HttpClient::Cancel(Id id) {
  {
    MutexLock lock(impl_->mutex);
    impl_->cancels.push_back(id);
  }
  curl_multi_wakeup(impl_->multi);
}

HttpClient::Stats HttpClient::stats() const {
  MutexLock lock(impl_->mutex);
  return impl_->stats;
}

HttpClientResult GetAndWait(HttpClient& client, HttpClientRequest request) {
  Mutex mutex;
  CondVar there;
  std::optional<HttpClientResult> result;
  client.Get(std::move(request), [&](HttpClientResult r) {
    MutexLock lock(mutex);
    result = std::move(r);
    there.NotifyAll();
  });
  MutexLock lock(mutex);
  while (!result) there.Wait(mutex);
  return *std::move(result);
}

}  // namespace fodc::net
