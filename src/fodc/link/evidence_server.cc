// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/evidence_server.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/capsule_writer.h"

namespace fodc::link {
namespace {

// The pool is busy: so long until it is asked again.
constexpr std::chrono::milliseconds kBusyRetry{20};

// One artifact or capsule that is being read: of one job at a time.
struct OpenFile {
  std::unique_ptr<evidence::ArtifactReader> artifact;
  std::unique_ptr<evidence::CapsuleWriter> capsule;
  std::uint64_t offset = 0;

  Result<std::string> Read(std::size_t max_bytes) {
    std::string bytes(max_bytes, '\0');
    std::size_t size = 0;
    if (artifact != nullptr) {
      FODC_ASSIGN_OR_RETURN(size, artifact->ReadAt(offset, bytes));
      offset += size;
    }
    while (capsule != nullptr && size < bytes.size()) {
      FODC_ASSIGN_OR_RETURN(
          const std::size_t n,
          capsule->Read(std::span<char>(bytes).subspan(size)));
      if (n == 0) break;
      size += n;
    }
    bytes.resize(size);
    return bytes;
  }
};

struct Opened {
  EvidenceInfo info;
  std::shared_ptr<OpenFile> file;
};

Result<std::string> ArtifactOf(const EvidenceWish& wish,
                               const evidence::EventInfo& event) {
  if (wish.profile_type.empty()) return wish.artifact;
  for (const evidence::EventProfile& p : event.meta.profiles) {
    if (p.type == wish.profile_type) return p.filename;
  }
  return NotFound(
      StrCat("event ", wish.event_id, " has no profile of this type"));
}

Result<Opened> OpenIn(const evidence::EventStore& store,
                      const EvidenceWish& wish) {
  Opened opened;
  opened.file = std::make_shared<OpenFile>();
  FODC_ASSIGN_OR_RETURN(const evidence::EventInfo event,
                        store.Read(wish.event_id));
  opened.info.revision = event.meta.revision;
  FODC_ASSIGN_OR_RETURN(const std::string name, ArtifactOf(wish, event));
  if (name.empty()) {
    if (wish.offset != 0) {
      return OutOfRange("a capsule is had from its beginning only");
    }
    FODC_ASSIGN_OR_RETURN(opened.file->capsule,
                          evidence::CapsuleWriter::Make(store, wish.event_id));
    return opened;
  }
  FODC_ASSIGN_OR_RETURN(evidence::ArtifactReader reader,
                        store.OpenArtifact(wish.event_id, name));
  if (wish.offset > reader.size_bytes()) {
    return OutOfRange(StrCat(name, " has ", reader.size_bytes(),
                             " bytes; offset ", wish.offset,
                             " is behind its end"));
  }
  opened.info.size_bytes = reader.size_bytes();
  opened.info.sha256 = reader.sha256();
  opened.file->offset = wish.offset;
  opened.file->artifact =
      std::make_unique<evidence::ArtifactReader>(std::move(reader));
  return opened;
}

// What others hear of a failure: where things lie is the node's own.
Status ForOthers(const Status& status) {
  return {status.code(), evidence::WithoutDirectories(status.message())};
}

Status NotOpen() { return Unavailable("the directory of events is not open"); }

Result<std::vector<fleet::ListedEvent>> ListIn(
    const evidence::EventStore& store, std::size_t max) {
  FODC_ASSIGN_OR_RETURN(std::vector<evidence::EventInfo> events,
                        store.List(max));
  std::vector<fleet::ListedEvent> out;
  out.reserve(events.size());
  for (evidence::EventInfo& e : events) {
    out.push_back({std::move(e.id), std::move(e.meta), e.bytes, e.is_pinned});
  }
  return out;
}

}  // namespace

// Jobs one after the other. Outlives the server while one runs.
class EvidenceServer::Queue : public std::enable_shared_from_this<Queue> {
 public:
  Queue(net::EventLoop& loop, std::size_t max_waiting)
      : loop_(loop), max_waiting_(max_waiting) {}

