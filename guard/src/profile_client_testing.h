// SPDX-License-Identifier: Apache-2.0
// A client of the profile endpoints, byte by byte. For tests only.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guard {

// `receive_bytes`: as little as the kernel holds for a client that does not
// read.
inline UniqueFd Connect(const std::string& address, int receive_bytes = 0) {
  std::string_view path = address;
  if (ConsumePrefix(&path, "unix:")) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    EXPECT_EQ(
        connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    return fd;
  }
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_bytes > 0) {
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_bytes,
               sizeof(receive_bytes));
  }
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto port = ParseUint(address.substr(address.rfind(':') + 1));
  name.sin_port = htons(static_cast<std::uint16_t>(port.value()));
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)),
            0);
  return fd;
}

// All until the server closes.
inline std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

inline void Send(int fd, std::string_view bytes) {
  EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

inline std::string Ask(const std::string& address, std::string_view request) {
  const UniqueFd fd = Connect(address);
  Send(fd.get(), request);
  return ReadAll(fd.get());
}

inline std::string Get(const std::string& address, std::string_view path,
                       std::string_view headers = {}) {
  return Ask(address,
             StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n", headers, "\r\n"));
}

}  // namespace fodc::guard
