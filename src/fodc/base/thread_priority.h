// SPDX-License-Identifier: Apache-2.0
// Who goes first when there is more to do than there are CPUs. Both are wishes
// that need no privilege; what the kernel does not grant changes nothing.
#pragma once

#include <chrono>

namespace fodc {

// The calling thread gives way to those of a lower nice value, the process's
// other ones among them. There is no way back without privilege.
void GiveWay(int nice);

// The calling thread works in short pieces and wants to run as soon as it is
// woken: it asks for slices of that length (Linux 6.12; 0.1 to 100 ms), for
// which the scheduler interrupts those who run longer ones. It gets no more of
// the CPU than before. Threads that it makes inherit it. An older kernel takes
// no notice.
void RunSoon(std::chrono::nanoseconds slice = std::chrono::microseconds(200));

}  // namespace fodc