  // `done` gets the result of `work`, or why it was not tried.
  template <typename T>
  void Ask(net::UniqueFunction<Result<T>()> work,
           net::UniqueFunction<void(Result<T>)> done) {
    auto slot =
        std::make_shared<Result<T>>(Unavailable("too many wait for the disk"));
    auto finish = [slot, done = std::move(done)]() mutable {
      done(std::move(*slot));
    };
    if (waiting_.size() >= max_waiting_) {
      loop_.Post(
          [weak = weak_from_this(), finish = std::move(finish)]() mutable {
            if (!weak.expired()) finish();
          });
      return;
    }
    waiting_.push_back(
        {[slot, work = std::move(work)]() mutable { *slot = work(); },
         std::move(finish)});
    Run();
  }

 private:
  struct Job {
    net::Task work;
    net::Task done;
  };

  void Run() {
    if (is_running_ || waiting_.empty()) return;
    const auto job = std::make_shared<Job>(std::move(waiting_.front()));
    waiting_.pop_front();
    is_running_ = true;
    Try(job);
  }

  void Try(const std::shared_ptr<Job>& job) {
    // Nobody hears of a job whose server is gone.
    const bool is_taken = loop_.Offload([job] { job->work(); },
                                        [weak = weak_from_this(), job] {
                                          const auto kept = weak.lock();
                                          if (kept == nullptr) return;
                                          kept->is_running_ = false;
                                          kept->Run();
                                          job->done();
                                        });
    if (!is_taken) {
      retry_ = loop_.RunAfter(kBusyRetry, [this, job] { Try(job); });
    }
  }

  net::EventLoop& loop_;
  const std::size_t max_waiting_;
  std::deque<Job> waiting_;
  bool is_running_ = false;
  net::EventLoop::Handle retry_;
};

class EvidenceServer::Reader final : public EvidenceReader {
 public:
  Reader(std::weak_ptr<Queue> queue, std::shared_ptr<OpenFile> file)
      : queue_(std::move(queue)), file_(std::move(file)) {}

  void Read(std::size_t max_bytes, ReadCallback done) override {
    const auto queue = queue_.lock();
    if (queue == nullptr) return;
    queue->Ask<std::string>(
        [file = file_, max_bytes] { return file->Read(max_bytes); },
        [alive = std::weak_ptr<bool>(alive_),
         done = std::move(done)](Result<std::string> bytes) mutable {
          if (alive.expired()) return;
          if (!bytes.ok()) bytes = ForOthers(bytes.status());
          done(std::move(bytes));
        });
  }

 private:
  const std::weak_ptr<Queue> queue_;
  const std::shared_ptr<OpenFile> file_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

EvidenceServer::EvidenceServer(net::EventLoop& loop, const Options& options,
                               std::function<void()> on_changed)
    : options_(options),
      on_changed_(std::move(on_changed)),
      queue_(std::make_shared<Queue>(loop, options.max_waiting)) {}

EvidenceServer::~EvidenceServer() = default;

const std::string& EvidenceServer::root() const {
  static const std::string none;
  return store_ == nullptr ? none : store_->root();
}

void EvidenceServer::List(ListCallback done) {
  queue_->Ask<std::vector<fleet::ListedEvent>>(
      [store = store_,
       max = options_.max_listed]() -> Result<std::vector<fleet::ListedEvent>> {
        if (store == nullptr) return NotOpen();
        return ListIn(*store, max);
      },
      std::move(done));
}

void EvidenceServer::Open(const EvidenceWish& wish, OpenCallback done) {
  queue_->Ask<Opened>(
      [store = store_, wish]() -> Result<Opened> {
        if (store == nullptr) return NotOpen();
        return OpenIn(*store, wish);
      },
      [queue = std::weak_ptr<Queue>(queue_),
       done = std::move(done)](Result<Opened> opened) mutable {
        if (!opened.ok()) {
          done(ForOthers(opened.status()));
          return;
        }
        done(OpenedEvidence{std::move(opened->info),
                            std::make_unique<Reader>(std::move(queue),
                                                     std::move(opened->file))});
      });
}

void EvidenceServer::Pin(const std::string& event_id, bool pinned,
                         DoneCallback done) {
  queue_->Ask<bool>(
      [store = store_, event_id, pinned,
       limits = options_.retention]() -> Result<bool> {
        if (store == nullptr) return NotOpen();
        FODC_RETURN_IF_ERROR(pinned ? store->Pin(event_id, limits)
                                    : store->Unpin(event_id));
        return true;
      },
      [this, done = std::move(done)](Result<bool> result) mutable {
        done(result.ok() ? OkStatus() : ForOthers(result.status()));
        if (result.ok()) on_changed_();
      });
}

}  // namespace fodc::link
