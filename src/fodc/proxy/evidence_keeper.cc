// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/evidence_keeper.h"

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/capsule.h"
#include "fodc/proxy/byte_pipe.h"
#include "fodc/proxy/copy_body.h"

namespace fodc::proxy {
namespace {

using std::chrono::seconds;

constexpr auto kPollPeriod = seconds(1);
constexpr auto kAnswerTime = seconds(10);
constexpr auto kFirstRetry = seconds(5);
constexpr auto kLastRetry = std::chrono::minutes(10);
constexpr std::size_t kPieceBytes = 64u << 10;
constexpr std::size_t kPipeBytes = 256u << 10;
// The copies' listings stay in memory.
constexpr std::size_t kMaxListingBytes = 128u << 10;

std::chrono::nanoseconds RetryAfter(int failures) {
  std::chrono::nanoseconds delay = kFirstRetry;
  for (int i = 1; i < failures && delay < kLastRetry; ++i) delay *= 2;
  return std::min<std::chrono::nanoseconds>(delay, kLastRetry);
}

// How many events gave way; what did not is told.
std::size_t Retain(evidence::EventStore* store,
                   const evidence::RetentionLimits& limits, UnixTime now) {
  const auto retained = store->Retain(limits, now);
  if (!retained.ok()) {
    LogWarn("old copies of evidence were not looked through",
            {{"error", retained.status()}});
    return 0;
  }
  for (const Status& failure : retained->failures) {
    LogWarn("a copy of evidence cannot be deleted",
            {{"error", failure.message()}});
  }
  return retained->deleted.size();
}

// What a thread of its own does: the event is there whole, or nothing of it is.
Status ImportCopy(evidence::EventStore* store, BytePipe* pipe,
                  const fleet::ListedEvent& event, const std::string& pod_name,
                  const evidence::RetentionLimits& limits, UnixTime now,
                  std::size_t* deleted) {
  // An agent may send any capsule; one event's place is no other's.
  const auto accept = [&](const evidence::CapsuleContent& content) -> Status {
    if (content.id == event.id &&
        EqualsIgnoreCase(content.meta.pod_name, pod_name)) {
      return OkStatus();
    }
    return DataLoss(StrCat("the capsule is of event ", content.id, " of pod \"",
                           content.meta.pod_name, '"'));
  };
  const auto content = store->Import(
      [pipe](std::span<char> buffer) { return pipe->Read(buffer); },
      {.max_bytes =
           event.bytes + evidence::kMaxMetaBytes + evidence::kMaxManifestBytes,
       .min_bytes = event.bytes},
      accept);
  // It is there already: somebody else uses the directory, too.
  if (!content.ok() && content.status().code() != Code::kAlreadyExists) {
    return content.status();
  }
  if (event.is_pinned) {
    // Beyond what may be pinned it is a copy like others.
    store->Pin(event.id, limits).IgnoreError();
  }
  *deleted = Retain(store, limits, now);
  return OkStatus();
}

}  // namespace

struct EvidenceKeeper::ImportResult {
  Status status;
  std::size_t deleted = 0;  // copies that gave way
};

// One event on its way to the disk. A thread has the pipe, the loop the rest.
struct EvidenceKeeper::Copying {
  ~Copying() { Cancel(); }
  void Cancel() {
    withdrawal->Withdraw();
    body.reset();
    if (pipe) pipe->Close(Cancelled("copying was stopped"));
  }
  // Moves what there is, as far as there is room.
  void Pump() {
    while (body && pipe->HasRoom()) {
      std::string piece;
      const auto step = body->Next(&piece, kPieceBytes);
      if (!step.ok()) {
        body.reset();
        return pipe->Close(step.status());
      }
      pipe->Push(std::move(piece));
      if (*step == net::BodyStep::kWait) return;
      if (*step == net::BodyStep::kDone) {
        body.reset();
        return pipe->Close(OkStatus());
      }
    }
  }

