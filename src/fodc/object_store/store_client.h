// SPDX-License-Identifier: Apache-2.0
// Requests to one store, until they are done: signed anew for each attempt,
// made again where that helps, no more at a time than the store bears.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <random>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/object_store/retry.h"
#include "fodc/object_store/transport.h"

namespace fodc::object_store {

// What a service says of a failure beside its status.
struct ServiceError {
  std::string code{};     // "SlowDown"
  std::string message{};  // for people
  std::string request_id{};
};

// One attempt, for metrics. `status` 0: there was no answer. The texts are the
// caller's.
struct AttemptReport {
  std::string_view store;
  std::string_view operation;
  int status = 0;
  std::chrono::nanoseconds took{};
  // Of one that is made again: why; else empty.
  std::string_view retry_reason{};
};

class StoreClient {
 public:
  struct Options {
    std::string store{};  // "S3", for errors
    RetryOptions retry{};
    std::size_t concurrency = 64;
    std::function<void(const AttemptReport&)> on_attempt{};  // on any thread
    // Of requests; null: none. Outlives the client.
    Pace* requests = nullptr;
  };
  // How the service speaks. Each is called on the thread of Do.
  struct Service {
    // Adds what names the caller; `now` is the service's time, as far as it is
    // known.
    std::function<Status(UnixTime now, const std::stop_token& stop,
                         HttpRequest* request)>
        sign;
    std::function<ServiceError(const HttpAnswer& answer)> read_error;
    // The credentials have expired: others are to be used from now on.
    std::function<Status(const std::stop_token& stop)> refresh{};
    // What may be said in an answer 2xx that is a failure all the same; empty
    // code: it is none.
    std::function<ServiceError(const HttpAnswer& answer)> find_late_error{};
  };
  struct Call {
    std::string_view operation;  // "put"
    std::string_view key;        // for errors
    HttpRequest request;         // unsigned
    TransferOptions transfer{};
    // Of a body that is signed itself: writes it, anew for each attempt.
    std::function<Status(UnixTime now, const std::stop_token& stop,
                         HttpRequest* request)>
        write{};
    int also_good = 0;     // a status beside 2xx that is no failure
    bool is_once = false;  // not made again: its caller knows better
  };

  // `transport` and `clock` must outlive it.
  StoreClient(Options options, Service service, Transport& transport,
              const Clock& clock);

  // An answer 2xx, or `also_good`. A call whose sink has had a piece is not
  // made again; its caller goes on behind that. Errors: of what the last
  // attempt brought, see ObjectStore; kCancelled.
  Result<HttpAnswer> Do(Call call);

 private:
  // A request's place among those that are made at a time.
  class Place;

  Status Enter(const std::stop_token& stop);
  void Leave();
  Status Wait(std::chrono::nanoseconds time, const std::stop_token& stop);
  void Heed(Attempt attempt, const HttpAnswer& answer);
  Status Failure(const Call& call, const HttpAnswer& answer,
                 const ServiceError& error, int attempts) const;
  double Dice();

  const Options options_;
  const Service service_;
  Transport& transport_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  Concurrency concurrency_ FODC_GUARDED_BY(mutex_);
  RetryBudget budget_ FODC_GUARDED_BY(mutex_);
  std::size_t under_way_ FODC_GUARDED_BY(mutex_) = 0;
  std::chrono::nanoseconds skew_ FODC_GUARDED_BY(mutex_){};
  std::mt19937 random_ FODC_GUARDED_BY(mutex_);
};

// The code that fits what a service says, as ObjectStore has them.
Code CodeOfAnswer(int status, std::string_view service_code);

}  // namespace fodc::object_store
