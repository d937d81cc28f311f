// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// A layer of Asio's kind around a socket that is none itself, so that a stream works by its async_read_some and async_write_some. It
// keeps a tape, cuts what passes into pieces, and holds back, fails or ends what a test tells it to. See asio_tools.hpp.

#ifndef TLS_STREAM_TESTS_SUPPORT_ASIO_LAYER_HPP
#define TLS_STREAM_TESTS_SUPPORT_ASIO_LAYER_HPP

#include <support/asio_tools.hpp>
#include <support/taped_socket.hpp>
#include <support/testing.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace tests {
namespace {

// What a layer was called for, and what is to happen then. Shared by the layer, its operations and the test, so it outlives the stream.
struct layer_state {
    // --- to be set by the test ---
    std::size_t chunk = no_limit;                  // bytes that a call moves at most
    std::optional<std::size_t> hold_at{};          // the call of this number (reads and writes, from 0) waits for release()
    std::optional<std::size_t> room{};             // bytes that writes take from now on; those behind them wait for release()
    bool hold_reads = false;                       // all reads wait for release()
    std::optional<std::size_t> fail_at{};          // the call of this number fails ...
    net_code fail_with = net::error::broken_pipe;  // ... with this

    // --- to be looked at ---
    tape written{};
    std::size_t reads = 0;
    std::size_t writes = 0;
    std::size_t cancels = 0;

    [[nodiscard]] std::size_t calls() const noexcept { return reads + writes; }
    [[nodiscard]] bool holding() const noexcept { return !held.empty(); }

    // Lets everything go on that is held, and holds nothing more.
    void release() {
        hold_at.reset();
        room.reset();
        hold_reads = false;
        for (auto& [number, end] : std::exchange(held, {})) end(std::nullopt);
    }
    // What is held ends with an error, as a socket's operations do when it is cancelled or closed.
    void abort_held() {
        for (auto& [number, end] : std::exchange(held, {})) end(net_code(net::error::operation_aborted));
    }
    void abort_held(std::size_t number) {
        const auto found = std::find_if(held.begin(), held.end(), [&](const auto& h) { return h.first == number; });
        if (found == held.end()) return;
        const auto end = std::move(found->second);
        held.erase(found);
        end(net_code(net::error::operation_aborted));
    }

    // Numbers of calls, with what ends them: by this error, or by going on.
    std::vector<std::pair<std::size_t, std::function<void(std::optional<net_code>)>>> held{};
};

// Passes an operation's result on to `Handler`, on its executor, with its allocator and its cancellation slot.
template <class Handler, class Executor, class Note>
class noting_handler {
public:
    noting_handler(Handler handler, const Executor& executor, Note note)
        : handler_(std::move(handler)), executor_(executor), note_(std::move(note)) {}

    using executor_type = typename net::associated_executor<Handler, Executor>::type;
    [[nodiscard]] executor_type get_executor() const noexcept { return net::get_associated_executor(handler_, executor_); }
    using allocator_type = typename net::associated_allocator<Handler>::type;
    [[nodiscard]] allocator_type get_allocator() const noexcept { return net::get_associated_allocator(handler_); }
#if NET_VERSION >= 102000
    using cancellation_slot_type = typename net::associated_cancellation_slot<Handler>::type;
    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
        return net::get_associated_cancellation_slot(handler_);
    }
#endif

    void operator()(net_code ec, std::size_t n) {
        note_(n);
        std::move(handler_)(ec, n);
    }

private:
    Handler handler_;
    Executor executor_;
    Note note_;
};

template <class Socket>
class taped_layer {
public:
    using executor_type = typename Socket::executor_type;
    using lowest_layer_type = taped_layer;

    taped_layer(Socket socket, std::shared_ptr<layer_state> state)
        : socket_(std::make_unique<Socket>(std::move(socket))), state_(std::move(state)) {}
    taped_layer(taped_layer&&) noexcept = default;
    taped_layer& operator=(taped_layer&&) = delete;
    ~taped_layer() {
        if (socket_) state_->abort_held();
    }

