// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/flags.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/s3_checksum.h"
#include "fodc/program/addresses.h"

namespace fodc::backup {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxSecretBytes = 64u << 10;
constexpr char kOurs[] = "FODC_";
constexpr char kOriginals[] = "BYDB_";
constexpr double kMaxSinglePut = 5e9;            // of S3 and Azure
constexpr double kMaxPart = 4000.0 * (1 << 20);  // of Azure
constexpr double kMinPart = 5 << 20;             // of S3
constexpr double kMinBundle = 64 << 10;
constexpr double kMaxBundle = 1 << 30;
constexpr double kMaxBundled = 64 << 20;  // it is held in memory
constexpr double kMinBandwidth = 64 << 10;

// At least that much, or 0.
Status NoneOrAtLeast(const char* flag, std::uint64_t value, double least) {
  if (value == 0 || static_cast<double>(value) >= least) return OkStatus();
  return InvalidArgument(StrCat("--", flag, ": ", value, " is less than ",
                                static_cast<std::uint64_t>(least)));
}

void DeclareStore(program::Flags* flags, DestinationFlags* f,
                  const char* url_flag, const char* help) {
  flags->String(url_flag, &f->url, help).NotEmpty();
  object_store::StoreOptions& s = f->store;
  flags->String("s3-config-file", &s.s3_config_file,
                "shared configuration file of AWS");
  flags->String("s3-credential-file", &s.s3_credential_file,
                "shared credentials file of AWS");
  flags->String("s3-profile", &s.s3_profile, "profile in those files");
  flags->Bool("s3-path-style", &s.s3_path_style,
              "the bucket in the path, not in the host's name");
  flags
      ->String("s3-payload", &f->s3_payload,
               "whether bodies are part of what is signed; unsigned: over TLS "
               "alone")
      .OneOf({"signed", "unsigned"});
  flags->String("azure-account-name", &s.azure_account_name,
                "storage account of Azure");
  flags
      ->String("azure-account-key", &s.azure_account_key,
               "its key, in Base64; better by the environment or a file")
      .Secret();
  flags->String("azure-account-key-file", &f->azure_account_key_file,
                "file that holds the key");
  flags
      ->String("azure-sas-token", &s.azure_sas_token,
               "shared access signature; goes before a key")
      .Secret();
  flags->String("azure-sas-token-file", &f->azure_sas_token_file,
                "file that holds the signature");
  flags->String("azure-endpoint", &s.azure_endpoint,
                "blob endpoint; empty: that of the account");
  flags->String("gcp-service-account-file", &s.gcp_service_account_file,
                "key of a service account of Google, in JSON");
  flags->String("gcp-hmac-access-id", &s.gcp_hmac_access_id,
                "access id of an HMAC key of Google; empty: tokens");
  flags->String("gcp-hmac-secret", &s.gcp_hmac_secret, "its secret").Secret();
  flags->String("gcp-hmac-secret-file", &f->gcp_hmac_secret_file,
                "file that holds the secret");
  flags->Bytes("bwlimit", &s.bytes_per_second,
               "bytes of files a second, of all together; 0: no limit");
  flags->CheckAll([&s] {
    return NoneOrAtLeast("bwlimit", s.bytes_per_second, kMinBandwidth);
  });
  flags
      ->Int("max-requests-per-second", &f->requests_per_second,
            "requests to the store, of all together; 0: no limit")
      .AtLeast(0);
  flags->String("proxy", &s.transport.proxy,
                "HTTP proxy; empty: that of the environment");
  flags->String("ca-file", &s.transport.ca_file,
                "PEM with the authorities of stores; empty: the system's");
}

void DeclareRoots(program::Flags* flags, CatalogRoots* roots,
                  const std::string& ending, const std::string& what) {
  for (const auto& [name, root] :
       {std::pair<const char*, std::string*>{"stream", &roots->stream},
        {"measure", &roots->measure},
        {"property", &roots->property},
        {"trace", &roots->trace},
        {"schema", &roots->schema}}) {
    flags->String(
        StrCat(name, "-root", ending), root,
        StrCat("parent of the ", name,
               root == &roots->schema ? "-property" : "", " directory", what));
  }
}

void DeclareRetention(program::Flags* flags, RetentionFlags* f) {
  flags
      ->Int("keep-last", &f->rules.last,
            "of time directories: keep the newest ones; 0: no such rule")
      .AtLeast(0);
  flags
      ->Int("keep-daily", &f->rules.daily,
            "keep the newest one of each of so many days")
      .AtLeast(0);
  flags
      ->Int("keep-hourly", &f->rules.hourly,
            "keep the newest one of each of so many hours")
      .AtLeast(0);
  flags
      ->Duration("keep-within", &f->rules.within,
                 "keep those that are no older")
      .AtLeast(seconds(0));
  flags->Bool("prune", &f->is_meant,
              "remove what no --keep rule keeps; else it is only told");
}

void DeclareKey(program::Flags* flags, std::string* file, const char* help) {
  flags->String("encryption-key-file", file, help);
}

// How layout 2 makes its bundles.
void DeclareBundles(program::Flags* flags, RunFlags* f) {
  flags
      ->String("layout", &f->layout,
               "1: each file in an object of its name, as the original; 2: "
               "small files in bundles, which the original cannot read")
      .OneOf({"1", "2"});
  BundleOptions& bundles = f->catalog.bundles;
  flags
      ->Bytes("bundle-size", &bundles.bundle_bytes,
              "with --layout=2: of the files that go into one object")
      .AtLeast(kMinBundle)
      .AtMost(kMaxBundle);
  flags
      ->Bytes("bundle-file-max", &bundles.file_bytes,
              "with --layout=2: a larger file goes alone, in parts of 64 MiB")
      .AtMost(kMaxBundled);
  flags
      ->String("compression", &f->compression,
               "with --layout=2: of what goes up")
      .OneOf({"none", "zstd"});
  flags
      ->Int("compression-level", &f->compression_level,
            "of zstd, from fast to small")
      .AtLeast(1)
      .AtMost(19);
  DeclareKey(flags, &f->encryption_key_file,
             "with --layout=2: file of 64 hexadecimal digits, the key by which "
             "what goes up is sealed (AES-256-GCM), names included; empty: not "
             "sealed");
  flags->CheckAll([f]() -> Status {
    const bool is_bundled = f->layout == "2";
    f->catalog.layout = is_bundled ? Layout::kBundles : Layout::kObjects;
    if (f->compression == "zstd") {
      f->catalog.bundles.zstd_level = static_cast<int>(f->compression_level);
      if (!is_bundled)
        return InvalidArgument("--compression is for --layout=2");
    }
    if (!f->encryption_key_file.empty() && !is_bundled)
      return InvalidArgument("--encryption-key-file is for --layout=2");
    return OkStatus();
  });
}

// The words of the original's logger.
Status SetOriginalLog(LogFlags* f) {
  if (f->original_form == "dev") f->options.format = "logfmt";
  if (f->original_form == "prod") f->options.format = "json";
  if (f->original_level.empty()) return OkStatus();
  const std::string level = ToLower(f->original_level);
  if (level == "trace") {
    f->options.level = "debug";
  } else if (level == "fatal" || level == "panic" || level == "disabled") {
    f->options.level = "error";
  } else {
    FODC_RETURN_IF_ERROR(
        program::ParseLogLevel(level).status().WithContext("--logging-level"));
    f->options.level = level;
  }
  return OkStatus();
}

void DeclareLog(program::Flags* flags, LogFlags* f) {
  program::AddLogFlags(flags, &f->options);
  flags
      ->String("logging-env", &f->original_form,
               "as the original has it: prod is JSON, dev is for people; "
               "empty: --log-format")
      .OneOf({"", "prod", "dev"});
  flags->String("logging-level", &f->original_level,
                "as the original has it; empty: --log-level");
  flags->CheckAll([f] { return SetOriginalLog(f); });
}

std::string HostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

// A secret that all users of the machine may read is none.
void WarnIfOpen(const std::string& file) {
  struct stat s {};
  if (::stat(file.c_str(), &s) != 0 || (s.st_mode & S_IROTH) == 0) return;
  LogWarn("all users may read the file of a secret", {{"file", file}});
}

Result<std::string> SecretIn(const std::string& file) {
  WarnIfOpen(file);
  FODC_ASSIGN_OR_RETURN(const std::string text,
                        ReadFile(file, kMaxSecretBytes));
  return std::string(Trim(text));
}

}  // namespace

