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
      ->Int("keep-snapshots", &o->keep_snapshots, "older snapshots are removed")
      .AtLeast(1)
      .AtMost(1000);
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
  flags->Bytes("max-answer-bytes", &o->max_answer_bytes, "likewise")
      .AtLeast(1024)
      .AtMost(1 << 30);
  flags->Bytes("block-cache", &o->block_cache_bytes,
               "RocksDB's block cache (0: a quarter of the memory limit)");
  flags->Bytes("write-buffers", &o->write_buffer_bytes, "RocksDB's memtables")
      .AtLeast(1 << 20);
  flags
      ->Bytes("max-log-bytes", &o->max_log_bytes,
              "beyond, the store is flushed and old segments go")
      .AtLeast(1 << 20);
  flags->Int("workers", &o->workers, "threads that read")
      .AtLeast(1)
      .AtMost(256);
  flags
      ->Duration("stop-grace", &o->stop_grace,
                 "how long answers may take to finish when the node stops")
      .AtLeast(std::chrono::nanoseconds(0));

  flags->Bool("no-guard", &o->no_guard,
              "without libfodc-guard, to show the difference");
  flags->String("soft-limit", &o->soft_limit,
                "where memory is given back: 1800MiB, 72%, off (empty: 72% of "
                "the memory limit)");
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
  flags->Int("heavy-per-peer", &o->heavy_per_peer, "of them, for one address")
      .AtLeast(0)
      .AtMost(65535);
  flags
      ->Int("connections-per-address", &o->connections_per_address,
            "0: no limit")
      .AtLeast(0)
      .AtMost(1'000'000);
  flags
      ->Bytes("inflight-bytes", &o->inflight_bytes,
              "bodies of requests in memory at once")
      .AtLeast(1 << 20);
  flags->String(
      "profile-listen", &o->profile_listen,
      "address of /debug/pprof, loopback or unix:/path (empty: none)");
  fodc::program::AddLogFlags(flags, &o->log);
}

}  // namespace kvnode
