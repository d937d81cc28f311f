// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The other side of a connection, written straight against BoringSSL and without the library: it does what it is told, right or
// wrong, and tells what it saw. It never waits; a memory end's pump calls pump().
//
//     tests::memory_network net;
//     tests::raw_peer server(net.b(), tls::role::server, {.certificate = ..., .key = ...});
//     net.a().pump([&] { server.pump(); });
//     server.send("hello");
//     server.close_notify();
//     server.fin();
//     ...                                             // the library works on net.a().socket()
//     CHECK(server.account() == "handshake, data 5, close_notify, eof");

#ifndef TLS_STREAM_TESTS_SUPPORT_RAW_PEER_HPP
#define TLS_STREAM_TESTS_SUPPORT_RAW_PEER_HPP

#include <support/testing.hpp>

#include <tls/detail/boringssl.hpp>
#include <tls/protocol.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace tests {

// What a peer does by itself when the other side's close_notify has come.
enum class reaction : unsigned char {
    none,          // only what it is told
    close_notify,  // answers with its own
    fin,           // ... and FIN
    close,         // ... and closes the socket then
};

// Certificates and keys are borrowed for the constructor only.
struct raw_peer_options {
    X509* certificate = nullptr;  // a server's, or a client's for a server that asks; null: none
    EVP_PKEY* key = nullptr;
    X509* trust = nullptr;             // verify the other side's chain against this authority; null: do not verify
    bool request_certificate = false;  // a server asks its client for a certificate
    std::string server_name{};         // a client's SNI; empty: none
    std::uint16_t min_version = TLS1_2_VERSION;
    std::uint16_t max_version = TLS1_3_VERSION;
    reaction on_close_notify = reaction::none;
};

// One side of a TLS connection over a memory end. What it is told to do is done in that order, from the time on when the
// handshake is complete; raw, fin, reset and close do not wait for the handshake. Everything happens in pump().
class raw_peer {
public:
    // Takes the end's socket. Throws std::runtime_error if BoringSSL does not like the options.
    raw_peer(memory_end end, tls::role role, const raw_peer_options& options)
        : end_(std::move(end)), socket_(end_.non_blocking_socket()), options_(options) {
        ctx_.reset(::SSL_CTX_new(::TLS_method()));
        require(ctx_ != nullptr && ::SSL_CTX_set_min_proto_version(ctx_.get(), options.min_version) == 1 &&
                ::SSL_CTX_set_max_proto_version(ctx_.get(), options.max_version) == 1);
        if (options.certificate != nullptr) {
            require(::SSL_CTX_use_certificate(ctx_.get(), options.certificate) == 1 &&
                    ::SSL_CTX_use_PrivateKey(ctx_.get(), options.key) == 1);
        }
        set_verification(role);
        ssl_.reset(::SSL_new(ctx_.get()));
        bssl::UniquePtr<BIO> in(::BIO_new(::BIO_s_mem()));
        bssl::UniquePtr<BIO> out(::BIO_new(::BIO_s_mem()));
        require(ssl_ && in && out);
        ::SSL_set_bio(ssl_.get(), in.release(), out.release());
        SSL_set_app_data(ssl_.get(), this);
        ::SSL_set_info_callback(ssl_.get(), &raw_peer::info);
        if (role == tls::role::server) {
            ::SSL_set_accept_state(ssl_.get());
        } else {
            ::SSL_set_connect_state(ssl_.get());
            const auto& name = options.server_name;
            require(name.empty() || ::SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1);
        }
        ::ERR_clear_error();
        options_.certificate = options_.trust = nullptr;
        options_.key = nullptr;
    }
    raw_peer(const raw_peer&) = delete;
    raw_peer& operator=(const raw_peer&) = delete;

    // --- what to do ---

    // Application data, by SSL_write; at least a byte.
    void send(std::string_view data) {
        on_tls([this, text = std::string(data)] {
            return ::SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0;
        });
    }
    // SSL_shutdown, once. Data is not sent any more after it; raw bytes are.
    void close_notify() {
        on_tls([this] { return ::SSL_shutdown(ssl_.get()) >= 0; });
    }
    // SSL_send_fatal_alert, `alert` by its number.
    void fatal_alert(int alert) {
        on_tls([this, alert] { return ::SSL_send_fatal_alert(ssl_.get(), static_cast<std::uint8_t>(alert)) == 1; });
    }
    // SSL_key_update; TLS 1.3 only. BoringSSL sends it together with the next data.
    void key_update(bool request_answer) {
        const int type = request_answer ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        on_tls([this, type] { return ::SSL_key_update(ssl_.get(), type) == 1; });
    }
    // These bytes as they are.
    void raw(std::string_view wire) {
        const auto from = std::as_bytes(std::span(wire));
        actions_.push_back({false, false, [this, copy = bytes(from.begin(), from.end())] {
                                out_.insert(out_.end(), copy.begin(), copy.end());
                            }});
    }
    // FIN, RST, or close, after everything before has left. `lose`: the other side loses what it has not read yet.
    void fin() {
        on_socket([this] { shut(); });
    }
    void reset(bool lose = false) {
        on_socket([this, lose] { end_.reset(lose); });
    }
    void close() {
        on_socket([this] { let_go(); });
    }
    // While false nothing is taken from the transport: a peer that is busy with something else.
    void reading(bool on) noexcept { reading_ = on; }