void DeclareRun(program::Flags* flags, RunFlags* f) {
  flags->String("grpc-addr", &f->node.address, "address of the data node")
      .NotEmpty();
  flags->Bool("enable-tls", &f->node.has_tls, "TLS to the data node");
  flags->Bool("insecure", &f->node.is_insecure,
              "do not check the data node's certificate");
  flags->String("cert", &f->node.certificate_file,
                "PEM with its certificate or authority");
  flags
      ->Duration("snapshot-timeout", &f->node.snapshot_timeout,
                 "time for the snapshot to be taken")
      .AtLeast(seconds(1));
  DeclareRoots(flags, &f->node.roots, "-path", "");
  flags->String("snapshot-dir", &f->snapshot_directory,
                "directory that is backed up as it is, in place of a node's "
                "snapshots");
  flags->String("snapshot-command", &f->snapshot_command,
                "command that makes a snapshot and prints its directory last");
  flags
      ->String("catalog-name", &f->catalog_name,
               "what such a directory is called at the destination")
      .NotEmpty();
  DeclareStore(flags, &f->destination, "dest",
               "where backups go: file:///path, s3://bucket/base, "
               "gs://bucket/base, azure://container/base");
  object_store::StoreOptions& store = f->destination.store;
  flags->String("s3-storage-class", &store.s3_storage_class,
                "storage class of new objects");
  flags
      ->String("s3-checksum-algorithm", &store.s3_checksum_algorithm,
               "by which S3 checks what comes: SHA256, SHA1, CRC32, CRC32C, "
               "CRC64NVME, none; empty: SHA256")
      .Check([](const std::string& value) {
        return object_store::ParseS3Checksum(value).status();
      });
  flags
      ->Bytes("single-put-max", &store.single_put_bytes,
              "larger objects go in parts; 0: what fits the store")
      .AtMost(kMaxSinglePut);
  flags
      ->Bytes("part-size", &store.part_bytes,
              "of those parts, the least; 0: 16 MiB")
      .AtMost(kMaxPart);
  flags
      ->Bytes("max-memory", &f->catalog.max_buffer_bytes,
              "of small files while they are sent; what does not fit is read "
              "twice")
      .AtLeast(1 << 20);
  flags
      ->String("time-style", &f->time_style,
               "one directory a day, or one an hour")
      .OneOf({"daily", "hourly"});
  flags->String("schedule", &f->schedule,
                "when to run: @hourly, @every 1h, \"5 * * * *\"; empty: once, "
                "now");
  flags->Bool("run-on-start", &f->run_on_start,
              "with a schedule: also at once");
  flags
      ->String("on-overlap", &f->on_overlap,
               "where another backup writes: skip this one, wait, or fail")
      .OneOf({"skip", "wait", "fail"});
  flags
      ->Int("upload-concurrency", &f->upload_concurrency,
            "uploads of files below 5 MiB at a time")
      .AtMost(1024);
  flags
      ->Int("large-concurrency", &f->large_concurrency,
            "uploads of larger ones at a time, beside those")
      .AtLeast(1)
      .AtMost(64);
  flags
      ->String("diff", &f->diff,
               "when a file there is the same: its name, its size and known "
               "digests, or its checksum whatever that costs")
      .OneOf({"name", "size", "checksum"});
  flags->Bool("keep-orphans", &f->catalog.keep_orphans,
              "do not delete what is no more");
  flags
      ->Float("max-delete-fraction", &f->catalog.max_delete_fraction,
              "refuse to delete more of a catalog's objects than that")
      .AtLeast(0)
      .AtMost(1);
  flags->Bool("dry-run", &f->catalog.is_dry_run,
              "tell what would be done, and change nothing");
  flags->String("node-id", &f->catalog.node_id,
                "whose backup it is; empty: the host's name");
  flags->String("link-from", &f->link_from,
                "time directory from which what is the same is copied within "
                "the store, or latest; empty: none");
  DeclareBundles(flags, f);
  DeclareRetention(flags, &f->retention);
  flags->String("metrics-addr", &f->metrics_address,
                "address that serves /metrics; empty: none");
  flags->String("state-dir", &f->state_directory,
                "where broken uploads and a lock are kept; empty: nowhere");
  DeclareLog(flags, &f->log);
  flags->CheckAll([f] {
    FODC_RETURN_IF_ERROR(
        NoneOrAtLeast("part-size", f->destination.store.part_bytes, kMinPart));
    if (!f->snapshot_directory.empty() && !f->snapshot_command.empty())
      return InvalidArgument(
          "--snapshot-dir and --snapshot-command exclude each other");
    // As the original has it.
    f->upload_concurrency = std::max<std::int64_t>(f->upload_concurrency, 1);
    if (f->catalog.node_id.empty()) f->catalog.node_id = HostName();
    return OkStatus();
  });
}

