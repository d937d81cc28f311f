// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// F13 and F14: bytes that arrive changed, and records that are lost, doubled, moved or played again.

#include "session.hpp"

#include <support/testing.hpp>

#include <tls/error.hpp>

#include <openssl/cipher.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

using tests::record_fault;
using tls::stream_end;

namespace {

// BoringSSL tells it twice, as the cipher saw it and as TLS has it; the first counts.
bool is_bad_mac(std::error_code ec) {
    const auto packed = static_cast<std::uint32_t>(ec.value());
    if (ec.category() != tls::ssl_category()) return false;
    return (ERR_GET_LIB(packed) == ERR_LIB_CIPHER && ERR_GET_REASON(packed) == CIPHER_R_BAD_DECRYPT) ||
           (ERR_GET_LIB(packed) == ERR_LIB_SSL && ERR_GET_REASON(packed) == SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);
}

bool all_well(const trial::account& seen) {
    auto copy = seen;
    copy.breaches.clear();
    copy.expect_all_well();
    return copy.breaches.empty();
}

// The handshake failed, in whichever way: a change is found where it first matters, here or at the peer.
void expect_refused(trial::account& seen) {
    const auto& why = seen.handshake;
    seen.expect(static_cast<bool>(why), "the handshake fails");
    seen.expect(why.category() == tls::ssl_category() || why.category() == tls::alert_category() ||
                    why.category() == tls::verify_category() || why == tls::errc::handshake_truncated ||
                    why == std::errc::timed_out,
                "its error has a name");
    seen.expect_no_session(why);
    seen.expect(seen.read_end != stream_end::close_notify, "nothing is clean");
}

// Reading came to a fatal end behind the peer's first `whole` bytes, and the peer was told.
void expect_fatal(trial::account& seen, std::size_t whole, bool bad_mac) {
    seen.expect(!seen.handshake, "the handshake was complete");
    seen.expect(seen.read == seen.plaintext_within(whole), "what came before is delivered, and nothing of the record itself");
    seen.expect(seen.read_ended && seen.read_error.category() == tls::ssl_category(), "then reads fail");
    seen.expect(seen.read_end == stream_end::failed && seen.closed.peer == stream_end::failed, "the stream has failed");
    seen.expect(seen.write_error == seen.read_error, "writes are refused with the same error");
    seen.expect(!seen.closed.close_notify_sent, "no close_notify follows");
    seen.expect(seen.peer_alerts.size() == 1 && seen.peer_alerts.front() != 0, "the peer gets one alert, a fatal one");
    if (!bad_mac) return;
    seen.expect(is_bad_mac(seen.read_error), "for what cannot be decrypted");
    seen.expect(seen.peer_alerts == std::vector<int>{SSL_AD_BAD_RECORD_MAC}, "and the alert says so");
}

void expect_truncated(trial::account& seen, std::size_t whole) {
    seen.expect(!seen.handshake, "the handshake was complete");
    seen.expect(seen.read == seen.plaintext_within(whole), "what came before is delivered");
    seen.expect(seen.read_ended && seen.read_error == tls::errc::truncated, "then reads say truncated");
    seen.expect(seen.closed.peer == stream_end::truncated, "and so does the close");
}

// A changed byte at `at`, whose record is `hit`.
void judge_flip(trial::account& seen, std::size_t at, const tests::record& hit) {
    const std::size_t within = at - hit.offset;
    const bool in_the_clear = hit.type != tests::record_type::application_data;
    // The version in the header of a record that is not encrypted yet means nothing (RFC 8446 5.1).
    if (in_the_clear && (within == 1 || within == 2) && all_well(seen)) return;
    if (at < seen.handshake_size() || seen.handshake) return expect_refused(seen);
    // A length that grew swallows what follows, until the input ends.
    const bool in_length = within == 3 || within == 4;
    if (in_length && seen.read_error == tls::errc::truncated) return expect_truncated(seen, hit.offset);
    expect_fatal(seen, hit.offset, within >= tests::record_header_size);
}

void flip_every_byte(const trial::plan& what, unsigned bit, std::size_t step) {
    const auto end = trial::run(what).peer_sent.size();
    std::size_t hits = 0;
    trial::at_every_index(
        what,
        [&](trial::plan& with, std::size_t i) { with.script.flips = {{i, static_cast<std::byte>(1u << ((i + bit) % 8))}}; },
        [&](trial::account& seen, std::size_t i) {
            const auto all = tests::records(seen.peer_sent);
            for (const auto& r : all) {
                if (i >= r.end() || i >= seen.arrived.size()) continue;
                ++hits;
                judge_flip(seen, i, r);
                return true;
            }
            if (i < end - 3) seen.expect(false, "the byte arrives");  // signatures vary in length
            return i < end + 3;
        },
        0, step);
    CHECK(hits * step + 20 >= end);
}

// Record `r` is the one that arrives in a wrong place or not at all, behind `whole` records that are as they were sent.
void judge_record(trial::account& seen, std::size_t r, std::size_t whole) {
    const auto all = tests::records(seen.peer_sent);
    const auto type = r < all.size() ? all[r].type : tests::record_type::none;
    // TLS 1.3's change_cipher_spec is there for old middleboxes, and ignored (RFC 8446 D.4).
    const bool meaningless =
        seen.planned.version == tls::protocol_version::tls1_3 && type == tests::record_type::change_cipher_spec;
    if (meaningless && all_well(seen)) return;
    if (meaningless && !seen.handshake) {
        seen.expect(seen.read_error.category() == tls::ssl_category() && seen.read_end == stream_end::failed,
                    "refused by name");
        return;
    }
    const std::size_t bytes = whole == 0 ? 0 : whole <= all.size() ? all[whole - 1].end() : tests::no_limit;
    if (bytes < seen.handshake_size() || seen.handshake) return expect_refused(seen);
    expect_fatal(seen, bytes, type == tests::record_type::application_data);
}

void at_every_record(const trial::plan& what, record_fault::action action) {
    const auto count = tests::records(trial::run(what).peer_sent).size();
    const auto runs = trial::at_every_index(
        what, [&](trial::plan& with, std::size_t r) { with.script.records = {{action, r, 0}}; },
        [&](trial::account& seen, std::size_t r) {
            if (r >= count) return false;
            const bool last = r + 1 == count;
            const auto all = tests::records(seen.peer_sent);
            if (last && action == record_fault::action::drop) {
                expect_truncated(seen, all.back().offset);
            } else if (last) {
                seen.expect_all_well();  // what follows close_notify is ignored, and nothing can be swapped with it
            } else {
                judge_record(seen, r, action == record_fault::action::duplicate ? r + 1 : r);
            }
            return true;
        });
    CHECK(runs == count);
}

}  // namespace

