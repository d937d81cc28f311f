// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The battery over the two halves of blocking streams: the reader is used by the thread that plays a side, the writer by one of its own.

#include "battery.hpp"
#include "pairs.hpp"

#include <tls/split.hpp>

#include <support/session.hpp>
#include <support/tcp_tools.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

namespace {

// A thread that makes one call at a time for somebody who waits for it.
class worker {
public:
    worker() : thread_([this] { work(); }) {}
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker() {
        post({});
        thread_.join();
    }

    template <class Call>
    auto run(Call call) {
        decltype(call()) made{};
        post([&] { made = call(); });
        std::unique_lock held(mutex_);
        changed_.wait(held, [&] { return !busy_; });
        return made;
    }

private:
    void post(std::function<void()> call) {
        const std::lock_guard held(mutex_);
        call_ = std::move(call);
        busy_ = true;
        changed_.notify_all();
    }
    void work() {
        std::unique_lock held(mutex_);
        for (;;) {
            changed_.wait(held, [&] { return busy_; });
            if (!call_) return;
            held.unlock();
            call_();
            held.lock();
            busy_ = false;
            changed_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::function<void()> call_;
    bool busy_ = false;
    std::thread thread_;
};

// The limits are there only so that a test cannot hang.
template <class Socket>
class halves_face {
public:
    explicit halves_face(tls::stream<Socket> stream) {
        stream.expires_at(tests::patience());
        auto [reader, writer] = tls::split(std::move(stream));
        reader_ = std::move(reader);
        writer_ = std::move(writer);
    }

    // A call that has nothing to read or to write runs no handshake, and halves have no other: they are joined for it.
    std::error_code handshake() {
        std::error_code ec;
        auto whole = tls::join(std::move(reader_), std::move(writer_));
        whole.handshake(ec);
        auto [reader, writer] = tls::split(std::move(whole));
        reader_ = std::move(reader);
        writer_ = std::move(writer);
        return ec;
    }
    std::size_t read_some(std::span<std::byte> into, std::error_code& ec) { return reader_.read_some(into, ec); }
    std::size_t write_some(std::span<const std::byte> from, std::error_code& ec) {
        return at_work_->run([&] { return writer_.write_some(from, ec); });
    }
    std::size_t write(std::span<const std::byte> from, std::error_code& ec) {
        return at_work_->run([&] { return writer_.write(from, ec); });
    }
    tls::shutdown_result shutdown(tls::shutdown_mode mode, std::error_code& ec) {
        return at_work_->run([&] { return writer_.shutdown(mode, patient, ec); });
    }
    tls::shutdown_result close(std::error_code& ec) {
        return at_work_->run([&] { return writer_.close(patient, ec); });
    }
    [[nodiscard]] tls::stream_end read_end() const { return reader_.read_end(); }
    [[nodiscard]] SSL* native_handle() {
        return reader_.with_native_handle([](SSL* ssl) { return ssl; });
    }

private:
    static constexpr tls::shutdown_options patient{.timeout = std::chrono::seconds(60)};

    tls::reader<Socket> reader_;
    tls::writer<Socket> writer_;
    std::unique_ptr<worker> at_work_ = std::make_unique<worker>();
};

template <class Pair>
using halves_transport = battery::taped_transport<halves_face, Pair>;

}  // namespace

TEST_CASE("battery: TLS 1.2, two halves, in memory", "[battery]") {
    battery::run_all<halves_transport<battery::memory_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, two halves, in memory", "[battery]") {
    battery::run_all<halves_transport<battery::memory_pair>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, two halves, socketpair", "[battery]") {
    battery::run_all<halves_transport<battery::unix_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, two halves, socketpair", "[battery]") {
    battery::run_all<halves_transport<battery::unix_pair>>(tls::protocol_version::tls1_3);
}
TEST_CASE("battery: TLS 1.2, two halves, TCP", "[battery]") {
    battery::run_all<halves_transport<battery::tcp_pair>>(tls::protocol_version::tls1_2);
}
TEST_CASE("battery: TLS 1.3, two halves, TCP", "[battery]") {
    battery::run_all<halves_transport<battery::tcp_pair>>(tls::protocol_version::tls1_3);
}
