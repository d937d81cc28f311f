// SPDX-FileCopyrightText: The tls-stream authors
// SPDX-License-Identifier: BSL-1.0

// The pieces of docs/verification.md and docs/sessions.md, running against each other on loopback.

#include <tls/tls.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/identity.hpp"

namespace {

using namespace std::chrono_literals;
using stream = tls::stream<tls::tcp_socket>;

// --- Whom to trust ---

// The company's own authority beside the system's.
tls::client_context company_client(const std::string& authority_pem) {
    return tls::client_context({.trust = tls::trust_store::system() + tls::trust_store::from_pem(authority_pem)});
}

// Only this server's key will do, or the one that lies in the safe, whoever else an authority has given a certificate to.
tls::client_context pinning_client(const tls::trust_store& trust, const std::string& pin, const std::string& reserve) {
    return tls::client_context({.trust = trust, .pins = tls::pinned_keys::from_text({pin, reserve})});
}

// For a device whose clock is not set yet: the time that the firmware was built is better than 1970. To be made anew when it is set.
tls::client_context clockless_client(const tls::trust_store& trust, std::chrono::system_clock::time_point built) {
    return tls::client_context({.trust = trust, .verification_time = std::max(built, std::chrono::system_clock::now())});
}

// --- A word of one's own ---

// Beside all that is verified anyway: certificates of long validity are not wanted here.
tls::client_context strict_client(const tls::trust_store& trust) {
    const auto judge = [](const tls::verification& peer) {
        const tls::certificate& leaf = peer.chain().front();
        if (peer.built_in_result().reason) peer.reject();
        else if (leaf.not_after() - leaf.not_before() > std::chrono::days(398)) peer.reject(tls::alert::certificate_unknown);
        else peer.accept();
    };
    return tls::client_context({.trust = trust, .verify = judge});
}

// The answer comes from elsewhere, and later. The handshake waits for it, within its deadline; other connections do not.
tls::client_context asking_client(const tls::trust_store& trust, std::function<void(std::function<void()>)> queue,
                                  std::function<bool(const tls::certificate&)> is_known) {
    return tls::client_context({.trust = trust, .verify = [queue, is_known](const tls::verification& peer) {
                                    if (peer.built_in_result().reason) return peer.reject();
                                    queue([peer, is_known] {  // a copy is the same question
                                        if (is_known(peer.chain().front())) peer.accept();
                                        else peer.reject();
                                    });
                                }});
}

// --- Why it failed ---

void explain(const stream& session, const tls::error& failed) {
    std::cout << "no connection: " << failed.code().message() << '\n';
    if (const auto why = session.verify_failure()) {
        std::cout << "  " << why->text << '\n';  // "..., depth 0, CN=Demo Server, it names localhost 127.0.0.1 ::1"
        if (why->reason == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, tls::verify_category())) {
            std::cout << "  the server is somebody else\n";
        }
    }
}

// --- Clients that show who they are ---

tls::server_context members_only(const tls::credential& identity, const tls::trust_store& members) {
    return tls::server_context({.identity = identity, .authentication = tls::client_auth::required, .trust = members});
}

std::string who_is_there(const stream& session) {
    const auto shown = session.peer_certificate();
    return shown ? shown->common_name() : "somebody";
}

// --- Sessions of a client ---

// For all connections of the program: who was there before is greeted shortly.
tls::client_context resuming_client(const tls::trust_store& trust) {
    return tls::client_context({.trust = trust, .sessions = tls::session_cache(1000)});
}

// A program that runs for a moment, and again tomorrow.
std::vector<std::byte> talk_and_keep(stream& session) {
    session.write("Good morning!");
    std::string reply(4096, '\0');
    reply.resize(session.read_some(reply));  // in TLS 1.3 the session comes with what the server sends
    std::cout << reply << '\n';
    return session.session() ? session.session().serialize() : std::vector<std::byte>();  // a secret: keep it as one
}

stream resume(tls::tcp_socket socket, const tls::client_context& context, const std::vector<std::byte>& kept) {
    std::error_code ec;  // not one any more, or not for this server: a full handshake will do
    return stream(std::move(socket), context, "localhost", {.resume = tls::session::parse(kept, ec)});
}

