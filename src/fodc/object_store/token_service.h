// SPDX-License-Identifier: Apache-2.0
// Whoever gives tokens and keys over HTTP: OAuth's token endpoints, metadata
// services of machines.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/object_store/renewed.h"
#include "fodc/object_store/transport.h"

namespace fodc::object_store {

using BearerToken = Expiring<std::string>;

// Whether the same question may go well a moment later.
bool IsPassing(const Result<HttpAnswer>& answer);

// Asks up to three times within some seconds, where that may help: a store's
// request has its own patience. `also_passing`: a status that may be another
// one a moment later. Errors: those of Transport::Perform.
Result<HttpAnswer> AskPatiently(Transport& transport, const Clock& clock,
                                const HttpRequest& request,
                                const std::stop_token& stop,
                                int also_passing = 0);

// "http://host/path?a=b" taken apart; the query stays with the path.
HttpRequest RequestOf(std::string_view url);

// POST of a form, `body` being its bytes, which must outlive the request.
HttpRequest FormRequest(std::string_view url, const Blob& body);

// Of an answer by JSON, as OAuth and its relatives have it: numbers may be
// texts, and the time of the end may stand for the length.
// Errors: kUnauthenticated saying what `what` answers, never the token.
Result<BearerToken> TokenOf(const HttpAnswer& answer, std::string_view what,
                            UnixTime now);

}  // namespace fodc::object_store
