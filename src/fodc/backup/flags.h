// SPDX-License-Identifier: Apache-2.0
// The command lines of fodc-backup, with the names of the Go original.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fodc/backup/catalog_backup.h"
#include "fodc/backup/restore.h"
#include "fodc/backup/retention.h"
#include "fodc/backup/seal.h"
#include "fodc/backup/snapshot_source.h"
#include "fodc/backup/verify.h"
#include "fodc/object_store/open_store.h"
#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"

namespace fodc::backup {

// Where objects lie, and how to be let in there.
struct DestinationFlags {
  std::string url{};
  object_store::StoreOptions store{};
  std::string azure_account_key_file{};
  std::string azure_sas_token_file{};
  std::string gcp_hmac_secret_file{};
  std::string s3_payload = "signed";
  std::int64_t requests_per_second = 0;
};

// Our names for how to log, and the original's.
struct LogFlags {
  program::LogOptions options{};
  std::string original_form{};
  std::string original_level{};
};

struct RetentionFlags {
  RetentionRules rules{};
  bool is_meant = false;  // else it is told what would go
};

struct RunFlags {
  LogFlags log{};
  DestinationFlags destination{};
  NodeOptions node{};
  std::string snapshot_directory{};
  std::string snapshot_command{};
  std::string catalog_name = "data";  // of those
  std::string time_style = "daily";
  std::string schedule{};
  bool run_on_start = false;
  std::string on_overlap = "skip";
  std::string state_directory{};
  std::string metrics_address{};
  RetentionFlags retention{};
  std::string link_from{};
  std::int64_t upload_concurrency = 8;
  std::int64_t large_concurrency = 1;
  std::string diff = "size";
  std::string layout = "1";
  std::string compression = "none";
  std::int64_t compression_level = 3;
  std::string encryption_key_file{};
  CatalogOptions catalog{};
};

struct RestoreFlags {
  LogFlags log{};
  DestinationFlags source{};
  CatalogRoots roots{};
  std::int64_t download_concurrency = 8;
  std::string encryption_key_file{};
  RestoreOptions restore{};
  // One catalog into one directory, in place of those that time-dir files ask
  // for.
  std::string target_directory{};
  std::string catalog_name = "data";
  std::string time_dir{};  // empty: the newest whole one
  std::string node_address = "127.0.0.1:17912";
  bool is_forced = false;
  std::string metrics_address{};
};

struct TimeDirFlags {
  LogFlags log{};
  DestinationFlags destination{};
  std::string prefix{};
  std::vector<std::string> catalogs{};
  CatalogRoots roots{};
  std::string time_style = "daily";
  bool is_forced = false;
};

struct VerifyFlags {
  LogFlags log{};
  DestinationFlags destination{};
  std::string time_dir{};
  std::vector<std::string> catalogs{};
  std::int64_t concurrency = 8;
  std::string encryption_key_file{};
  VerifyOptions verify{};
};

struct PruneFlags {
  LogFlags log{};
  DestinationFlags destination{};
  RetentionFlags retention{};
  std::string node_id{};
};

void DeclareVerify(program::Flags* flags, VerifyFlags* f);
void DeclareRun(program::Flags* flags, RunFlags* f);
void DeclareRestore(program::Flags* flags, RestoreFlags* f);
void DeclarePrune(program::Flags* flags, PruneFlags* f);
// `list` needs a destination, the others the roots.
void DeclareTimeDirList(program::Flags* flags, TimeDirFlags* f);
void DeclareTimeDir(program::Flags* flags, TimeDirFlags* f);

// What the Go original's environment says (BYDB_…) where ours says nothing:
// copied, for Flags to read. Before there are threads.
void TakeOverEnvironment(const program::Flags& flags);

// The key in the file of --encryption-key-file; null if none is named.
// Errors: as SealKey::Load, naming the flag.
Result<std::shared_ptr<const SealKey>> LoadKey(const std::string& file);

// The store of the flags. Errors: kInvalidArgument naming the flag; those of
// OpenStore.
Result<std::unique_ptr<object_store::ObjectStore>> OpenDestination(
    DestinationFlags flags, const Clock& clock);

}  // namespace fodc::backup
