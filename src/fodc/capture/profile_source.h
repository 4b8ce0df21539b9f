// SPDX-License-Identifier: Apache-2.0
// Where the profiles of a target are had.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/capture/profile_type.h"

namespace fodc::capture {

// What stands for the host of URLs that are asked for on a Unix socket.
inline constexpr std::string_view kUnixHost = "http://localhost";

class ProfileSource {
 public:
  // None.
  ProfileSource() = default;
  // http://localhost:<port>, as Go's agent has it.
  static ProfileSource OfPort(std::uint16_t port);
  // A base URL, behind which the paths of ProfileType stand; or one that
  // contains "{type}", which is replaced by the type's name: then nothing is
  // put behind it ("{seconds}" is replaced too). http:// or https://. Or
  // "unix:/path" of a socket that serves the paths, as a guard's may.
  // Errors: kInvalidArgument naming the URL (without user and password).
  static Result<ProfileSource> Parse(std::string_view url);

  bool is_none() const { return url_.empty(); }
  // Where Urls are asked for; empty: at their host.
  const std::string& unix_socket() const { return unix_socket_; }
  // For meta.json: without user and password.
  std::string Name() const;

  // What to ask for, one after the other while the answer is 404. `duration` is
  // that of types that are kLong, in whole seconds, rounded up.
  std::vector<std::string> Urls(const ProfileType& type,
                                std::chrono::nanoseconds duration) const;

 private:
  explicit ProfileSource(std::string url, std::string unix_socket = {})
      : url_(std::move(url)), unix_socket_(std::move(unix_socket)) {}

  std::string url_;
  std::string unix_socket_;
};

}  // namespace fodc::capture
