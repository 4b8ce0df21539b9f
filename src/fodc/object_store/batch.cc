// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/batch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

// No line of what is between begins so: keys are encoded, in requests' lines.
constexpr char kBoundary[] = "batch_2f0cb6d2-5d3a-4a5e-9f0e-0c1d8a7b6e54";
constexpr char kContentType[] =
    "multipart/mixed; boundary=batch_2f0cb6d2-5d3a-4a5e-9f0e-0c1d8a7b6e54";

std::string_view ValueOf(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [n, value] : headers) {
    if (EqualsIgnoreCase(n, name)) return value;
  }
  return {};
}

std::optional<std::string> BoundaryIn(std::string_view content_type) {
  const auto fields = Split(content_type, ';');
  if (!EqualsIgnoreCase(Trim(fields[0]), "multipart/mixed")) return {};
  for (std::size_t i = 1; i < fields.size(); ++i) {
    const std::string_view field = Trim(fields[i]);
    const std::size_t equals = field.find('=');
    if (equals == field.npos ||
        !EqualsIgnoreCase(field.substr(0, equals), "boundary")) {
      continue;
    }
    std::string_view value = field.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    if (value.empty() || value.size() > 200) return {};
    return std::string(value);
  }
  return {};
}

// A line without its end, which is taken off `text`, too.
std::string_view TakeLine(std::string_view* text) {
  const std::size_t end = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Up to the empty line, which is taken, too.
HttpHeaders TakeHeaders(std::string_view* text) {
  HttpHeaders headers;
  while (!text->empty()) {
    const std::string_view line = TakeLine(text);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    headers.emplace_back(line.substr(0, colon), Trim(line.substr(colon + 1)));
  }
  return headers;
}

// "<response-fodc+12>": 12.
std::optional<std::size_t> NumberIn(std::string_view id) {
  if (id.ends_with('>')) id.remove_suffix(1);
  const std::size_t before = id.find_last_not_of("0123456789");
  const auto number = ParseUint(before == id.npos ? id : id.substr(before + 1));
  if (!number) return {};
  return static_cast<std::size_t>(*number);
}

// What stands between the boundaries. Absent: the last one is missing.
std::optional<std::vector<std::string_view>> PartsOf(
    std::string_view body, const std::string& boundary) {
  const std::string mark = "--" + boundary;
  std::vector<std::string_view> parts;
  // Where the part begins that is being read.
  std::size_t begin = body.npos;
  for (std::size_t at = 0; at < body.size();) {
    const std::string_view line =
        body.substr(at, std::min(body.find('\n', at), body.size()) - at);
    const std::size_t next = std::min(at + line.size() + 1, body.size());
    const std::string_view text =
        line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    if (text.starts_with(mark)) {
      const std::string_view rest = Trim(text.substr(mark.size()));
      if (rest.empty() || rest == "--") {
        if (begin != body.npos) parts.push_back(body.substr(begin, at - begin));
        if (rest == "--") return parts;
        begin = next;
      }
    }
    at = next;
  }
  return {};
}

}  // namespace

std::string_view BatchContentType() { return kContentType; }

std::string WriteBatch(const std::vector<HttpRequest>& requests,
                       std::string_view id_before, std::string_view id_after) {
  std::string text;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const HttpRequest& r = requests[i];
    text += StrCat("--", kBoundary,
                   "\r\nContent-Type: application/http\r\n"
                   "Content-Transfer-Encoding: binary\r\nContent-ID: ",
                   id_before, i, id_after, "\r\n\r\n");
    text += StrCat(r.method, " ", r.path);
    if (!r.query.empty()) text += StrCat("?", EncodeQuery(r.query));
    text += " HTTP/1.1\r\n";
    for (const auto& [name, value] : r.headers)
      text += StrCat(name, ": ", value, "\r\n");
    text += "Content-Length: 0\r\n\r\n";
  }
  return StrCat(text, "--", kBoundary, "--\r\n");
}

Result<std::vector<BatchAnswer>> ReadBatch(std::string_view content_type,
                                           std::string_view body,
                                           std::size_t requests) {
  const auto boundary = BoundaryIn(content_type);
  if (!boundary) return DataLoss("the answer to a batch is no batch");
  const auto parts = PartsOf(body, *boundary);
  if (!parts) return DataLoss("the answer to a batch has no end");
  std::vector<BatchAnswer> answers(requests);
  for (std::string_view part : *parts) {
    const HttpHeaders head = TakeHeaders(&part);
    const auto number = NumberIn(ValueOf(head, "Content-ID"));
    std::string_view line = TakeLine(&part);
    // "HTTP/1.1 202 Accepted"
    if (!number || *number >= requests || !ConsumePrefix(&line, "HTTP/1.") ||
        line.size() < 5) {
      return DataLoss("an answer in a batch cannot be read");
    }
    const auto status = ParseUint(line.substr(2, 3));
    BatchAnswer& answer = answers[*number];
    if (!status || *status < 200 || *status > 599 || answer.status != 0)
      return DataLoss("an answer in a batch has no status, or is there twice");
    answer.status = static_cast<int>(*status);
    answer.headers = TakeHeaders(&part);
    answer.body = Trim(part);
  }
  return answers;
}

}  // namespace fodc::object_store