// --- Sessions of a fleet of servers ---

// Every server of the fleet has the same `keys`, from wherever secrets are kept.
tls::server_context one_of_a_fleet(const tls::credential& identity, const tls::ticket_keys& keys) {
    return tls::server_context({.identity = identity, .tickets = {.keys = keys, .lifetime = 24h}});
}

// In three steps, each of them on every server before the next one begins.
void everybody_knows(tls::ticket_keys& keys, const tls::ticket_key& next) {
    auto known = keys.keys();
    known.push_back(next);
    keys.set(known);  // opens, and does not seal yet
}
void everybody_uses(tls::ticket_keys& keys, const tls::ticket_key& next) {
    keys.rotate(next, 1);  // seals; the one before it still opens
}
void everybody_forgets(tls::ticket_keys& keys, const tls::ticket_key& next) {
    keys.set({next});  // when the last ticket of the old key has run out
}

// --- Early data ---

// A question that may be asked twice, in the first flight. A line.
std::string ask_early(stream& session, std::string_view question) {
    std::error_code ec;
    const std::size_t early = session.write_early(question, ec);
    if (ec && ec != tls::errc::early_data_unavailable) throw tls::error(ec, "early data");  // 0, and nothing was sent
    session.write(question.substr(early));
    std::string reply(4096, '\0');
    reply.resize(session.read(reply));
    std::cout << early << " bytes early, " << (session.early_data_accepted() ? "accepted" : "not accepted") << ", "
              << session.early_data_resent() << " sent again\n";
    return reply;
}

// What comes early may be sent by somebody who only repeats it: nothing that changes anything is done for it.
void answer_early(stream& session) {
    std::string question(4096, '\0');
    std::size_t size = 0;
    while (const std::size_t n = session.read_early(std::span(question).subspan(size))) size += n;
    const bool replayable = size != 0;
    // From here on the client has proved that it is there.
    while (std::string_view(question).substr(0, size).find('\n') == std::string_view::npos) {
        const std::size_t n = session.read_some(std::span(question).subspan(size));
        if (n == 0) return;  // it has nothing to ask, or too much
        size += n;
    }
    if (replayable && !question.starts_with("GET ")) session.write("425 Too Early");
    else session.write("You asked: " + question.substr(0, size - 1));
    session.close();
}

// --- All of it ---

