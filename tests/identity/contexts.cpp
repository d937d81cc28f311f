// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// Contexts that many threads use, that go before their connections do, and that are made anew while they serve.

#include <tls/context.hpp>
#include <tls/error.hpp>
#include <tls/reloadable.hpp>

#include <support/files.hpp>
#include <support/identities.hpp>
#include <support/stale_errors.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using tests::credential_of;
using tests::engine_pair;
using tests::issue_for;
using tls::client_context;
using tls::errc;
using tls::server_context;

const std::error_code none;

// Both ways, after everything else: does the connection still work?
bool talks(engine_pair& both) {
    std::array<char, 5> text{};
    if (both.client.write("hello").bytes != 5) return false;
    tests::carry(both.client, both.server);
    if (both.server.read(text).bytes != 5 || std::string_view(text.data(), 5) != "hello") return false;
    if (both.server.write("adieu").bytes != 5) return false;
    tests::carry(both.server, both.client);
    return both.client.read(text).bytes == 5 && std::string_view(text.data(), 5) == "adieu";
}

// Hosts, callables and all: whatever a context has it shares.
server_context server_named(const std::string& name, std::atomic<int>& asked) {
    tls::server_options options{.identity = credential_of(tests::issued_of(tests::key_kind::p256)), .alpn = {"h2"}};
    options.hosts = {{.names = {"host.test"}, .identities = {credential_of(issue_for(name))}}};
    options.tickets.keys = tls::ticket_keys();
    options.select_identity = [&asked](const tls::identity_request& request) {
        ++asked;
        request.use_default();
    };
    return server_context(options);
}

TEST_CASE("F76 a context is shared by 64 threads, replaced meanwhile, and gone before its streams") {
    constexpr int threads = 64;
    constexpr int rounds = 4;
    std::atomic<int> asked = 0;
    std::atomic<int> wrong = 0;
    std::atomic<int> at_work = threads;
    std::atomic<bool> go = false;
    tls::session_cache sessions;
    std::optional<client_context> client(std::in_place,
                                         tls::client_options{.trust = tests::test_trust(),
                                                             .verification = tls::verify_mode::dangerously_chain_only,
                                                             .alpn = {"h2"},
                                                             .sessions = sessions});
    std::optional<tls::reloadable<server_context>> server(std::in_place, server_named("0", asked));

    std::vector<std::vector<std::unique_ptr<engine_pair>>> kept(threads);
    std::vector<std::thread> workers;
    for (int i = 0; i != threads; ++i) {
        workers.emplace_back([&, i] {
            while (!go) std::this_thread::yield();
            for (int round = 0; round != rounds; ++round) {
                // A copy of its own, which goes at the end of the turn.
                const server_context mine = server->get();
                const client_context also_mine = *client;
                auto both = std::make_unique<engine_pair>(also_mine, mine, "host.test");
                both->run();
                if (!both->complete() || both->client.alpn() != "h2" || !talks(*both)) ++wrong;
                if (::ERR_peek_error() != 0) ++wrong;
                kept[static_cast<std::size_t>(i)].push_back(std::move(both));
            }
            --at_work;
        });
    }
    go = true;
    int replaced = 0;
    while (at_work != 0 || replaced == 0) {
        server->set(server_named(std::to_string(++replaced), asked));
        std::this_thread::yield();
    }
    for (std::thread& worker : workers) worker.join();
    CHECK(wrong == 0);
    CHECK(asked == threads * rounds);
    CHECK(server->generation() == static_cast<std::size_t>(replaced));

    // Nobody has a context any more, but the connections.
    server.reset();
    client.reset();
    int talking = 0;
    for (auto& mine : kept) {
        for (auto& both : mine) talking += talks(*both) && both->server_is() != "" ? 1 : 0;
    }
    CHECK(talking == threads * rounds);
    CHECK(tests::queue_is_empty());
}

// --- contexts made of files ---

struct served_files {
    tests::temporary_directory directory{};
    std::filesystem::path certificate = directory / "cert.pem";
    std::filesystem::path key = directory / "key.pem";