void DeclareRestore(program::Flags* flags, RestoreFlags* f) {
  DeclareStore(flags, &f->source, "source",
               "where backups are, as --dest of fodc-backup run");
  DeclareRoots(flags, &f->roots, "-path", "; empty: leave it out");
  flags
      ->Int("download-concurrency", &f->download_concurrency,
            "downloads at a time")
      .AtLeast(1)
      .AtMost(1024);
  flags->String("target-dir", &f->target_directory,
                "directory that becomes what --catalog-name had, in place of "
                "the catalogs that time-dir files ask for");
  flags
      ->String("catalog-name", &f->catalog_name,
               "what is restored there, as run called it")
      .NotEmpty();
  flags->String("time-dir", &f->time_dir,
                "with --target-dir: of what time; empty: the newest that is "
                "whole");
  DeclareKey(flags, &f->encryption_key_file,
             "file of the key by which backups are sealed; empty: they are "
             "not");
  flags->Bool("allow-empty", &f->restore.allow_empty,
              "a time directory without files is meant: delete what is here");
  flags->Bool("dry-run", &f->restore.is_dry_run,
              "tell what would be done, and change nothing");
  flags->Bool("verify-only", &f->restore.is_check,
              "compare what is here, and change nothing");
  flags->String("grpc-addr", &f->node_address,
                "the data node: nothing is restored while it answers");
  flags->Bool("force", &f->is_forced,
              "restore though the node answers, or --target-dir is not empty");
  flags->String("metrics-addr", &f->metrics_address,
                "address that serves /metrics; empty: none");
  DeclareLog(flags, &f->log);
  flags->CheckAll([f] {
    if (!f->target_directory.empty()) return OkStatus();
    if (!f->time_dir.empty())
      return InvalidArgument("--time-dir is for --target-dir");
    for (const std::string_view catalog : kCatalogs) {
      if (!f->roots.Of(catalog).empty()) return OkStatus();
    }
    return InvalidArgument("all of the catalogs' roots are empty");
  });
}

