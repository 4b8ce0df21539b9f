// SPDX-License-Identifier: Apache-2.0
// The one error idiom of the house: Status and Result<T>.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace fodc {

// Numbered as gRPC's status codes, so that they cross the wire unchanged.
enum class Code : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,  // the caller's input is wrong, whatever the state
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,   // a bound is reached: memory, disk, a queue
  kFailedPrecondition = 9,  // do not retry until something is fixed
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,  // retry this very call
  kDataLoss = 15,     // bytes are damaged or cut
  kUnauthenticated = 16,
};

// "NOT_FOUND" for kNotFound, as gRPC spells it.
std::string_view CodeName(Code code);

// Success, or a code and a message for people. Cheap to move; an OK status
// owns no memory. Thread-compatible.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message)
      : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure seen one layer up: "<context>: <message>". No effect on
  // success.
  Status WithContext(std::string_view context) const;

  // "NOT_FOUND: /proc/1/x: no such file", or "OK".
  std::string ToString() const;

  // Says that a failure is known and needs no handling here.
  void IgnoreError() const {}

  friend bool operator==(const Status&, const Status&) = default;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status OkStatus() { return {}; }

inline Status Cancelled(std::string m) {
  return {Code::kCancelled, std::move(m)};
}
inline Status InvalidArgument(std::string m) {
  return {Code::kInvalidArgument, std::move(m)};
}
inline Status DeadlineExceeded(std::string m) {
  return {Code::kDeadlineExceeded, std::move(m)};
}
inline Status NotFound(std::string m) {
  return {Code::kNotFound, std::move(m)};
}
inline Status AlreadyExists(std::string m) {
  return {Code::kAlreadyExists, std::move(m)};
}
inline Status PermissionDenied(std::string m) {
  return {Code::kPermissionDenied, std::move(m)};
}
inline Status ResourceExhausted(std::string m) {
  return {Code::kResourceExhausted, std::move(m)};
}
inline Status FailedPrecondition(std::string m) {
  return {Code::kFailedPrecondition, std::move(m)};
}
inline Status OutOfRange(std::string m) {
  return {Code::kOutOfRange, std::move(m)};
}
inline Status Unimplemented(std::string m) {
  return {Code::kUnimplemented, std::move(m)};
}
inline Status Internal(std::string m) {
  return {Code::kInternal, std::move(m)};
}
inline Status Unavailable(std::string m) {
  return {Code::kUnavailable, std::move(m)};
}
inline Status DataLoss(std::string m) {
  return {Code::kDataLoss, std::move(m)};
}
inline Status Unauthenticated(std::string m) {
  return {Code::kUnauthenticated, std::move(m)};
}

// A failed system call: "<what>: <strerror(err)>", with the code that fits
// (ENOENT kNotFound, EACCES kPermissionDenied, ENOSPC kResourceExhausted, ...).
// The only place where errno becomes a Status.
Status ErrnoStatus(int err, std::string_view what);

// Says on standard error what was wrong and where, in one line, and aborts.
// What a recorder of other programs' deaths must not do is die without a word.
[[noreturn]] void CheckFailed(const char* file, int line,
                              std::string_view what);

// A value, or the Status that explains its absence (never an OK status).
template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return NotFound("...");`.
  template <typename U = T>
  requires(std::is_convertible_v<U&&, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, Status>)
      Result(U&& value)  // NOLINT(google-explicit-constructor): see above
      : value_(std::forward<U>(value)) {}
  Result(Status status)  // NOLINT(google-explicit-constructor): see above
      : status_(std::move(status)) {
    if (status_.ok()) status_ = Internal("Result made from an OK status");
  }

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  // The caller has checked ok(); otherwise the program aborts.
  T& value() & { return Checked(), *value_; }
  const T& value() const& { return Checked(), *value_; }
  T&& value() && { return Checked(), *std::move(value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  T value_or(T other) const& { return ok() ? *value_ : std::move(other); }

  Result WithContext(std::string_view context) && {
    if (ok()) return std::move(*this);
    return status_.WithContext(context);
  }

 private:
  void Checked() const {
    if (!value_.has_value()) {
      CheckFailed(__FILE__, __LINE__, "no value: " + status_.ToString());
    }
  }
  std::optional<T> value_;
  Status status_;
};

// An invariant of ours, never input, the kernel's answer or a full disk.
#define FODC_CHECK(condition)                              \
  do {                                                     \
    if (!(condition)) {                                    \
      ::fodc::CheckFailed(__FILE__, __LINE__, #condition); \
    }                                                      \
  } while (false)

#define FODC_CONCAT_INNER(a, b) a##b
#define FODC_CONCAT(a, b) FODC_CONCAT_INNER(a, b)

#define FODC_RETURN_IF_ERROR(expr)                                \
  do {                                                            \
    if (::fodc::Status fodc_status_ = (expr); !fodc_status_.ok()) \
      return fodc_status_;                                        \
  } while (false)

#define FODC_ASSIGN_OR_RETURN(lhs, expr) \
  FODC_ASSIGN_OR_RETURN_IMPL(FODC_CONCAT(fodc_result_, __LINE__), lhs, expr)
// NOLINTBEGIN(bugprone-macro-parentheses): lhs may be a declaration
#define FODC_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)  \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace fodc