  std::uint64_t number = 0;
  std::string pod_name;
  ListedRef event;
  std::shared_ptr<fleet::Withdrawal> withdrawal =
      std::make_shared<fleet::Withdrawal>();
  std::unique_ptr<net::BodySource> body;
  std::shared_ptr<BytePipe> pipe;
  net::EventLoop::Handle deadline;
};

Result<std::unique_ptr<EvidenceKeeper>> EvidenceKeeper::Open(
    net::EventLoop& loop, const fleet::Fleet& fleet, const Options& options) {
  FODC_ASSIGN_OR_RETURN(
      auto store,
      evidence::EventStore::Open({.root = options.directory,
                                  .keep_free_bytes = options.keep_free_bytes}));
  // A disk that is full now may have room later.
  if (Status s = store->CheckWritable(); s.code() == Code::kResourceExhausted) {
    LogWarn("no evidence can be copied for now", {{"error", s}});
  } else if (!s.ok()) {
    return s;
  }
  // Limits may have become lower.
  FODC_RETURN_IF_ERROR(
      store->Retain(options.limits, loop.clock().Unix()).status());
  FODC_ASSIGN_OR_RETURN(auto events, store->List(kMaxCopies));
  std::unique_ptr<EvidenceKeeper> keeper(
      new EvidenceKeeper(loop, fleet, options, std::move(store)));
  std::vector<fleet::ListedEvent> listed;
  for (evidence::EventInfo& e : events) {
    listed.push_back(
        {std::move(e.id), std::move(e.meta), e.bytes, e.is_pinned});
  }
  keeper->TakeList(std::move(listed));
  return keeper;
}

EvidenceKeeper::EvidenceKeeper(net::EventLoop& loop, const fleet::Fleet& fleet,
                               const Options& options,
                               std::shared_ptr<evidence::EventStore> store)
    : loop_(loop),
      fleet_(fleet),
      options_(options),
      store_(std::move(store)),
      server_(std::make_unique<link::EvidenceServer>(
          loop,
          link::EvidenceServer::Options{.retention = options.limits,
                                        .max_listed = kMaxCopies},
          [this] { Relist([] {}); })) {
  server_->set_store(store_);
}

EvidenceKeeper::~EvidenceKeeper() {
  Stop();
  *self_ = nullptr;
}

void EvidenceKeeper::Start(fleet::EvidenceCommander* commander) {
  commander_ = commander;
  poll_ = loop_.RunEvery(kPollPeriod,
                         [this](const net::EventLoop::Tick&) { CopyNext(); });
  if (options_.limits.max_age.count() > 0) {
    retain_ =
        loop_.RunEvery(options_.retain_every,
                       [this](const net::EventLoop::Tick&) { RetainByAge(); });
  }
}

void EvidenceKeeper::Stop() {
  poll_.Cancel();
  retain_.Cancel();
  commander_ = nullptr;
  if (const auto copying = std::exchange(copying_, nullptr)) copying->Cancel();
}

Status EvidenceKeeper::CheckMayKeep(const fleet::NodeEvents& node,
                                    const fleet::ListedEvent& event) const {
  if (!EqualsIgnoreCase(event.meta.pod_name, node.pod_name)) {
    return InvalidArgument(
        StrCat("it says that it is of pod \"", event.meta.pod_name, '"'));
  }
  if (event.bytes > static_cast<std::uint64_t>(options_.limits.max_bytes)) {
    return ResourceExhausted(StrCat("it has ", event.bytes,
                                    " bytes; --evidence-max-disk-bytes is ",
                                    options_.limits.max_bytes));
  }
  if (fleet::EventBytes(event) > kMaxListingBytes) {
    return ResourceExhausted(StrCat("its listing takes ",
                                    fleet::EventBytes(event),
                                    " bytes; the limit is ", kMaxListingBytes));
  }
  for (const auto& [pod, copies] : copies_) {
    if (EqualsIgnoreCase(pod, node.pod_name)) continue;
    for (const ListedRef& copy : copies->events) {
      if (copy->id == event.id) {
        return AlreadyExists(
            StrCat("pod ", copies->pod_name, " has an event of the same id"));
      }
    }
  }
  return OkStatus();
}

void EvidenceKeeper::CopyNext() {
  if (copying_ != nullptr || is_importing_ || commander_ == nullptr) return;
  std::set<fleet::AgentId> online;
  for (const fleet::Agent& agent : *fleet_.List()) {
    if (agent.status == fleet::AgentStatus::kOnline) online.insert(agent.id);
  }
  const MonotonicTime now = loop_.clock().Monotonic();
  std::map<Name, Attempt> known;  // of what is still listed
  std::vector<Name> to_pin;
  std::vector<std::tuple<fleet::AgentId, Name, bool>> hand_on;
  std::shared_ptr<const fleet::NodeEvents> node;
  ListedRef newest;
  bool newest_is_other = false;  // of another pod than the last one
  stats_.waiting = 0;
  for (const auto& candidate : fleet_.events().List()) {
    if (candidate->kind != fleet::AgentKind::kFlight) continue;
    const std::string pod = ToLower(candidate->pod_name);
    for (const ListedRef& event : candidate->events) {
      const Name name(pod, event->id);
      const auto before = attempts_.find(name);
      Attempt attempt = before == attempts_.end() ? Attempt() : before->second;
      if (attempt.revision != event->meta.revision) {
        attempt = {.revision = event->meta.revision,
                   .is_node_pinned = attempt.is_node_pinned,
                   .wants_pin = attempt.wants_pin,
                   .is_pinning = attempt.is_pinning};
      }
      // When it becomes so: the copy may have been unpinned since.
      const bool was_pinned =
          std::exchange(attempt.is_node_pinned, event->is_pinned);
      attempt.wants_pin =
          event->is_pinned && (attempt.wants_pin || !was_pinned);
      const ListedRef copy = CopyOf(pod, event->id);
      if (const auto wish = pin_wishes_.find(name);
          wish != pin_wishes_.end() && online.contains(candidate->agent)) {
        if (wish->second == event->is_pinned) {
          pin_wishes_.erase(wish);
        } else {
          hand_on.emplace_back(candidate->agent, name, wish->second);
        }
      }
      if (copy && copy->meta.revision >= event->meta.revision) {
        attempt.is_settled = true;
        if (copy->is_pinned) attempt.wants_pin = false;
        if (attempt.wants_pin && !attempt.is_pinning) to_pin.push_back(name);
      }
      if (IsTooOld(*event)) attempt.is_settled = true;  // it would go at once
      if (!attempt.is_settled) {
        if (const Status s = CheckMayKeep(*candidate, *event); !s.ok()) {
          attempt.is_settled = true;
          ++stats_.refused;
          LogWarn("no copy of the evidence can be kept",
                  {{"pod", candidate->pod_name},
                   {"event", event->id},
                   {"error", s.message()}});
        }
      }
      known[name] = attempt;
      if (attempt.is_settled || !online.contains(candidate->agent)) continue;
      ++stats_.waiting;
      if (attempt.next > now) continue;
      const bool is_other = pod != last_pod_;
      if (!newest || std::tie(newest_is_other, newest->id) <
                         std::tie(is_other, event->id)) {
        node = candidate;
        newest = event;
        newest_is_other = is_other;
      }
    }
  }
  attempts_ = std::move(known);
  for (const Name& name : to_pin) TakePin(name);
  for (const auto& [agent, name, pinned] : hand_on)
    HandOnPin(agent, name, pinned);
  if (newest) Begin(node, newest);
}

bool EvidenceKeeper::IsTooOld(const fleet::ListedEvent& event) const {
  const auto age = options_.limits.max_age;
  return age.count() > 0 && !event.is_pinned &&
         loop_.clock().Unix() - event.meta.captured_at > age;
}

// It was pinned at its node by somebody else, or before this could be done.
void EvidenceKeeper::TakePin(const Name& name) {
  attempts_[name].is_pinning = true;
  server_->Pin(name.second, true, [this, name](const Status& status) {
    const auto it = attempts_.find(name);
    if (it != attempts_.end()) {
      it->second.is_pinning = false;
      // Where no worker was free it is tried again at the next turn.
      if (status.code() != Code::kUnavailable) it->second.wants_pin = false;
    }
    if (status.ok()) return;
    LogWarn("a copy of evidence cannot be pinned",
            {{"pod", name.first}, {"event", name.second}, {"error", status}});
  });
}

void EvidenceKeeper::HandOnPin(const fleet::AgentId& agent, const Name& name,
                               bool pinned) {
  commander_->Pin(agent, name.second, pinned,
                  loop_.clock().Monotonic() + kAnswerTime,
                  [self = self_, name](const Status& status) {
                    if (*self == nullptr || status.ok()) return;
                    // What it cannot do is not asked again.
                    if (status.code() != Code::kUnavailable)
                      (*self)->pin_wishes_.erase(name);
                  });
}

std::optional<bool> EvidenceKeeper::PinWish(std::string_view pod_name,
                                            std::string_view event_id) const {
  const auto it = pin_wishes_.find({ToLower(pod_name), std::string(event_id)});
  if (it == pin_wishes_.end()) return {};
  return it->second;
}

void EvidenceKeeper::RetainByAge() {
  auto deleted = std::make_shared<std::size_t>(0);
  // Where the workers are busy it is tried again at the next turn.
  (void)loop_.Offload(
      [store = store_, limits = options_.limits, now = loop_.clock().Unix(),
       deleted] { *deleted = Retain(store.get(), limits, now); },
      [self = self_, deleted] {
        if (*self != nullptr) (*self)->OnRetained(*deleted);
      });
}

void EvidenceKeeper::OnRetained(std::size_t deleted) {
  if (deleted == 0) return;
  stats_.deleted += deleted;
  Relist([] {});
}

void EvidenceKeeper::Begin(const std::shared_ptr<const fleet::NodeEvents>& node,
                           const ListedRef& event) {
  copying_ = std::make_shared<Copying>();
  copying_->number = ++copyings_;
  copying_->pod_name = node->pod_name;
  last_pod_ = ToLower(node->pod_name);
  copying_->event = event;
  const auto time =
      options_.copy_grace +
      std::chrono::seconds(event->bytes / options_.least_bytes_per_second);
  copying_->deadline = loop_.RunAfter(time, [this, time] {
    OnEnd(DeadlineExceeded(
        StrCat("it was not whole after ", FormatGoDuration(time))));
  });
  fleet::EvidenceQuestion question;
  question.event_id = event->id;
  question.withdrawal = copying_->withdrawal;
  commander_->Fetch(node->agent, question,
                    loop_.clock().Monotonic() + kAnswerTime,
                    [this, weak = std::weak_ptr<Copying>(copying_)](
                        Result<fleet::EvidenceAnswer> answer) {
                      if (const auto copying = weak.lock()) {
                        OnAnswer(copying, std::move(answer));
                      }
                    });
}

void EvidenceKeeper::OnAnswer(const std::shared_ptr<Copying>& copying,
                              Result<fleet::EvidenceAnswer> answer) {
  if (copying != copying_) return;  // stopped
  if (!answer.ok()) return OnEnd(answer.status());
  copying->body = std::move(answer->body);
  const auto pump = [self = self_, number = copying->number] {
    if (*self != nullptr) (*self)->Pump(number);
  };
  copying->pipe = std::make_shared<BytePipe>(
      kPipeBytes, [&loop = loop_, pump] { loop.Post(pump); });
  if (const Status s = Import(copying); !s.ok()) return OnEnd(s);
  copying->body->Start(pump);
  copying->Pump();
}

Status EvidenceKeeper::Import(const std::shared_ptr<Copying>& copying) {
  try {
    importer_ =
        std::jthread([&loop = loop_, self = self_, store = store_,
                      pipe = copying->pipe, event = copying->event,
                      pod_name = copying->pod_name, limits = options_.limits,
                      now = loop_.clock().Unix(), number = copying->number] {
          ImportResult result;
          result.status = ImportCopy(store.get(), pipe.get(), *event, pod_name,
                                     limits, now, &result.deleted);
          loop.Post([self, number, result] {
            if (*self != nullptr) (*self)->OnImported(number, result);
          });
        });
  } catch (const std::system_error& e) {
    return Unavailable(StrCat("no thread: ", e.what()));
  }
  is_importing_ = true;
  return OkStatus();
}

void EvidenceKeeper::Pump(std::uint64_t number) {
  if (copying_ != nullptr && copying_->number == number) copying_->Pump();
}

void EvidenceKeeper::OnImported(std::uint64_t number,
                                const ImportResult& result) {
  is_importing_ = false;
  stats_.deleted += result.deleted;
  if (copying_ != nullptr && copying_->number == number) OnEnd(result.status);
}

void EvidenceKeeper::OnEnd(const Status& status) {
  copying_->deadline.Cancel();
  const auto& event = copying_->event;
  Attempt& attempt = attempts_[{ToLower(copying_->pod_name), event->id}];
  if (status.ok()) {
    ++stats_.copied;
    attempt.is_settled = true;
    LogInfo("evidence copied", {{"pod", copying_->pod_name},
                                {"event", event->id},
                                {"revision", event->meta.revision},
                                {"bytes", event->bytes}});
    // One at a time, until the listing is true.
    return Relist([this] {
      copying_ = nullptr;
      CopyNext();
    });
  }
  ++stats_.failed;
  const auto delay = RetryAfter(++attempt.failures);
  attempt.next = loop_.clock().Monotonic() + delay;
  LogWarn("evidence not copied", {{"pod", copying_->pod_name},
                                  {"event", event->id},
                                  {"error", status.message()},
                                  {"again_in", FormatGoDuration(delay)}});
  const auto failed = std::exchange(copying_, nullptr);
  failed->Cancel();
}

void EvidenceKeeper::Relist(net::Task done) {
  server_->List([this, done = std::move(done)](
                    Result<std::vector<fleet::ListedEvent>> events) mutable {
    if (events.ok()) {
      TakeList(*std::move(events));
    } else {
      LogWarn("copies of evidence cannot be listed",
              {{"error", events.status().message()}});
    }
    done();
  });
}

void EvidenceKeeper::TakeList(std::vector<fleet::ListedEvent> events) {
  stats_.copies = events.size();
  stats_.bytes = 0;
  std::map<std::string, fleet::NodeEvents> pods;
  for (fleet::ListedEvent& event : events) {
    stats_.bytes += event.bytes;
    fleet::NodeEvents& node = pods[ToLower(event.meta.pod_name)];
    if (node.events.empty()) {  // the newest one knows best
      node.kind = fleet::AgentKind::kFlight;
      node.pod_name = event.meta.pod_name;
      node.role = event.meta.role;
    }
    node.events.push_back(
        std::make_shared<const fleet::ListedEvent>(std::move(event)));
  }
  copies_.clear();
  // A wish goes with its copy.
  std::erase_if(pin_wishes_, [&pods](const auto& wish) {
    const auto pod = pods.find(wish.first.first);
    return pod == pods.end() ||
           std::ranges::none_of(pod->second.events, [&](const ListedRef& e) {
             return e->id == wish.first.second;
           });
  });
  for (auto& [pod, node] : pods) {
    copies_.emplace(pod,
                    std::make_shared<const fleet::NodeEvents>(std::move(node)));
  }
}

EvidenceKeeper::ListedRef EvidenceKeeper::CopyOf(std::string_view pod_name,
                                                 std::string_view id) const {
  const auto node = Find(pod_name);
  if (node == nullptr) return nullptr;
  for (const ListedRef& event : node->events) {
    if (event->id == id) return event;
  }
  return nullptr;
}

std::vector<std::shared_ptr<const fleet::NodeEvents>> EvidenceKeeper::List()
    const {
  std::vector<std::shared_ptr<const fleet::NodeEvents>> out;
  out.reserve(copies_.size());
  for (const auto& [pod, node] : copies_) out.push_back(node);
  return out;
}

std::shared_ptr<const fleet::NodeEvents> EvidenceKeeper::Find(
    std::string_view pod_name) const {
  const auto it = copies_.find(ToLower(pod_name));
  return it == copies_.end() ? nullptr : it->second;
}

void EvidenceKeeper::Fetch(std::string_view pod_name,
                           const fleet::EvidenceQuestion& question,
                           fleet::EvidenceCommander::FetchCallback done) {
  link::EvidenceWish wish;
  // Of another pod it is none: an id that is none is not found on the disk.
  if (CopyOf(pod_name, question.event_id)) wish.event_id = question.event_id;
  wish.artifact = question.artifact;
  wish.offset = question.offset;
  server_->Open(
      wish,
      [this, length = question.length, is_known = !wish.event_id.empty(),
       done = std::move(done)](Result<link::OpenedEvidence> opened) mutable {
        if (!is_known) return done(NotFound("no copy of this event"));
        if (!opened.ok()) {
          // Somebody else may have removed it.
          if (opened.status().code() == Code::kNotFound) Relist([] {});
          return done(opened.status());
        }
        fleet::EvidenceAnswer answer;
        answer.size_bytes = opened->info.size_bytes;
        answer.sha256 = std::move(opened->info.sha256);
        answer.revision = opened->info.revision;
        answer.body =
            std::make_unique<CopyBody>(std::move(opened->reader), length);
        done(std::move(answer));
      });
}

void EvidenceKeeper::Pin(std::string_view pod_name, const std::string& event_id,
                         bool pinned,
                         fleet::EvidenceCommander::DoneCallback done) {
  const bool is_known = CopyOf(pod_name, event_id) != nullptr;
  // What the node was told before counts no more.
  const auto attempt = attempts_.find({ToLower(pod_name), event_id});
  if (attempt != attempts_.end()) attempt->second.wants_pin = false;
  if (is_known) pin_wishes_[{ToLower(pod_name), event_id}] = pinned;
  server_->Pin(
      is_known ? event_id : std::string(), pinned,
      [is_known, done = std::move(done)](const Status& status) mutable {
        done(is_known ? status : NotFound("no copy of this event"));
      });
}

EvidenceKeeper::Stats EvidenceKeeper::stats() const { return stats_; }

}  // namespace fodc::proxy