void DeclareVerify(program::Flags* flags, VerifyFlags* f) {
  DeclareStore(flags, &f->destination, "dest", "where backups are");
  flags->String("time-dir", &f->time_dir, "empty: the newest");
  flags->List("catalog", &f->catalogs, "catalogs; none: all that are there");
  DeclareKey(flags, &f->encryption_key_file,
             "file of the key by which backups are sealed; empty: they are "
             "not");
  flags->Bool("read-data", &f->verify.reads_data,
              "read the objects, and compare their bytes");
  flags
      ->Float("sample-percent", &f->verify.sample_percent,
              "with --read-data: of so many of a hundred objects")
      .AtLeast(0)
      .AtMost(100);
  flags->Int("download-concurrency", &f->concurrency, "downloads at a time")
      .AtLeast(1)
      .AtMost(1024);
  DeclareLog(flags, &f->log);
}

void DeclarePrune(program::Flags* flags, PruneFlags* f) {
  DeclareStore(flags, &f->destination, "dest", "where backups are");
  DeclareRetention(flags, &f->retention);
  flags->String("node-id", &f->node_id,
                "only this node's; empty: whose they may be");
  DeclareLog(flags, &f->log);
  flags->CheckAll([f] {
    return f->retention.rules.is_empty()
               ? InvalidArgument(
                     "it is not said what is kept: --keep-last, --keep-daily, "
                     "--keep-hourly or --keep-within")
               : OkStatus();
  });
}