    [[nodiscard]] executor_type get_executor() { return socket_->get_executor(); }
    [[nodiscard]] lowest_layer_type& lowest_layer() { return *this; }
    [[nodiscard]] const lowest_layer_type& lowest_layer() const { return *this; }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return net::async_initiate<Token, void(net_code, std::size_t)>(
            [this](auto handler, const auto& into) {
                const std::size_t number = state_->calls();
                ++state_->reads;
                const auto part = shortened<net::mutable_buffer>(into);
                begin(
                    number, state_->hold_reads, std::move(handler), [](std::size_t) {},
                    [part](Socket& socket, auto noting) { socket.async_read_some(part, std::move(noting)); });
            },
            token, buffers);
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return net::async_initiate<Token, void(net_code, std::size_t)>(
            [this](auto handler, const auto& from) {
                const std::size_t number = state_->calls();
                ++state_->writes;
                const bool no_room = state_->room == 0;
                const auto part = shortened<net::const_buffer>(from, no_room ? no_limit : state_->room.value_or(no_limit));
                if (!no_room && state_->room) *state_->room -= std::min(*state_->room, net::buffer_size(part));
                begin(
                    number, no_room, std::move(handler), [state = state_, part](std::size_t n) { note(*state, part, n); },
                    [part](Socket& socket, auto noting) { socket.async_write_some(part, std::move(noting)); });
            },
            token, buffers);
    }

    template <class Buffers>
    std::size_t read_some(const Buffers& buffers, net_code& ec) {
        ++state_->reads;
        return socket_->read_some(shortened<net::mutable_buffer>(buffers), ec);
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, net_code& ec) {
        ++state_->writes;
        const auto part = shortened<net::const_buffer>(buffers);
        const std::size_t n = socket_->write_some(part, ec);
        note(*state_, part, n);
        return n;
    }

    void shutdown(net::socket_base::shutdown_type what, net_code& ec) {
        auto& tape = state_->written;
        if (what != net::socket_base::shutdown_receive && !std::exchange(tape.fin, true))
            tape.sent_before_fin = tape.sent.size();
        socket_->shutdown(what, ec);
    }
    void close(net_code& ec) {
        state_->written.closed = true;
        state_->abort_held();
        socket_->close(ec);
    }
    void close() {
        net_code ec;
        close(ec);
    }
    void cancel(net_code& ec) {
        ++state_->cancels;
        state_->abort_held();
        socket_->cancel(ec);
    }
    void cancel() {
        net_code ec;
        cancel(ec);
    }
    [[nodiscard]] bool is_open() const { return socket_->is_open(); }

private:
    static void note(layer_state& state, const std::vector<net::const_buffer>& part, std::size_t n) {
        for (const auto& buffer : part) {
            const auto* const begin = static_cast<const std::byte*>(buffer.data());
            const std::size_t size = std::min(n, buffer.size());
            state.written.sent.insert(state.written.sent.end(), begin, begin + size);
            n -= size;
        }
    }

    template <class Buffer, class Buffers>
    std::vector<Buffer> shortened(const Buffers& buffers, std::size_t limit = no_limit) const {
        std::vector<Buffer> part;
        std::size_t left = std::min(limit, state_->chunk);
        for (auto i = net::buffer_sequence_begin(buffers); i != net::buffer_sequence_end(buffers) && left != 0; ++i) {
            part.push_back(net::buffer(Buffer(*i), left));
            left -= part.back().size();
        }
        return part;
    }

    // One operation: it fails, waits, or goes on to the socket.
    template <class Handler, class Note, class Forward>
    void begin(std::size_t number, bool hold, Handler handler, Note note, Forward forward) {
        using noting = noting_handler<Handler, executor_type, Note>;
        auto made = std::make_shared<noting>(std::move(handler), get_executor(), std::move(note));
        const auto fail = [made](net_code ec) {
            net::post(made->get_executor(), [made, ec]() mutable {
#if NET_VERSION >= 102000
                if (auto slot = made->get_cancellation_slot(); slot.is_connected()) slot.clear();
#endif
                auto last = std::move(*made);
                made.reset();
                std::move(last)(ec, 0);
            });
        };
        if (number == state_->fail_at) return fail(state_->fail_with);
        if (!hold && number != state_->hold_at) return forward(*socket_, std::move(*made));

        auto work = net::prefer(get_executor(), net::execution::outstanding_work.tracked);
        state_->held.emplace_back(number, [fail, made, forward, work, socket = socket_.get()](std::optional<net_code> ec) {
            if (ec) return fail(*ec);
#if NET_VERSION >= 102000
            if (auto slot = made->get_cancellation_slot(); slot.is_connected()) slot.clear();
#endif
            forward(*socket, std::move(*made));
        });
#if NET_VERSION >= 102000
        if (auto slot = made->get_cancellation_slot(); slot.is_connected()) {
            slot.assign([state = std::weak_ptr(state_), number](net::cancellation_type) {
                if (const auto here = state.lock()) here->abort_held(number);
            });
        }
#endif
    }

    std::unique_ptr<Socket> socket_;
    std::shared_ptr<layer_state> state_;
};

}  // namespace
}  // namespace tests

#endif