    // As whoever renews certificates does it: a new file takes the old one's place.
    void put(const std::filesystem::path& where, std::string_view text) const {
        std::filesystem::rename(directory.write("next", text), where);
    }
    void put(const tests::issued& identity) const {
        put(certificate, identity.certificate_pem());
        put(key, identity.key_pem());
    }
    [[nodiscard]] tls::context_reloader<server_context> reloader() const {
        const auto make = [certificate_file = certificate, key_file = key] {
            return server_context({.identity = tls::credential::from_files(certificate_file, key_file)});
        };
        return tls::context_reloader<server_context>(make, {certificate, key});
    }
};

std::string whom(const server_context& server) {
    const client_context client({.trust = tests::test_trust(), .verification = tls::verify_mode::dangerously_chain_only});
    engine_pair both(client, server);
    both.run();
    return both.server_is();
}

TEST_CASE("a server's renewed certificate is served once its files have changed") {
    const served_files files;
    files.put(issue_for("first.test"));
    auto contexts = files.reloader();
    CHECK(whom(contexts.get()) == "first.test");
    CHECK_FALSE(contexts.refresh());

    const client_context client({.trust = tests::test_trust(), .verification = tls::verify_mode::dangerously_chain_only});
    engine_pair begun(client, contexts.get());
    static_cast<void>(begun.client.handshake());
    tests::carry(begun.client, begun.server);

    files.put(issue_for("second.test"));
    CHECK(whom(contexts.get()) == "first.test");
    CHECK(contexts.refresh());
    CHECK(whom(contexts.get()) == "second.test");
    CHECK(contexts.generation() == 1);
    CHECK_FALSE(contexts.refresh());

    // What has begun goes on as it began.
    begun.run();
    CHECK(begun.server_is() == "first.test");
    CHECK(talks(begun));
}

TEST_CASE("a server whose new files are broken goes on with the old ones, and says so") {
    const served_files files;
    const tests::issued first = issue_for("first.test");
    const tests::issued second = issue_for("second.test");
    files.put(first);
    auto contexts = files.reloader();
    const auto refused = [&](std::error_condition expected) {
        std::error_code ec;
        CHECK_FALSE(tests::with_stale_errors([&] { return contexts.refresh(ec); }));
        CHECK(ec.default_error_condition() == expected);
        CHECK(whom(contexts.get()) == "first.test");
        CHECK(contexts.generation() == 0);
        CHECK(tests::queue_is_empty());
        // Until it is mended it is tried, and told, each time.
        try {
            contexts.refresh();
            FAIL_CHECK("made of broken files");
        } catch (const tls::error& e) {
            CHECK(e.code() == ec);
            CHECK(std::string_view(e.what()).find(files.directory.path().native()) != std::string_view::npos);
        }
    };
    const auto condition = [](errc code) { return make_error_code(code).default_error_condition(); };
    files.put(files.certificate, second.certificate_pem());  // half of it
    refused(condition(errc::key_mismatch));
    files.put(files.certificate, "garbage");
    refused(condition(errc::invalid_certificate));
    files.put(files.certificate, second.certificate_pem());
    files.put(files.key, second.key_pem().substr(0, 60));
    refused(condition(errc::invalid_private_key));
    std::filesystem::remove(files.key);
    refused(std::errc::no_such_file_or_directory);

    files.put(second);
    std::error_code ec = errc::truncated;
    CHECK(contexts.refresh(ec));
    CHECK(ec == none);
    CHECK(whom(contexts.get()) == "second.test");
}

TEST_CASE("a client's trust is made anew as a server's identity is") {
    const served_files files;
    const tests::issued other = tests::make_authority("Another CA");
    files.put(files.certificate, other.certificate_pem());
    tls::context_reloader<client_context> contexts(
        [&] { return client_context({.trust = tls::trust_store::from_file(files.certificate)}); }, {files.certificate});
    const server_context server({.identity = credential_of(tests::issued_of(tests::key_kind::p256))});
    const auto trusted = [&] {
        engine_pair both(contexts.get(), server);
        both.run();
        return both.complete();
    };
    CHECK_FALSE(trusted());
    files.put(files.certificate, other.certificate_pem() + tests::test_pki().authority.certificate_pem());
    CHECK(contexts.refresh());
    CHECK(trusted());
}

}  // namespace
