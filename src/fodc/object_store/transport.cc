// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/transport.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace fodc::object_store {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64u << 10;
// Beyond it the store is asked whether it wants the body.
constexpr std::uint64_t kExpectBytes = 1u << 20;
constexpr long kConnectSeconds = 10;
constexpr long kSlowBytesPerSecond = 1024;
constexpr long kSlowSeconds = 60;
constexpr long kSlowPacedSeconds = 600;
constexpr long kBufferBytes = 256l << 10;
constexpr std::size_t kMaxSpare = 16;
constexpr int kLongestPollMs = 60'000;

struct FreeEasy {
  void operator()(CURL* c) const { curl_easy_cleanup(c); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;

struct FreeList {
  void operator()(curl_slist* l) const { curl_slist_free_all(l); }
};

void InitOnce() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// libcurl 7.88 opens sockets without close-on-exec.
curl_socket_t OpenSocket(void*, curlsocktype, curl_sockaddr* a) {
  return ::socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

Code CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Code::kInvalidArgument;
    case CURLE_OPERATION_TIMEDOUT:
      return Code::kDeadlineExceeded;
    case CURLE_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Code::kFailedPrecondition;
    default:
      return Code::kUnavailable;
  }
}

// One request on its way; it lives as long as its caller waits. The loop's
// thread owns it from Submit until `is_over`.
struct Transfer {
  const HttpRequest* request = nullptr;
  const TransferOptions* options = nullptr;
  HttpAnswer answer = {};
  Easy easy = nullptr;
  std::unique_ptr<curl_slist, FreeList> headers = nullptr;
  char error[CURL_ERROR_SIZE] = {};
  Status failure = {};  // ours, which ended the transfer
  std::uint64_t sent = 0;
  std::size_t header_bytes = 0;
  bool is_over = false;
  CondVar over = {};  // its caller's, who waits for nobody else's
  // Of the bandwidth, and not used yet.
  Pace* bandwidth = nullptr;
  std::size_t reserved = 0;
  // Set while it waits for its turn.
  std::optional<MonotonicTime> paused_until = {};

  // Whether so many bytes may move now; else it is to be paused.
  bool IsTurn(std::size_t bytes);

  std::size_t OnHeader(std::string_view line);
  std::size_t OnBody(std::string_view bytes);
  std::size_t OnRead(char* buffer, std::size_t bytes);
  int OnSeek(curl_off_t offset);
};

std::size_t Transfer::OnHeader(std::string_view line) {
  header_bytes += line.size();
  if (header_bytes > kMaxHeaderBytes) {
    failure = ResourceExhausted(
        StrCat("the headers are larger than ", kMaxHeaderBytes, " bytes"));
    return CURL_WRITEFUNC_ERROR;
  }
  const std::size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) {  // also after an interim answer
    answer.headers.clear();
  } else if (colon != line.npos) {
    answer.headers.emplace_back(Trim(line.substr(0, colon)),
                                Trim(line.substr(colon + 1)));
  }
  return line.size();
}

bool Transfer::IsTurn(std::size_t bytes) {
  if (bandwidth == nullptr || reserved >= bytes) return true;
  const std::chrono::nanoseconds wait = bandwidth->Reserve(bytes - reserved);
  reserved = bytes;
  if (wait <= std::chrono::nanoseconds(0)) return true;
  paused_until = bandwidth->clock().Monotonic() + wait;
  return false;
}

std::size_t Transfer::OnBody(std::string_view bytes) {
  // They come again afterwards, maybe with more.
  if (!IsTurn(bytes.size())) return CURL_WRITEFUNC_PAUSE;
  reserved -= std::min(reserved, bytes.size());
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (options->sink && status >= 200 && status < 300) {
    failure = options->sink(bytes);
  } else if (answer.body.size() + bytes.size() > options->max_body_bytes) {
    failure =
        ResourceExhausted(StrCat("the answer is larger than the limit of ",
                                 options->max_body_bytes, " bytes"));
  } else {
    answer.body += bytes;
  }
  return failure.ok() ? bytes.size() : CURL_WRITEFUNC_ERROR;
}

std::size_t Transfer::OnRead(char* buffer, std::size_t bytes) {
  bytes = std::min<std::uint64_t>(bytes, request->body_bytes - sent);
  if (bytes == 0) return 0;
  if (bandwidth != nullptr)
    bytes = std::min<std::uint64_t>(bytes, bandwidth->piece());
  if (!IsTurn(bytes)) return CURL_READFUNC_PAUSE;
  auto got = request->body->ReadAt(request->body_offset + sent, buffer, bytes);
  if (!got.ok()) {
    failure = std::move(got).status();
    return CURL_READFUNC_ABORT;
  }
  sent += *got;
  reserved -= std::min(reserved, *got);
  return *got;
}

