// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/options.h"

#include "fodc/program/addresses.h"

namespace kvnode {

void DeclareFlags(fodc::program::Flags* flags, Options* o) {
  flags->String("listen", &o->listen, "HOST:PORT of the API and /metrics")
      .Check(fodc::program::CheckListenAddress);
  flags->String("data-dir", &o->data_dir, "where db, log and guard files lie")
      .NotEmpty();
  flags->String("snapshot-dir", &o->snapshot_dir,
                "where POST /snapshot puts copies (empty: DATA-DIR/snapshots)");
  flags
      ->String("stream-layout", &o->stream_layout,
               "entries: one key for each entry of a stream; blob: one value "
               "for the whole stream, the older layout, kept to show the "
               "difference")
      .OneOf({"entries", "blob"});
  flags
      ->Bytes("max-value-bytes", &o->max_value_bytes,
              "the largest body of a request")
      .AtLeast(1024)
      .AtMost(1 << 30);
  flags
      ->Int("max-answer-entries", &o->max_answer_entries,
            "of one scan or read of a stream; the answer says where to go on")
      .AtLeast(1)
      .AtMost(1'000'000);
  flags->Bytes("block-cache", &o->block_cache_bytes,
               "RocksDB's block cache (0: a quarter of the memory limit)");
  flags->Bytes("write-buffers", &o->write_buffer_bytes, "RocksDB's memtables")
      .AtLeast(1 << 20);

  flags->Bool("no-guard", &o->no_guard,
              "without libfodc-guard, to show the difference");
  flags->String("soft-limit", &o->soft_limit,
                "where memory is given back: 1800MiB, 72%, off (or empty); "
                "auto: KVNODE_MEMORY_SOFT_LIMIT, else 72% of the memory limit");
  flags
      ->Float("memory-threshold", &o->memory_threshold_percent,
              "the node stops by itself at this per cent of the memory limit")
      .AtLeast(1)
      .AtMost(100);
  flags
      ->Int("heavy-slots", &o->heavy_slots,
            "scans and reads of whole streams at once (0: two for each CPU)")
      .AtLeast(0)
      .AtMost(65535);
  flags->Bytes("inflight-bytes", &o->inflight_bytes,
               "bodies of requests in memory at once (0: an eighth of the "
               "memory limit, 256 MiB at most)");
  flags->String(
      "profile-listen", &o->profile_listen,
      "address of /debug/pprof, loopback or unix:/path (empty: none)");
  fodc::program::AddLogFlags(flags, &o->log);
}

}  // namespace kvnode
