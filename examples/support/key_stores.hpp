// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Where a fleet of servers gets its ticket keys from: a file that all of them see, or Redis.

#ifndef TLS_STREAM_EXAMPLES_SUPPORT_KEY_STORES_HPP
#define TLS_STREAM_EXAMPLES_SUPPORT_KEY_STORES_HPP

#include <tls/tcp.hpp>
#include <tls/ticket_keys.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "number.hpp"

namespace demo {

// What is in there opens every ticket and with it every connection that was resumed by one: whoever reads it needs no certificate to
// pass for these servers. Only they may, and the way to it has to be protected as they are.
class key_store {
public:
    key_store() = default;
    key_store(const key_store&) = delete;
    key_store& operator=(const key_store&) = delete;
    virtual ~key_store() = default;

    void put(const std::vector<tls::ticket_key>& keys) {
        std::string text;
        for (const tls::ticket_key& key : keys) {
            text.append(reinterpret_cast<const char*>(key.bytes().data()), key.bytes().size());
        }
        write(text);
    }
    [[nodiscard]] std::vector<tls::ticket_key> get() {
        const std::string text = read();
        std::vector<tls::ticket_key> keys;
        for (std::size_t at = 0; at < text.size(); at += tls::ticket_key::size) {
            keys.push_back(tls::ticket_key::from_bytes(std::string_view(text).substr(at, tls::ticket_key::size)));
        }
        return keys;
    }

private:
    virtual void write(const std::string& text) = 0;
    virtual std::string read() = 0;
};

class key_file final : public key_store {
public:
    explicit key_file(std::filesystem::path path) : path_(std::move(path)) {}

private:
    // For its owner only, and never half there.
    void write(const std::string& text) override {
        const std::filesystem::path next = path_.native() + ".next";
        std::filesystem::remove(next);
        std::ofstream file(next, std::ios::binary);
        std::filesystem::permissions(next, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        file << text << std::flush;
        if (!file) throw std::runtime_error("cannot write " + next.string());
        std::filesystem::rename(next, path_);
    }
    std::string read() override {
        std::ifstream file(path_, std::ios::binary);
        if (!file) throw std::runtime_error("cannot read " + path_.string());
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::filesystem::path path_;
};

// SET and GET, in Redis's own protocol: each text behind its length.
class redis final : public key_store {
public:
    // "HOST:PORT"
    explicit redis(const std::string& where) : host_(where.substr(0, where.rfind(':'))) {
        if (host_ == where) throw std::invalid_argument("\"" + where + "\" is not HOST:PORT");
        port_ = number<std::uint16_t>(std::string_view(where).substr(host_.size() + 1), "a port");
    }

private:
    static constexpr std::string_view name = "tls-stream:ticket-keys";

    void write(const std::string& text) override {
        const std::string answer = ask("*3\r\n" + sized("SET") + sized(name) + sized(text));
        if (answer != "+OK\r\n") throw std::runtime_error("Redis says " + answer);
    }
    std::string read() override {
        const std::string answer = ask("*2\r\n" + sized("GET") + sized(name));
        const std::size_t line = answer.find("\r\n");
        if (!answer.starts_with('$') || answer.starts_with("$-1"))
            throw std::runtime_error("Redis says " + answer.substr(0, line));
        return answer.substr(line + 2, number<std::size_t>(std::string_view(answer).substr(1, line - 1), "a length"));
    }

    [[nodiscard]] static std::string sized(std::string_view text) {
        return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
    }
    // "+OK", or "-ERR ...", or "$LENGTH" and that many bytes; each followed by CR and LF.
    [[nodiscard]] static bool is_whole(const std::string& answer) {
        const std::size_t line = answer.find("\r\n");
        if (line == std::string::npos) return false;
        if (!answer.starts_with('$') || answer.starts_with("$-1")) return true;
        return answer.size() >= line + 4 + number<std::size_t>(std::string_view(answer).substr(1, line - 1), "a length");
    }
    [[nodiscard]] std::string ask(const std::string& command) const {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        auto socket = tls::tcp_socket::connect(host_, port_, deadline);
        socket.read_expires_at(deadline);
        socket.write_expires_at(deadline);
        for (std::string_view rest = command; !rest.empty();) rest.remove_prefix(socket.write_some(rest));
        std::string answer;
        char some[4096];
        while (!is_whole(answer)) {
            const std::size_t n = socket.read_some(some);
            if (n == 0) throw std::runtime_error("Redis ended the connection");
            answer.append(some, n);
        }
        return answer;
    }

    std::string host_;
    std::uint16_t port_ = 0;
};

}  // namespace demo

#endif