// Serves one connection at a time until it goes.
class server {
public:
    server(tls::server_context context, std::function<void(stream&)> serve)
        : thread_([this, context = std::move(context), serve = std::move(serve)] {
              for (;;) {
                  std::error_code ec;
                  tls::tcp_socket socket = listener_.accept(ec);
                  if (ec) return;
                  try {
                      stream session(std::move(socket), context);
                      session.expires_after(30s);
                      serve(session);
                  } catch (const tls::error&) {  // the client says why
                  }
              }
          }) {}
    ~server() {
        listener_.interrupt();
        thread_.join();
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    [[nodiscard]] tls::tcp_socket connect() const { return tls::tcp_socket::connect("127.0.0.1", listener_.port()); }
    [[nodiscard]] stream connect(const tls::client_context& context, std::string_view name = "localhost") const {
        stream session(connect(), context, name);
        session.expires_after(30s);
        return session;
    }

private:
    tls::tcp_listener listener_{"127.0.0.1", 0};
    std::thread thread_;
};

// One connection to its end; what the client says of it goes to the output.
void visit(const server& where, const tls::client_context& context, std::string_view what,
           std::string_view name = "localhost") {
    stream session = where.connect(context, name);
    try {
        session.handshake();
        std::string reply(4096, '\0');
        reply.resize(session.read(reply));
        session.close();
        std::cout << what << ": " << reply << (session.session_reused() ? ", resumed\n" : "\n");
    } catch (const tls::error& failed) {
        std::cout << what << ": ";
        explain(session, failed);
        session.abort();
    }
}

void greet(stream& session) {
    session.handshake();
    session.write("hello, " + who_is_there(session));
    session.close();
}

void verify(const demo::identity& made) {
    const auto trust = tls::trust_store::from_pem(made.authority_pem);
    const server where(tls::server_context({.identity = made.credential()}), greet);
    const std::string pin = tls::pinned_keys::of(made.credential().leaf()).to_text().front();
    const std::string reserve(64, '0');
    visit(where, company_client(made.authority_pem), "company");
    visit(where, tls::client_context({.trust = trust}), "another's name", "example.org");
    visit(where, pinning_client(trust, pin, reserve), "pinned");
    visit(where, pinning_client(trust, reserve, reserve), "pinned to another");
    visit(where, clockless_client(trust, std::chrono::system_clock::now() - 24h), "no clock");
    visit(where, strict_client(trust), "strict");

    std::vector<std::thread> work;
    const auto queue = [&](std::function<void()> job) { work.emplace_back(std::move(job)); };
    visit(where, asking_client(trust, queue, [](const auto& leaf) { return leaf.common_name() == "Demo Server"; }), "asked");
    visit(where, asking_client(trust, queue, [](const auto&) { return false; }), "asked in vain");
    for (std::thread& one : work) one.join();
}

void authenticate_clients(const demo::identity& made) {
    const demo::issued authority = demo::issue_certificate({.common_name = "Members", .authority = true});
    const demo::issued member =
        demo::issue_certificate({.common_name = "Alice", .extended_key_usage = "clientAuth"}, &authority);
    const auto trust = tls::trust_store::from_pem(made.authority_pem);
    const server where(members_only(made.credential(), tls::trust_store::from_pem(authority.certificate_pem())), greet);
    const auto alice = tls::credential::from_pem(member.certificate_pem(), member.key_pem());
    visit(where, tls::client_context({.trust = trust, .identity = alice}), "a member");
}

void resume_sessions(const demo::identity& made) {
    const auto trust = tls::trust_store::from_pem(made.authority_pem);
    const auto old_key = tls::ticket_key::generate();
    const auto new_key = tls::ticket_key::generate();
    tls::ticket_keys here({old_key}), there({old_key});  // two servers' copies of what they share
    const server one(one_of_a_fleet(made.credential(), here), greet);
    const server other(one_of_a_fleet(made.credential(), there), greet);
    const auto client = resuming_client(trust);
    visit(one, client, "first");
    visit(other, client, "second, elsewhere");
    for (tls::ticket_keys* keys : {&here, &there}) everybody_knows(*keys, new_key);
    for (tls::ticket_keys* keys : {&here, &there}) everybody_uses(*keys, new_key);
    visit(one, client, "with the new key in use");
    for (tls::ticket_keys* keys : {&here, &there}) everybody_forgets(*keys, new_key);
    visit(other, client, "with the old key gone");

    const tls::client_context keeping({.trust = trust, .keep_session = true});
    stream today = one.connect(keeping);
    const auto kept = talk_and_keep(today);
    today.close();
    stream tomorrow = resume(other.connect(), keeping, kept);
    talk_and_keep(tomorrow);
    std::cout << "the next day: " << (tomorrow.session_reused() ? "resumed\n" : "a full handshake\n");
    tomorrow.close();
}

void send_early(const demo::identity& made) {
    const auto trust = tls::trust_store::from_pem(made.authority_pem);
    const server where(tls::server_context({.identity = made.credential(), .early_data = true}), answer_early);
    const tls::client_context client({.trust = trust, .sessions = tls::session_cache(), .early_data = true});
    for (const char* question : {"GET /first\n", "GET /again\n", "POST /money\n"}) {
        stream session = where.connect(client);
        std::cout << ask_early(session, question) << '\n';
        session.close();
    }
}

}  // namespace

int main() {
    try {
        const demo::identity made = demo::make_identity();
        verify(made);
        authenticate_clients(made);
        resume_sessions(made);
        send_early(made);
        return 0;
    } catch (const std::exception& failed) {
        std::cerr << "identity_guide: " << failed.what() << '\n';
        return 1;
    }
}
