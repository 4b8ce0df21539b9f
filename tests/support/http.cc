// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>

#include "fodc/base/strings.h"

namespace fodc::test {
namespace {

std::size_t TakeBody(char* data, std::size_t size, std::size_t n, void* user) {
  static_cast<HttpAnswer*>(user)->body.append(data, size * n);
  return size * n;
}

std::size_t TakeHeader(char* data, std::size_t size, std::size_t n,
                       void* user) {
  const std::string_view line(data, size * n);
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    static_cast<HttpAnswer*>(user)->headers[ToLower(line.substr(0, colon))] =
        std::string(Trim(line.substr(colon + 1)));
  }
  return size * n;
}

HttpAnswer Perform(const char* method, const std::string& url,
                   const std::string* body, std::chrono::milliseconds limit,
                   const std::vector<std::string>& headers, bool gzip) {
  static const CURLcode kInit = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)kInit;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(),
                                                    curl_easy_cleanup);
  HttpAnswer answer;
  curl_slist* list = nullptr;
  for (const std::string& h : headers)
    list = curl_slist_append(list, h.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(limit.count()));
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &answer);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list);
  if (method != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method);
    if (std::string_view(method) == "HEAD") {
      curl_easy_setopt(curl.get(), CURLOPT_NOBODY, 1L);
    }
  }
  if (body != nullptr && !body->empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->c_str());
  }
  if (gzip) curl_easy_setopt(curl.get(), CURLOPT_ACCEPT_ENCODING, "gzip");
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl.get(), CURLINFO_TOTAL_TIME, &answer.seconds);
  curl_slist_free_all(list);
  if (code == CURLE_OK) {
    answer.status = static_cast<int>(status);
  } else {
    answer.error = curl_easy_strerror(code);
  }
  return answer;
}

bool WaitFor(int fd, short events, std::chrono::milliseconds limit) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, static_cast<int>(std::max<long>(limit.count(), 0))) > 0;
}

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == ':';
}

// Reads one sample line; false if it is none.
bool ReadSample(std::string_view line, TextSample* s) {
  std::size_t i = 0;
  const auto blanks = [&] {
    while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
  };
  blanks();
  while (i < line.size() && IsNameChar(line[i])) s->name.push_back(line[i++]);
  if (s->name.empty()) return false;
  blanks();
  if (i < line.size() && line[i] == '{') {
    ++i;
    for (;;) {
      while (i < line.size() && (line[i] == ' ' || line[i] == ',')) ++i;
      if (i >= line.size()) return false;
      if (line[i] == '}') {
        ++i;
        break;
      }
      std::string name;
      while (i < line.size() && IsNameChar(line[i])) name.push_back(line[i++]);
      blanks();
      if (i >= line.size() || line[i++] != '=') return false;
      blanks();
      if (i >= line.size() || line[i++] != '"') return false;
      std::string value;
      for (; i < line.size() && line[i] != '"'; ++i) {
        if (line[i] == '\\' && i + 1 < line.size()) {
          ++i;
          value.push_back(line[i] == 'n' ? '\n' : line[i]);
        } else {
          value.push_back(line[i]);
        }
      }
      if (i >= line.size()) return false;
      ++i;
      s->labels[name] = value;
    }
  }
  blanks();
  std::size_t end = i;
  while (end < line.size() && line[end] != ' ' && line[end] != '\t') ++end;
  const std::string number(line.substr(i, end - i));
  if (number.empty()) return false;
  char* rest = nullptr;
  s->value = std::strtod(number.c_str(), &rest);
  if (*rest != '\0') return false;
  i = end;
  blanks();
  end = i;
  while (end < line.size() && line[end] != ' ' && line[end] != '\t') ++end;
  if (end > i && line[i] != '#') {
    s->timestamp = std::string(line.substr(i, end - i));
  }
  return true;
}

}  // namespace

HttpAnswer Get(const std::string& url, std::chrono::milliseconds limit,
               const std::vector<std::string>& headers, bool gzip) {
  return Perform(nullptr, url, nullptr, limit, headers, gzip);
}

HttpAnswer Request(const std::string& method, const std::string& url,
                   const std::string& body, std::chrono::milliseconds limit) {
  return Perform(method.c_str(), url, &body, limit, {}, false);
}

std::string UrlEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4U]);
      out.push_back(kHex[byte & 15U]);
    }
  }
  return out;
}

RawConnection::RawConnection(std::uint16_t port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) != 0) {
    fd_.reset();
  }
}

bool RawConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n =
        ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

std::string RawConnection::Receive(std::chrono::milliseconds limit,
                                   std::string_view until) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::string out;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !WaitFor(fd_.get(), POLLIN, left)) return out;
    char piece[65536];
    const ssize_t n = ::recv(fd_.get(), piece, sizeof piece, 0);
    if (n <= 0) return out;
    out.append(piece, static_cast<std::size_t>(n));
    if (!until.empty() && out.find(until) != std::string::npos) return out;
  }
}

bool RawConnection::ClosedWithin(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !WaitFor(fd_.get(), POLLIN, left)) return false;
    char piece[65536];
    if (::recv(fd_.get(), piece, sizeof piece, 0) <= 0) return true;
  }
}

std::vector<TextSample> ReadPage(std::string_view page, int* bad) {
  std::vector<TextSample> samples;
  for (std::string_view line : Split(page, '\n')) {
    line = Trim(line);
    if (line.empty() || line.front() == '#') continue;
    TextSample s;
    if (ReadSample(line, &s)) {
      samples.push_back(std::move(s));
    } else if (bad != nullptr) {
      ++*bad;
    }
  }
  return samples;
}

std::vector<TextSample> Find(const std::vector<TextSample>& page,
                             std::string_view name,
                             const std::map<std::string, std::string>& labels) {
  std::vector<TextSample> found;
  for (const TextSample& s : page) {
    if (s.name != name) continue;
    bool fits = true;
    for (const auto& [key, value] : labels) {
      const auto it = s.labels.find(key);
      fits &= it != s.labels.end() && it->second == value;
    }
    if (fits) found.push_back(s);
  }
  return found;
}

double ValueOf(std::string_view page, std::string_view name,
               const std::map<std::string, std::string>& labels) {
  const auto found = Find(ReadPage(page), name, labels);
  return found.empty() ? std::numeric_limits<double>::quiet_NaN()
                       : found.front().value;
}

}  // namespace fodc::test
