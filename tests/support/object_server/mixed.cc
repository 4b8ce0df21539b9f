// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/mixed.h"

#include <optional>
#include <set>
#include <utility>

#include "fodc/base/strings.h"
#include "tests/support/object_server/text.h"

namespace fodc::object_server {
namespace {

// Of the lines of a part's own head.
std::optional<std::string> LineOf(std::string_view head,
                                  std::string_view name) {
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos &&
        EqualsIgnoreCase(line.substr(0, colon), name)) {
      return std::string(Trim(line.substr(colon + 1)));
    }
    if (end == std::string_view::npos) break;
    head.remove_prefix(end + 2);
  }
  return std::nullopt;
}

Result<MixedPart> ReadPart(std::string_view text) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos)
    return InvalidArgument("a part without an empty line");
  const std::string_view own = text.substr(0, head);
  if (LineOf(own, "content-type") != "application/http")
    return InvalidArgument("a part that is no application/http");
  const auto id = LineOf(own, "content-id");
  if (!id || id->empty()) return InvalidArgument("a part without Content-ID");
  std::string_view request = text.substr(head + 4);
  const std::size_t end = request.find("\r\n\r\n");
  if (end == std::string_view::npos || end + 4 != request.size())
    return InvalidArgument("a request that does not end with an empty line");
  const std::size_t line = request.find("\r\n");
  return MixedPart{*id, StrCat(request.substr(0, line), "\r\nHost: batch",
                               request.substr(line))};
}

}  // namespace

Result<std::vector<MixedPart>> ReadMixed(std::string_view content_type,
                                         std::string_view body,
                                         std::size_t most) {
  const auto boundary = FieldOf(content_type, "boundary", ';');
  if (!content_type.starts_with("multipart/mixed;") || !boundary)
    return InvalidArgument("no multipart/mixed with a boundary");
  const std::string mark = StrCat("--", *boundary, "\r\n");
  // The empty line ends each request, and stands before the next boundary.
  const std::string between = StrCat("\r\n", mark);
  const std::string last = StrCat("\r\n--", *boundary, "--\r\n");
  if (!ConsumePrefix(&body, mark) || !body.ends_with(last))
    return InvalidArgument("not between its boundaries");
  body.remove_suffix(last.size() - 2);  // its CRLF is the request's
  std::vector<MixedPart> parts;
  std::set<std::string> ids;
  while (true) {
    const std::size_t end = body.find(between);
    const bool is_last = end == std::string_view::npos;
    FODC_ASSIGN_OR_RETURN(MixedPart part,
                          ReadPart(is_last ? body : body.substr(0, end + 2)));
    if (!ids.insert(part.id).second)
      return InvalidArgument("two parts with one Content-ID");
    parts.push_back(std::move(part));
    if (parts.size() > most) return InvalidArgument("too many parts");
    if (is_last) return parts;
    body.remove_prefix(end + between.size());
  }
}

Response AnswerMixed(const Call& call, Service* service,
                     const std::vector<MixedPart>& parts, bool is_google,
                     const std::function<Response(Call* part)>& serve) {
  const std::string boundary = StrCat("batchresponse_", call.request_id);
  Response whole;
  whole.status = is_google ? 200 : 202;
  whole.content_type = StrCat("multipart/mixed; boundary=", boundary);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Request request;
    const Status parsed = ParseHead(parts[i].head, &request);
    Call part(request);
    part.now = call.now;
    part.request_id = StrCat(call.request_id, "-", i);
    Response r;
    if (i == 0 && call.part_status != 0) {
      r = service->Refuse(call, call.part_status,
                          service->CodeOf(call.part_status),
                          "as a test wanted it");
    } else if (!parsed.ok() || request.content_length.value_or(0) != 0) {
      r = service->Refuse(call, 400, service->CodeOf(400), parsed.message());
    } else {
      r = serve(&part);
    }
    std::string id = parts[i].id;
    if (is_google) id.insert(id.starts_with('<') ? 1 : 0, "response-");
    whole.body +=
        StrCat("--", boundary,
               "\r\nContent-Type: application/http\r\nContent-ID: ", id,
               "\r\n\r\nHTTP/1.1 ", r.status, " ", ReasonOf(r.status), "\r\n",
               r.headers);
    if (!r.body.empty()) {
      whole.body += StrCat("Content-Type: ", r.content_type,
                           "\r\nContent-Length: ", r.body.size(), "\r\n");
    }
    whole.body += StrCat("\r\n", r.body, r.body.empty() ? "" : "\r\n");
  }
  whole.body += StrCat("--", boundary, "--\r\n");
  return whole;
}

}  // namespace fodc::object_server