    // Makes all progress that is possible without waiting; true if there was any. Leaves BoringSSL's error queue empty.
    bool pump() {
        bool any = false;
        while (step()) any = true;
        ::ERR_clear_error();
        return any;
    }

    // --- what was seen ---

    // In words and in order: "handshake", "data N" (bytes that came without anything between), "close_notify" (SSL_read said
    // ZERO_RETURN), "alert N" (a fatal or a warning alert by its number; never close_notify), "eof", "reset", "error TEXT".
    [[nodiscard]] std::string account() const {
        std::vector<std::string> words;
        for (const auto& e : seen_) words.push_back(e.text.empty() ? "data " + std::to_string(e.data) : e.text);
        return joined(words);
    }
    // All application data.
    [[nodiscard]] const std::string& received() const noexcept { return received_; }
    [[nodiscard]] bool handshake_complete() const noexcept { return established_; }
    // SSL_read has said ZERO_RETURN, and SSL_get_shutdown agrees.
    [[nodiscard]] bool close_notify_received() const noexcept { return close_notify_received_; }
    // Every alert that came, by its number, close_notify (0) included.
    [[nodiscard]] const std::vector<int>& alerts() const noexcept { return alerts_; }
    // The transport has ended, by FIN or by a reset.
    [[nodiscard]] bool transport_ended() const noexcept { return input_over_; }
    // Everything that it was told is done, and has left.
    [[nodiscard]] bool idle() const noexcept { return actions_.empty() && out_.empty(); }

    // For what is not here; before the first pump().
    [[nodiscard]] SSL* native_handle() const noexcept { return ssl_.get(); }
    [[nodiscard]] memory_end end() const noexcept { return end_; }

private:
    struct action {
        bool after_handshake;
        bool after_output;
        std::function<void()> run;
    };
    struct sight {
        std::string text;  // empty: data
        std::size_t data = 0;
    };

    static void require(bool worked) {
        if (!worked) throw std::runtime_error("raw_peer: BoringSSL refuses its configuration");
    }

