// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/resumed_download.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/ctl/table.h"
#include "fodc/evidence/sha256.h"

namespace fodc::ctl {
namespace {

using std::chrono::nanoseconds;

// The SHA-256 that an ETag is; empty if it is none.
std::string_view DigestIn(std::string_view etag) {
  if (etag.size() < 2 || etag.front() != '"' || etag.back() != '"') return {};
  etag = etag.substr(1, etag.size() - 2);
  return evidence::IsSha256Hex(etag) ? etag : std::string_view();
}

class Transfer {
 public:
  explicit Transfer(FileDownload* file) : file_(file) {}

  // One answer, as far as it comes.
  Status Try(ProxyClient* client, const std::string& url, nanoseconds timeout) {
    ProxyClient::Part part;
    is_resumed_ = bytes_ > 0 && takes_ranges_;
    if (is_resumed_) {
      part.headers = {{"Range", StrCat("bytes=", bytes_, "-")},
                      {"If-Range", StrCat('"', digest_, '"')}};
    }
    part.on_head = [this](const net::HttpClientHead& head) {
      return Begin(head);
    };
    part.sink = [this](std::string_view piece) { return Take(piece); };
    http_status_ = 0;
    return client->StreamPart(url, timeout, std::move(part), &http_status_);
  }

  // Whether a body had begun, or was to.
  bool HasBroken(const Status& status) const {
    return status.code() == Code::kDataLoss && http_status_ / 100 == 2;
  }
  // Whether it may be otherwise the next time, now that an answer has broken.
  bool MayComeYet(const Status& status) const {
    if (is_file_failure_) return false;
    if (http_status_ == 404 || http_status_ == 416) return true;
    return status.code() == Code::kDataLoss ||
           status.code() == Code::kUnavailable ||
           status.code() == Code::kAborted;
  }

  Result<Downloaded> End() {
    Downloaded out{.bytes = bytes_, .sha256 = hash_.Hex()};
    out.is_compared = !digest_.empty();
    if (out.is_compared && out.sha256 != digest_) {
      return DataLoss(StrCat("what came has the SHA-256 ", out.sha256,
                             ", the proxy told ", digest_));
    }
    return out;
  }

  std::uint64_t bytes() const { return bytes_; }
  // Whether the next try goes on where this one broke.
  bool can_resume() const { return bytes_ > 0 && takes_ranges_; }
  // A part was refused: the next is the whole.
  void ForgetRange() { takes_ranges_ = false; }
  int http_status() const { return http_status_; }

 private:
  Status Begin(const net::HttpClientHead& head) {
    if (head.http_status == 206) {
      if (is_resumed_ && DigestIn(head.Header("ETag")) == digest_ &&
          head.Header("Content-Range")
              .starts_with(StrCat("bytes ", bytes_, '-')))
        return OkStatus();
      takes_ranges_ = false;
      return {Code::kAborted, "the proxy sent a part that was not asked for"};
    }
    if (bytes_ > 0) {
      if (const Status s = file_->Clear(); !s.ok()) return FileFailure(s);
      hash_ = evidence::Sha256();
      bytes_ = 0;
    }
    digest_ = DigestIn(head.Header("ETag"));
    takes_ranges_ = !digest_.empty() && head.Header("Accept-Ranges") == "bytes";
    return OkStatus();
  }

  Status Take(std::string_view piece) {
    if (const Status s = file_->Append(piece); !s.ok()) return FileFailure(s);
    hash_.Update(piece);
    bytes_ += piece.size();
    return OkStatus();
  }

  Status FileFailure(const Status& status) {
    is_file_failure_ = true;
    return status;
  }

  FileDownload* const file_;
  evidence::Sha256 hash_;  // of what is in the file
  std::uint64_t bytes_ = 0;
  std::string digest_;  // told of the whole
  bool takes_ranges_ = false;
  bool is_resumed_ = false;
  bool is_file_failure_ = false;
  int http_status_ = 0;
};

}  // namespace

Result<Downloaded> Download(ProxyClient* client, const DownloadOptions& options,
                            FileDownload* file, Output* errors,
                            const Clock& clock, const Sleep& sleep) {
  Transfer transfer(file);
  const MonotonicTime end = clock.Monotonic() + options.timeout;
  nanoseconds wait = options.first_wait;
  int in_vain = 0;
  std::uint64_t farthest = 0;
  for (bool has_broken = false;; has_broken = true) {
    const Status status =
        transfer.Try(client, options.url, end - clock.Monotonic());
    if (status.ok()) return transfer.End();
    if (!has_broken && !transfer.HasBroken(status)) return status;
    if (!transfer.MayComeYet(status)) return status;
    if (transfer.http_status() == 416) transfer.ForgetRange();
    // What begins anew and breaks where it broke before is no progress.
    if (transfer.bytes() > farthest) {
      farthest = transfer.bytes();
      in_vain = 0;
      wait = options.first_wait;
    } else if (++in_vain >= options.tries_in_vain) {
      return status.WithContext(
          StrCat("given up after ", in_vain, " tries that brought no more"));
    }
    if (clock.Monotonic() + wait >= end) {
      return DeadlineExceeded(
          StrCat("no time for another try after: ", status.message()));
    }
    FODC_RETURN_IF_ERROR(errors->Append(WithoutControls(
        StrCat("after ", transfer.bytes(), " bytes: ", status.message(),
               "; asking again ",
               transfer.can_resume() ? "for the rest" : "for the whole"))));
    FODC_RETURN_IF_ERROR(errors->Append("\n"));
    FODC_RETURN_IF_ERROR(errors->Flush());
    sleep(wait);
    wait = std::min(wait * 2, options.longest_wait);
  }
}

}  // namespace fodc::ctl