// A kept connection may have died meanwhile: the body goes once more.
int Transfer::OnSeek(curl_off_t offset) {
  sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t HeaderCallback(char* data, std::size_t, std::size_t n, void* t) {
  return static_cast<Transfer*>(t)->OnHeader({data, n});
}
std::size_t BodyCallback(char* data, std::size_t, std::size_t n, void* t) {
  return static_cast<Transfer*>(t)->OnBody({data, n});
}
std::size_t ReadCallback(char* data, std::size_t size, std::size_t n, void* t) {
  return static_cast<Transfer*>(t)->OnRead(data, size * n);
}
int SeekCallback(void* t, curl_off_t offset, int /*origin*/) {
  return static_cast<Transfer*>(t)->OnSeek(offset);
}

Status SetHeaders(Transfer* t) {
  const auto add = [t](const std::string& line) {
    t->headers.reset(curl_slist_append(t->headers.release(), line.c_str()));
  };
  for (const auto& [name, value] : t->request->headers) {
    // Without a value it stands with a ';', or libcurl leaves it out.
    const std::string line =
        value.empty() ? name + ";" : StrCat(name, ": ", value);
    if (line.find_first_of("\r\n") != line.npos)
      return InvalidArgument("header " + ToValidUtf8(name) +
                             " holds a line feed");
    add(line);
  }
  if (t->request->body_bytes < kExpectBytes) add("Expect:");
  curl_easy_setopt(t->easy.get(), CURLOPT_HTTPHEADER, t->headers.get());
  return OkStatus();
}

void SetMethod(Transfer* t) {
  CURL* const c = t->easy.get();
  const HttpRequest& r = *t->request;
  if (r.body != nullptr || r.method == "PUT" || r.method == "POST") {
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(r.body_bytes));
    curl_easy_setopt(c, CURLOPT_READFUNCTION, ReadCallback);
    curl_easy_setopt(c, CURLOPT_READDATA, t);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, SeekCallback);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
  } else if (r.method == "HEAD") {
    curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r.method.c_str());
}

}  // namespace

std::string_view HttpAnswer::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

struct Transport::Impl {
  explicit Impl(const Options& o) : options(o) {}

  const Options options;
  CURLM* multi = nullptr;
  Mutex mutex;
  std::vector<Transfer*> incoming FODC_GUARDED_BY(mutex);
  std::vector<Transfer*> cancelled FODC_GUARDED_BY(mutex);
  // The thread's own.
  std::set<Transfer*> active;
  std::vector<Easy> spare;
  std::jthread thread;

  void Run(const std::stop_token& stop);
  void Begin(Transfer* t);
  // Those whose turn has come.
  void Resume();
  // How long until the next one's.
  std::chrono::milliseconds NextTurn() const;
  Status Configure(Transfer* t) const;
  void End(Transfer* t, Status status);
};

Status Transport::Impl::Configure(Transfer* t) const {
  CURL* const c = t->easy.get();
  const HttpRequest& r = *t->request;
  const std::string query = EncodeQuery(r.query);
  const std::string url =
      StrCat(r.origin, r.path, query.empty() ? "" : "?", query);
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  if (!options.proxy.empty())
    curl_easy_setopt(c, CURLOPT_PROXY, options.proxy.c_str());
  if (!options.ca_file.empty())
    curl_easy_setopt(c, CURLOPT_CAINFO, options.ca_file.c_str());
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
                   static_cast<long>(CURL_HTTP_VERSION_1_1));
  // A name server that is slow must not hold up the thread at the end.
  curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  // Who waits for a turn is not slow.
  const bool is_paced = options.bandwidth != nullptr;
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT,
                   is_paced ? 1L : kSlowBytesPerSecond);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
                   is_paced ? kSlowPacedSeconds : kSlowSeconds);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
  curl_easy_setopt(c, CURLOPT_PRIVATE, t);
  curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, HeaderCallback);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, BodyCallback);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(c, CURLOPT_USERAGENT, options.user_agent.c_str());
  // Large steps for large bodies alone: each kept handle keeps its buffer.
  if (r.body_bytes >= kExpectBytes)
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  if (t->options->sink) curl_easy_setopt(c, CURLOPT_BUFFERSIZE, kBufferBytes);
  SetMethod(t);
  return SetHeaders(t);
}

