// SPDX-License-Identifier: Apache-2.0
// A program whose heap is known: 48 MiB in three functions, in large and small
// pieces, of several threads, beside twice as much that is freed again. Tests
// link it against each allocator. It says on its standard output what it has,
// then does as told by its standard input: "heap <path>", "threads <path>",
// "allocator <path>" write that; "serve <address>" serves and tells the
// address; "fork" has a child allocate and free as much; "end" ends.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/unique_fd.h"
#include "fodc/guard/profile.h"

namespace {

using fodc::guard::ProfileServer;

std::vector<void*> kept;

// Volatile: neither the allocation nor a frame may be optimised away.
template <typename T>
void Keep(T* p) {
  *static_cast<volatile char*>(static_cast<void*>(p)) = 1;
  kept.push_back(p);
}

}  // namespace

// Not in the namespace above: profiles name them.
__attribute__((noinline)) void KeepLargeBlocks() {
  for (int i = 0; i < 16; ++i) Keep(std::malloc(1 << 20));
}
__attribute__((noinline)) void KeepSmallBlocks() {
  for (int i = 0; i < 16 * 1024 * 8; ++i) Keep(std::malloc(128));
}
__attribute__((noinline)) void KeepNewArrays() {
  for (int i = 0; i < 16 * 16; ++i) Keep(new char[64 * 1024]);
}
__attribute__((noinline)) void ChurnBlocks() {
  for (int i = 0; i < 96 * 64; ++i) {
    void* p = std::malloc(8 * 1024);
    *static_cast<volatile char*>(p) = 1;
    p = std::realloc(p, 16 * 1024);
    *static_cast<volatile char*>(p) = 1;
    std::free(p);
  }
}

namespace {

void TellStatus(const fodc::Status& status) {
  std::cout << status.ToString() << std::endl;
}

fodc::Status Write(const std::string& what, const std::string& path) {
  const fodc::UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (what == "heap") return fodc::guard::WriteHeapProfile(fd.get());
  if (what == "threads") return fodc::guard::WriteThreadProfile(fd.get());
  return fodc::guard::WriteAllocatorText(fd.get());
}

void Fork() {
  const pid_t child = fork();
  if (child == 0) {
    KeepLargeBlocks();
    ChurnBlocks();
    for (void* p : kept) std::free(p);
    _exit(fodc::guard::HeapTableFd().ok() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::cout << "child " << status << std::endl;
}

}  // namespace

int main() {
  kept.reserve(1 << 20);
  KeepLargeBlocks();
  KeepSmallBlocks();
  std::thread(KeepNewArrays).join();
  std::thread(ChurnBlocks).join();
  const auto source = fodc::guard::FindHeapSource();
  std::cout << (source.ok() ? fodc::guard::HeapSourceName(*source)
                            : source.status().message())
            << std::endl;
  std::unique_ptr<ProfileServer> server;
  for (std::string word; std::cin >> word && word != "end";) {
    if (word == "fork") {
      Fork();
      continue;
    }
    std::string argument;
    std::cin >> argument;
    if (word != "serve") {
      TellStatus(Write(word, argument));
      continue;
    }
    fodc::guard::ProfileServerOptions options;
    options.listen = argument;
    auto made = ProfileServer::Create(std::move(options));
    if (!made.ok()) {
      TellStatus(made.status());
      continue;
    }
    server = *std::move(made);
    std::cout << server->address() << std::endl;
  }
  return 0;
}
