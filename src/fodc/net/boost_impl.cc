// SPDX-License-Identifier: Apache-2.0
// Asio and Beast compiled once (BOOST_ASIO_SEPARATE_COMPILATION and
// BOOST_BEAST_SEPARATE_COMPILATION are set for the whole room).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
