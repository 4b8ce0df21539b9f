// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/api.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/net/url.h"

namespace kvnode {

using fodc::InvalidArgument;
using fodc::ParseUint;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;
using fodc::net::Access;
using fodc::net::AppendPercentEncoded;
using fodc::net::HttpRequest;
using fodc::net::HttpResponse;
using fodc::net::HttpServer;
using fodc::net::PercentEncode;
using fodc::net::Responder;
using fodc::net::StatusError;
using fodc::net::TextError;
using fodc::net::TextResponse;

namespace {

HttpResponse Bytes(std::string body) {
  HttpResponse r;
  r.content_type = "application/octet-stream";
  r.body = std::move(body);
  return r;
}

HttpResponse NoContent() {
  HttpResponse r;
  r.status = 204;
  r.may_compress = false;
  return r;
}

// A whole number of the query; `otherwise` if it is not there.
Result<std::uint64_t> Number(const HttpRequest& request, std::string_view name,
                             std::uint64_t otherwise) {
  const auto text = request.query.Get(name);
  if (!text) return otherwise;
  const auto number = ParseUint(*text);
  if (!number) {
    return InvalidArgument(
        StrCat(name, " is not a whole number: '", *text, "'"));
  }
  return *number;
}

Outcome OutcomeOf(const HttpResponse& response) {
  if (response.status == 503) return Outcome::kRejected;
  return response.status >= 500 ? Outcome::kError : Outcome::kOk;
}

}  // namespace

void Api::Install(HttpServer* server) {
  InstallReads(server);
  InstallWrites(server);
  server->Route("/metrics", Access::kViewer, [this](const HttpRequest&) {
    if (parts_.gate != nullptr) parts_.gate->UpdateMetrics();
    Result<std::string> page = parts_.metrics->Page(*parts_.store, *parts_.log);
    if (!page.ok()) return StatusError(page.status());
    HttpResponse r;
    r.content_type = "text/plain; version=0.0.4; charset=utf-8";
    r.body = *std::move(page);
    return r;
  });
  server->Route("/healthz", Access::kPublic,
                [](const HttpRequest&) { return TextResponse("ok\n"); });
  server->Route("/readyz", Access::kPublic, [this](const HttpRequest&) {
    return is_stopping_ ? TextError(503, "the node stops")
                        : TextResponse("ok\n");
  });
}

void Api::InstallReads(HttpServer* server) {
  server->Route("/kv/{key}", Access::kViewer,
                [this](const RequestPtr& request, Responder responder) {
                  Read(Request::kGet, {}, *request, std::move(responder),
                       [this, request]() -> HttpResponse {
                         auto value =
                             parts_.store->Get(request->path_values[0]);
                         if (!value.ok()) return StatusError(value.status());
                         if (!value->has_value()) {
                           return TextError(404, "no such key");
                         }
                         return Bytes(**std::move(value));
                       });
                });
  server->Route("/scan", Access::kViewer,
                [this](const RequestPtr& request, Responder responder) {
                  Read(Request::kScan, HeavyClass::kScan, *request,
                       std::move(responder),
                       [this, request] { return Scan(*request); });
                });
  server->Route(
      "/streams/{name}", Access::kViewer,
      [this](const RequestPtr& request, Responder responder) {
        const Result<std::uint64_t> after = Number(*request, "after", 0);
        if (!after.ok()) return responder.Send(StatusError(after.status()));
        // Who asks for what is new pays for what is new.
        const auto heavy =
            *after == 0 ? std::optional(HeavyClass::kStreamRead) : std::nullopt;
        Read(Request::kStreamRead, heavy, *request, std::move(responder),
             [this, request, from = *after] {
               return ReadStream(*request, from);
             });
      });
}

void Api::InstallWrites(HttpServer* server) {
  const auto route = [&](const char* pattern, const char* method, Request kind,
                         OperationKind operation) {
    server->Route(
        pattern, Access::kOperator,
        [this, kind, operation](const RequestPtr& request,
                                Responder responder) {
          Write(kind, operation, request, std::move(responder));
        },
        method);
  };
  route("/kv/{key}", "PUT", Request::kPut, OperationKind::kPut);
  route("/kv/{key}", "DELETE", Request::kDelete, OperationKind::kDelete);
  route("/streams/{name}", "POST", Request::kAppend, OperationKind::kAppend);
  server->Route(
      "/snapshot", Access::kOperator,
      [this](const RequestPtr& request, Responder responder) {
        // Heavy: it flushes, and one at a time is enough for anybody.
        Read(Request::kSnapshot, HeavyClass::kScan, *request,
             std::move(responder), [this]() -> HttpResponse {
               const Result<std::string> path =
                   parts_.snapshots->Make(*parts_.store);
               if (!path.ok()) return StatusError(path.status());
               return TextResponse(*path + "\n");
             });
      },
      "POST");
}

// What a handler throws is one failed request, with its evidence on disk, and
// not the end of the node.
HttpResponse Api::Guarded(Request kind, Work work) {
  if (parts_.panics == nullptr) return work();
  HttpResponse response;
  const fodc::guard::GuardedResult result = parts_.panics->Run("api", [&] {
    fodc::guard::AddBreadcrumb(RequestName(kind), "api");
    response = work();
  });
  return result.panicked ? TextError(500, "internal error")
                         : std::move(response);
}

void Api::Read(Request kind, std::optional<HeavyClass> heavy,
               const HttpRequest& request, Responder responder, Work work) {
  const Answer answer = AnswerTo(kind, std::move(responder));
  Workers* workers = parts_.readers;
  fodc::guard::HeavyWork slot;
  if (heavy && parts_.gate != nullptr) {
    workers = parts_.heavy_readers;
    slot = parts_.gate->AdmitHeavy(*heavy, request);
    if (!slot.admitted()) return answer(Refused(slot.refusal()));
  }
  const bool taken = workers->Run([this, kind, answer, slot = std::move(slot),
                                   work = std::move(work)]() mutable {
    HttpResponse response = Guarded(kind, std::move(work));
    slot.Release();
    parts_.loop->Post([answer, response = std::move(response)]() mutable {
      answer(std::move(response));
    });
  });
  // The last bound, as a full slot.
  if (!taken) answer(Refused(fodc::guard::Refusal::kFull));
}

Api::Answer Api::AnswerTo(Request kind, Responder responder) {
  // Shared, for a queue may refuse what holds it, and then it is used here.
  return
      [this, kind, waiting = std::make_shared<Responder>(std::move(responder))](
          HttpResponse response) {
        parts_.metrics->Count(kind, OutcomeOf(response));
        waiting->Send(std::move(response));
      };
}

void Api::Write(Request kind, OperationKind operation,
                const RequestPtr& request, Responder responder) {
  const std::string& key = request->path_values[0];
  if (key.size() > Operation::kMaxKeyBytes) {
    return responder.Send(TextError(
        400, StrCat("the key has ", key.size(), " bytes, the limit is ",
                    Operation::kMaxKeyBytes)));
  }
  const Answer answer = AnswerTo(kind, std::move(responder));
  if (parts_.gate != nullptr && !parts_.gate->TakesWrites()) {
    return answer(Refused(fodc::guard::Refusal::kMemory));
  }
  // The request goes along: the bytes that the gate took for it are given back
  // when the outcome is final.
  const Status taken = parts_.log->Submit(
      Operation(operation, key, request->body),
      [this, kind, request, answer](Result<std::uint64_t> sequence) {
        parts_.loop->Post(
            [kind, request, answer, sequence = std::move(sequence)] {
              if (!sequence.ok()) return answer(StatusError(sequence.status()));
              answer(kind == Request::kAppend
                         ? TextResponse(StrCat(*sequence, "\n"))
                         : NoContent());
            });
      });
  if (taken.ok()) return;
  answer(taken.code() == fodc::Code::kResourceExhausted
             ? Refused(fodc::guard::Refusal::kFull)
             : StatusError(taken));
}

Result<ReadBounds> Api::BoundsOf(const HttpRequest& request) {
  ReadBounds bounds = bounds_;
  FODC_ASSIGN_OR_RETURN(const std::uint64_t limit,
                        Number(request, "limit", bounds.max_entries));
  if (limit == 0) return InvalidArgument("limit is 0");
  bounds.max_entries = std::min<std::uint64_t>(bounds.max_entries, limit);
  return bounds;
}

// A line for each pair, key and value percent-encoded with a tab between.
HttpResponse Api::Scan(const HttpRequest& request) {
  const Result<ReadBounds> bounds = BoundsOf(request);
  if (!bounds.ok()) return StatusError(bounds.status());
  Result<ScanPage> page = parts_.store->Scan(
      request.query.GetOr("start"), request.query.GetOr("end"), *bounds);
  if (!page.ok()) return StatusError(page.status());
  std::string text;
  for (const auto& [key, value] : page->pairs) {
    AppendPercentEncoded(key, &text);
    text += '\t';
    AppendPercentEncoded(value, &text);
    text += '\n';
  }
  HttpResponse r = TextResponse(std::move(text));
  if (page->next) {
    r.headers.emplace_back("Kvnode-Next", PercentEncode(*page->next));
  }
  return r;
}

// A line for each entry, its sequence and its percent-encoded value.
HttpResponse Api::ReadStream(const HttpRequest& request, std::uint64_t after) {
  const Result<ReadBounds> bounds = BoundsOf(request);
  if (!bounds.ok()) return StatusError(bounds.status());
  const Result<StreamPage> page =
      parts_.store->ReadStream(request.path_values[0], after, *bounds);
  if (!page.ok()) return StatusError(page.status());
  if (page->met_blob) parts_.metrics->legacy_reads().Add();
  std::string text;
  for (const StreamEntry& entry : page->entries) {
    text += StrCat(entry.sequence, '\t');
    AppendPercentEncoded(entry.value, &text);
    text += '\n';
  }
  HttpResponse r = TextResponse(std::move(text));
  if (page->more) {
    r.headers.emplace_back("Kvnode-Next",
                           StrCat(page->entries.back().sequence));
  }
  return r;
}

}  // namespace kvnode