void Transport::Impl::Begin(Transfer* t) {
  if (spare.empty()) {
    t->easy.reset(curl_easy_init());
  } else {
    t->easy = std::move(spare.back());
    spare.pop_back();
  }
  if (t->easy == nullptr) return End(t, ResourceExhausted("no memory"));
  if (Status s = Configure(t); !s.ok()) return End(t, std::move(s));
  active.insert(t);
  if (curl_multi_add_handle(multi, t->easy.get()) != CURLM_OK)
    End(t, Internal("libcurl takes no more transfers"));
}

void Transport::Impl::End(Transfer* t, Status status) {
  if (t->easy != nullptr) {
    if (active.erase(t) > 0) curl_multi_remove_handle(multi, t->easy.get());
    long code = 0;
    curl_easy_getinfo(t->easy.get(), CURLINFO_RESPONSE_CODE, &code);
    t->answer.status = static_cast<int>(code);
    curl_easy_reset(t->easy.get());
    if (spare.size() < kMaxSpare) spare.push_back(std::move(t->easy));
    t->easy.reset();
  }
  const MutexLock lock(mutex);
  std::erase(cancelled, t);
  if (t->failure.ok()) t->failure = std::move(status);
  t->is_over = true;
  t->over.NotifyAll();
}

void Transport::Impl::Resume() {
  if (options.bandwidth == nullptr) return;
  const MonotonicTime now = options.bandwidth->clock().Monotonic();
  for (Transfer* const t : active) {
    if (!t->paused_until || *t->paused_until > now) continue;
    t->paused_until.reset();
    // The callbacks may pause it again at once.
    curl_easy_pause(t->easy.get(), CURLPAUSE_CONT);
  }
}

std::chrono::milliseconds Transport::Impl::NextTurn() const {
  std::chrono::milliseconds next{kLongestPollMs};
  if (options.bandwidth == nullptr) return next;
  const MonotonicTime now = options.bandwidth->clock().Monotonic();
  for (const Transfer* const t : active) {
    if (!t->paused_until) continue;
    next = std::clamp(
        std::chrono::ceil<std::chrono::milliseconds>(*t->paused_until - now),
        std::chrono::milliseconds(0), next);
  }
  return next;
}

void Transport::Impl::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<Transfer*> begin;
    std::vector<Transfer*> cancel;
    {
      const MutexLock lock(mutex);
      begin.swap(incoming);
      cancel.swap(cancelled);
    }
    for (Transfer* const t : begin) Begin(t);
    // One that is over by now is gone from `active`, and is not looked into.
    for (Transfer* const t : cancel) {
      if (active.contains(t)) End(t, Cancelled("stopped"));
    }
    Resume();
    int running = 0;
    curl_multi_perform(multi, &running);
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Transfer* t = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
      End(t, code == CURLE_OK
                 ? OkStatus()
                 : Status(CodeOf(code), t->error[0] != '\0'
                                            ? std::string(t->error)
                                            : curl_easy_strerror(code)));
    }
    if (active.empty() || running > 0) {
      curl_multi_poll(multi, nullptr, 0, static_cast<int>(NextTurn().count()),
                      nullptr);
    }
  }
}

Transport::Transport(const Options& options)
    : impl_(std::make_unique<Impl>(options)) {
  InitOnce();
  impl_->multi = curl_multi_init();
  FODC_CHECK(impl_->multi != nullptr);
  curl_multi_setopt(impl_->multi, CURLMOPT_MAXCONNECTS,
                    static_cast<long>(options.connections));
  impl_->thread =
      std::jthread([this](const std::stop_token& stop) { impl_->Run(stop); });
}

Transport::~Transport() {
  impl_->thread.request_stop();
  curl_multi_wakeup(impl_->multi);
  impl_->thread.join();
  impl_->spare.clear();
  curl_multi_cleanup(impl_->multi);
}

Result<HttpAnswer> Transport::Perform(const HttpRequest& request,
                                      const TransferOptions& options) {
  Transfer transfer{.request = &request,
                    .options = &options,
                    .bandwidth = impl_->options.bandwidth};
  {
    const MutexLock lock(impl_->mutex);
    impl_->incoming.push_back(&transfer);
  }
  curl_multi_wakeup(impl_->multi);
  const std::stop_callback cancel(options.stop, [this, &transfer] {
    {
      const MutexLock lock(impl_->mutex);
      if (transfer.is_over) return;
      impl_->cancelled.push_back(&transfer);
    }
    curl_multi_wakeup(impl_->multi);
  });
  MutexLock lock(impl_->mutex);
  while (!transfer.is_over) transfer.over.Wait(impl_->mutex);
  if (!transfer.failure.ok()) {
    return transfer.failure.WithContext(
        StrCat(request.method, " ", HostOf(request.origin), request.path));
  }
  return std::move(transfer.answer);
}

}  // namespace fodc::object_store
