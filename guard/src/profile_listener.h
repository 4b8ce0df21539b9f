// SPDX-License-Identifier: Apache-2.0
// The socket that profiles are asked for on.
#pragma once

#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guard {

// Listens, without blocking. Takes the file of a Unix socket away when it goes.
class ProfileListener {
 public:
  ProfileListener() = default;
  ProfileListener(ProfileListener&&) noexcept = default;
  ProfileListener& operator=(ProfileListener&&) noexcept = default;
  ~ProfileListener();

  // As ProfileServerOptions::listen. Errors: kInvalidArgument if it is no such
  // address, or not loopback and `has_token` is false; as bind(2).
  static Result<ProfileListener> Open(const std::string& address,
                                      bool has_token);

  int fd() const { return fd_.get(); }
  const std::string& address() const { return address_; }

 private:
  static Result<ProfileListener> OpenUnix(const std::string& path);
  static Result<ProfileListener> OpenTcp(const std::string& address,
                                         bool has_token);

  UniqueFd fd_;
  std::string address_;
  std::string path_;  // of a Unix socket
};

}  // namespace fodc::guard
