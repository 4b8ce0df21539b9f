// SPDX-License-Identifier: Apache-2.0
// A TCP relay on loopback that a test can cut, freeze and heal: a network with
// a mind of its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/unique_fd.h"

namespace fodc::test {

// Thread-safe. Runs a thread of its own from construction to destruction.
class TcpRelay {
 public:
  // Forwards from a free port of 127.0.0.1 to `target_port` there.
  explicit TcpRelay(int target_port);
  ~TcpRelay();

  int port() const { return port_; }
  std::string address() const;

  // Connections made from now on go to another port: the proxy came back
  // elsewhere.
  void Retarget(int target_port);
  // Resets every connection and refuses new ones until Heal.
  void Cut();
  // Keeps every connection but moves no more bytes until Heal; new connections
  // are accepted and get the same treatment.
  void Freeze();
  // As when a cable is cut: whatever comes from those who connected is dropped,
  // and nobody's kernel acknowledges it. New connections cannot be made.
  void Vanish();
  void Heal();

  std::uint64_t connections() const { return connections_.load(); }
  std::uint64_t bytes() const { return bytes_.load(); }

 private:
  enum class Mode { kFlow, kCut, kFrozen, kVanished };
  struct Pair;

  void Run();
  void Wake();
  void DropPackets(bool drop);

  int port_ = 0;
  UniqueFd listener_;
  UniqueFd wake_;
  std::atomic<int> target_port_;
  std::atomic<Mode> mode_{Mode::kFlow};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> connections_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::vector<std::unique_ptr<Pair>> pairs_;  // the thread's
  bool dropping_ = false;                     // the thread's
  std::thread thread_;
};

}  // namespace fodc::test
