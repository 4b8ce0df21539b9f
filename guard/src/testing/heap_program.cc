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

#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "fodc/base/unique_fd.h"
#include "fodc/guard/profile.h"
#include "heap_work.h"

namespace {

using fodc::guard::ProfileServer;
using fodc::guard::testing::ChurnBlocks;
using fodc::guard::testing::FreeBlocks;
using fodc::guard::testing::KeepLargeBlocks;
using fodc::guard::testing::KeepNewArrays;
using fodc::guard::testing::KeepSmallBlocks;

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
    FreeBlocks();
    _exit(fodc::guard::HeapTableFd().ok() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::cout << "child " << status << std::endl;
}

}  // namespace

int main() {
  // At first: gperftools does not see the first 16 MiB of the first thread.
  ChurnBlocks();
  KeepLargeBlocks();
  KeepSmallBlocks();
  std::thread(KeepNewArrays).join();
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