TEST_CASE("F13 a bit flip at every byte of every record that arrives", "[faults]") {
    trial::for_each_side([](const trial::plan& what) { flip_every_byte(what, 0, 1); });
}

TEST_CASE("F13 other bits", "[faults]") {
    trial::for_each_side([](const trial::plan& what) {
        flip_every_byte(what, 3, 7);
        flip_every_byte(what, 6, 11);
    });
}

TEST_CASE("F14 each record dropped", "[faults]") {
    trial::for_each_side([](const trial::plan& what) { at_every_record(what, record_fault::action::drop); });
}

TEST_CASE("F14 each record doubled", "[faults]") {
    trial::for_each_side([](const trial::plan& what) { at_every_record(what, record_fault::action::duplicate); });
}

TEST_CASE("F14 each record swapped with the next", "[faults]") {
    trial::for_each_side([](const trial::plan& what) { at_every_record(what, record_fault::action::swap); });
}

TEST_CASE("F14 each record played again, after each later one", "[faults]") {
    trial::for_each_side([](const trial::plan& what) {
        const auto count = tests::records(trial::run(what).peer_sent).size();
        for (std::size_t r = 0; r < count; ++r) {
            const auto runs = trial::at_every_index(
                what,
                [&](trial::plan& with, std::size_t after) { with.script.records = {{record_fault::action::replay, r, after}}; },
                [&](trial::account& seen, std::size_t after) {
                    if (after >= count) return false;
                    if (after + 1 == count) {
                        seen.expect_all_well();
                    } else {
                        judge_record(seen, r, after + 1);
                    }
                    return true;
                },
                r);
            CHECK(runs == count - r);
        }
    });
}