    void set_verification(tls::role role) {
        int mode = SSL_VERIFY_NONE;
        if (options_.trust != nullptr) {
            require(::X509_STORE_add_cert(::SSL_CTX_get_cert_store(ctx_.get()), options_.trust) == 1);
            mode = SSL_VERIFY_PEER | (role == tls::role::server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
        } else if (options_.request_certificate) {
            // It asks, takes any, and takes none.
            ::SSL_CTX_set_custom_verify(ctx_.get(), SSL_VERIFY_PEER, [](SSL*, std::uint8_t*) { return ssl_verify_ok; });
            return;
        }
        ::SSL_CTX_set_verify(ctx_.get(), mode, nullptr);
    }

    static void info(const SSL* ssl, int type, int value) {
        if (type != SSL_CB_READ_ALERT) return;
        auto& self = *static_cast<raw_peer*>(SSL_get_app_data(ssl));
        const int alert = value & 0xFF;
        self.alerts_.push_back(alert);
        if (alert != SSL_AD_CLOSE_NOTIFY) self.see("alert " + std::to_string(alert));
    }

    void see(std::string text) { seen_.push_back({std::move(text)}); }

    // The oldest entry of the queue by its reason.
    void fail() {
        const char* const reason = ::ERR_reason_error_string(static_cast<std::uint32_t>(::ERR_peek_error()));
        see(std::string("error ") + (reason != nullptr ? reason : "unknown"));
        ::ERR_clear_error();
        failed_ = true;
    }

    template <class Call>
    void on_tls(Call call) {
        actions_.push_back({true, false, [this, call = std::move(call)] {
                                ::ERR_clear_error();
                                if (!call()) fail();
                                take_output();
                            }});
    }
    void on_socket(std::function<void()> run) { actions_.push_back({false, true, std::move(run)}); }

    void shut() {
        std::error_code ec;
        socket_.shutdown(tls::shutdown_mode::write, ec);
    }
    void let_go() {
        std::error_code ec;
        socket_.close(ec);
    }

    // --- progress: each true if there was some ---

    bool step() {
        bool any = receive();
        if (handshake()) any = true;
        if (read()) any = true;
        if (see_end()) any = true;
        if (act()) any = true;
        if (transmit()) any = true;
        return any;
    }

    bool receive() {
        if (!reading_ || input_over_ || end_.closed()) return false;
        bool any = false;
        std::array<std::byte, 16384> buffer;
        while (true) {
            std::error_code ec;
            const std::size_t n = socket_.read_some(std::span<std::byte>(buffer), ec);
            any = any || n > 0;
            if (n > 0) {
                ::BIO_write(::SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(n));
                continue;
            }
            if (ec == std::errc::interrupted) continue;
            if (ec == std::errc::operation_would_block) return any;
            input_over_ = true;
            input_error_ = ec;
            ::BIO_set_mem_eof_return(::SSL_get_rbio(ssl_.get()), 0);
            return true;
        }
    }

    bool handshake() {
        if (established_ || failed_ || end_.closed() || end_told_) return false;
        ::ERR_clear_error();
        const int done = ::SSL_do_handshake(ssl_.get());
        const int why = done == 1 ? SSL_ERROR_NONE : ::SSL_get_error(ssl_.get(), done);
        if (why == SSL_ERROR_SSL) fail();
        if (done == 1) {
            established_ = true;
            see("handshake");
        }
        return take_output() || done == 1;
    }

    bool read() {
        if (!established_ || failed_ || close_notify_received_) return false;
        bool any = false;
        std::array<char, 16384> buffer;
        while (true) {
            ::ERR_clear_error();
            const int n = ::SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
            const int why = n > 0 ? SSL_ERROR_NONE : ::SSL_get_error(ssl_.get(), n);
            if (n <= 0) {
                if (why == SSL_ERROR_ZERO_RETURN && (::SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) {
                    close_notify_received_ = true;
                    see("close_notify");
                    react();
                    any = true;
                } else if (why == SSL_ERROR_SSL) {
                    fail();
                    any = true;
                }
                return take_output() || any;
            }
            any = true;
            received_.append(buffer.data(), static_cast<std::size_t>(n));
            if (seen_.empty() || !seen_.back().text.empty()) seen_.push_back({});
            seen_.back().data += static_cast<std::size_t>(n);
        }
    }

    void react() {
        const auto wanted = options_.on_close_notify;
        if (wanted >= reaction::close_notify) close_notify();
        if (wanted >= reaction::fin) fin();
        if (wanted >= reaction::close) close();
    }

    // The end of the transport is told after everything that came before it.
    bool see_end() {
        if (!input_over_ || end_told_) return false;
        end_told_ = true;
        if (!input_error_) {
            see("eof");
        } else {
            see(input_error_ == std::errc::connection_reset ? "reset" : "error " + input_error_.message());
        }
        return true;
    }

    bool act() {
        bool any = false;
        while (!actions_.empty()) {
            const auto& next = actions_.front();
            if ((next.after_handshake && !established_ && !failed_) || (next.after_output && !out_.empty())) return any;
            const auto run = std::move(actions_.front());
            actions_.pop_front();
            if (!run.after_handshake || !failed_) run.run();
            any = true;
        }
        return any;
    }

    // What BoringSSL has written goes to what waits for the socket.
    bool take_output() {
        const std::uint8_t* data = nullptr;
        std::size_t size = 0;
        BIO* const from = ::SSL_get_wbio(ssl_.get());
        if (::BIO_mem_contents(from, &data, &size) != 1 || size == 0) return false;
        const auto whole = std::as_bytes(std::span(data, size));
        out_.insert(out_.end(), whole.begin(), whole.end());
        ::BIO_reset(from);
        return true;
    }

    bool transmit() {
        bool any = false;
        std::size_t sent = 0;
        while (sent < out_.size()) {
            std::error_code ec;
            const std::size_t n = socket_.write_some(std::span<const std::byte>(out_).subspan(sent), ec);
            sent += n;
            any = any || n > 0;
            if (ec == std::errc::interrupted) continue;
            if (ec == std::errc::operation_would_block) break;
            if (ec || n == 0) {
                see("error " + ec.message());
                sent = out_.size();
                any = true;
            }
        }
        out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent));
        return any;
    }

    memory_end end_;
    memory_socket socket_;
    raw_peer_options options_;
    bssl::UniquePtr<SSL_CTX> ctx_;
    bssl::UniquePtr<SSL> ssl_;
    std::deque<action> actions_;
    bytes out_;
    bool reading_ = true;
    bool established_ = false;
    bool failed_ = false;
    bool close_notify_received_ = false;
    bool input_over_ = false;
    std::error_code input_error_;
    bool end_told_ = false;
    std::string received_;
    std::vector<int> alerts_;
    std::vector<sight> seen_;
};

}  // namespace tests

#endif
