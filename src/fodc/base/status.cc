// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/status.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace fodc {

std::string_view CodeName(Code code) {
  static constexpr std::array<std::string_view, 17> kNames = {
      "OK",
      "CANCELLED",
      "UNKNOWN",
      "INVALID_ARGUMENT",
      "DEADLINE_EXCEEDED",
      "NOT_FOUND",
      "ALREADY_EXISTS",
      "PERMISSION_DENIED",
      "RESOURCE_EXHAUSTED",
      "FAILED_PRECONDITION",
      "ABORTED",
      "OUT_OF_RANGE",
      "UNIMPLEMENTED",
      "INTERNAL",
      "UNAVAILABLE",
      "DATA_LOSS",
      "UNAUTHENTICATED"};
  const auto i = static_cast<std::size_t>(code);
  return i < kNames.size() ? kNames[i] : "UNKNOWN";
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return {};
  std::string m(context);
  m += ": ";
  m += message_;
  return {code_, std::move(m)};
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  std::string s(CodeName(code_));
  s += ": ";
  s += message_;
  return s;
}

void CheckFailed(const char* file, int line, std::string_view what) {
  std::string text = "fodc: ";
  text.append(file).append(":").append(std::to_string(line));
  text.append(": check failed: ").append(what).append("\n");
  // At once, past every buffer: nothing comes behind it.
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

namespace {

Code CodeOfErrno(int err) {
  switch (err) {
    case ENOENT:
    case ESRCH:
    case ENXIO:
    case ENODEV:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
      return Code::kPermissionDenied;
    case EEXIST:
      return Code::kAlreadyExists;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
      return Code::kInvalidArgument;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return Code::kResourceExhausted;
    case EROFS:
    case ENOTEMPTY:
    case EBUSY:
      return Code::kFailedPrecondition;
    case EAGAIN:
    case EINTR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRINUSE:
      return Code::kUnavailable;
    case ETIMEDOUT:
      return Code::kDeadlineExceeded;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::kUnimplemented;
    case EIO:
      return Code::kDataLoss;
    default:
      return Code::kUnknown;
  }
}

}  // namespace

Status ErrnoStatus(int err, std::string_view what) {
  char buffer[128];
  // The GNU strerror_r: thread-safe, returns the text.
  const char* text = strerror_r(err, buffer, sizeof buffer);
  std::string m(what);
  m += ": ";
  m += text;
  return {CodeOfErrno(err), std::move(m)};
}

}  // namespace fodc