void DeclareTimeDirList(program::Flags* flags, TimeDirFlags* f) {
  DeclareStore(flags, &f->destination, "dest", "where backups are");
  flags->String("prefix", &f->prefix, "only those that begin so");
  DeclareLog(flags, &f->log);
}

void DeclareTimeDir(program::Flags* flags, TimeDirFlags* f) {
  flags->List("catalog", &f->catalogs,
              "catalogs; none: stream, measure, property, trace, "
              "schema-property");
  DeclareRoots(flags, &f->roots, "", "");
  // As the other commands have them.
  DeclareRoots(flags, &f->roots, "-path", "; the same");
  flags
      ->String("time-style", &f->time_style,
               "of the time that is made where none is given")
      .OneOf({"daily", "hourly"});
  flags->Bool("force", &f->is_forced,
              "take a name that is no day, and no hour of one");
  DeclareLog(flags, &f->log);
}

void TakeOverEnvironment(const program::Flags& flags) {
  for (const program::FlagInfo& flag : flags.Listing()) {
    std::string name;
    for (const char c : flag.name)
      name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
    const std::string ours = kOurs + name;
    // NOLINTBEGIN(concurrency-mt-unsafe): there are no threads yet
    const char* const original = std::getenv((kOriginals + name).c_str());
    if (original != nullptr && std::getenv(ours.c_str()) == nullptr)
      (void)::setenv(ours.c_str(), original, 0);
    // NOLINTEND(concurrency-mt-unsafe)
  }
}

Result<std::shared_ptr<const SealKey>> LoadKey(const std::string& file) {
  if (file.empty()) return std::shared_ptr<const SealKey>();
  WarnIfOpen(file);
  auto key = SealKey::Load(file);
  if (!key.ok()) return key.status().WithContext("--encryption-key-file");
  return std::make_shared<const SealKey>(*std::move(key));
}

Result<std::unique_ptr<object_store::ObjectStore>> OpenDestination(
    DestinationFlags flags, const Clock& clock) {
  FODC_ASSIGN_OR_RETURN(const object_store::Location location,
                        object_store::ParseLocation(flags.url));
  if (!flags.azure_account_key_file.empty()) {
    FODC_ASSIGN_OR_RETURN(flags.store.azure_account_key,
                          SecretIn(flags.azure_account_key_file)
                              .WithContext("--azure-account-key-file"));
  }
  if (!flags.azure_sas_token_file.empty()) {
    FODC_ASSIGN_OR_RETURN(flags.store.azure_sas_token,
                          SecretIn(flags.azure_sas_token_file)
                              .WithContext("--azure-sas-token-file"));
  }
  if (!flags.gcp_hmac_secret_file.empty()) {
    FODC_ASSIGN_OR_RETURN(flags.store.gcp_hmac_secret,
                          SecretIn(flags.gcp_hmac_secret_file)
                              .WithContext("--gcp-hmac-secret-file"));
  }
  flags.store.requests_per_second =
      static_cast<std::uint64_t>(flags.requests_per_second);
  flags.store.s3_signs_payload = flags.s3_payload == "signed";
  FODC_ASSIGN_OR_RETURN(auto store,
                        OpenStore(location, std::move(flags.store), clock));
  LogInfo("the store", {{"bucket", location.bucket},
                        {"base", location.base},
                        {"name", store->name()}});
  return store;
}

}  // namespace fodc::backup
