// SPDX-License-Identifier: Apache-2.0
// Where snapshots come from: the node itself, a directory, or a command.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::backup {

// As the catalogs of BanyanDB are called at a destination, in the order in
// which they are restored.
inline constexpr std::string_view kCatalogs[] = {
    "stream", "measure", "property", "trace", "schema-property"};

// The parents of the catalogs' directories on the node.
struct CatalogRoots {
  std::string stream = "/tmp";
  std::string measure = "/tmp";
  std::string property = "/tmp";
  std::string trace = "/tmp";
  std::string schema = "/tmp";

  // Empty for what is no catalog.
  std::string Of(std::string_view catalog) const;
};

// One catalog's snapshot.
struct Snapshot {
  std::string catalog{};
  std::string name{};
  std::string directory{};  // what is to be backed up
  std::string partial{};    // what is missing in it; empty: nothing
};

struct NodeOptions {
  std::string address = "127.0.0.1:17912";
  bool has_tls = false;
  bool is_insecure = false;        // the certificate is not checked
  std::string certificate_file{};  // PEM, in place of the system's
  CatalogRoots roots{};
  // Until it answers at all, and until the snapshot is there.
  std::chrono::nanoseconds health_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds snapshot_timeout = std::chrono::minutes(10);
};

// Asks a node of BanyanDB to take snapshots, and says where they lie. What it
// does not know is left out, with a warning.
// Errors: kUnavailable, kDeadlineExceeded, kCancelled, kInvalidArgument for a
// certificate that cannot be read.
Result<std::vector<Snapshot>> AskNode(const NodeOptions& options,
                                      const std::stop_token& stop);

// Of a node's snapshot of that name: its catalog and directory. `kind` is as
// the node has it: "measure", "property".
// Errors: kInvalidArgument for a name that leads elsewhere.
Result<Snapshot> PlaceSnapshot(std::string_view kind, std::string_view name,
                               const CatalogRoots& roots);

// Runs a command by the shell; its last line that is not empty is the
// directory. Its other words go to the log.
// Errors: kFailedPrecondition if it fails or names no directory; kCancelled;
// kDeadlineExceeded.
Result<std::string> AskCommand(const std::string& command,
                               std::chrono::nanoseconds timeout,
                               const std::stop_token& stop);

}  // namespace fodc::backup
