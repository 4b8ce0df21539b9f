// SPDX-License-Identifier: Apache-2.0
// For this room only: what gRPC and protobuf have to say goes into our log, as
// DEBUG: it is about single peers and messages, which are counted and logged
// where they are refused.
#pragma once

namespace fodc::link {

// Once per process; later calls do nothing.
void RouteLibraryLogs();

}  // namespace fodc::link
