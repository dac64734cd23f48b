#include "common/io_thread.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/eventfd.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "common/poll_for.h"
#include "common/thread.h"

namespace xtp {
namespace {

// An idle loop turns once in this time, for the heartbeat.
constexpr uint64_t kMaxSleepUs = 1000 * 1000;
// The same while a thread of the library is late: most likely not for long.
constexpr uint64_t kWorriedSleepUs = 50 * 1000;
// What one socket may deliver in a round.
constexpr uint64_t kUdpBurstBytes = 1024 * 1024;
constexpr uint64_t kUdpBurstDatagrams = 1024;
// How long Stop waits for the parent to take the last bytes.
constexpr int kLingerMs = 100;
constexpr int kExitHung = 70;  // EX_SOFTWARE

// polls_: the link, the wake-up, then the sockets.
constexpr size_t kLinkPoll = 0;
constexpr size_t kWakePoll = 1;
constexpr size_t kFirstSocketPoll = 2;

constexpr short kAnyInput = POLLIN | POLLHUP | POLLERR | POLLNVAL;

void AppendCounters(const IoCounters& counters, std::string* out) {
  const struct {
    const char* key;
    uint64_t value;
  } kLines[] = {
      {"io_rounds", counters.rounds},
      {"io_sleeps", counters.sleeps},
      {"link_bytes_in", counters.link.bytes_in},
      {"link_bytes_out", counters.link.bytes_out},
      {"link_read_calls", counters.link.read_calls},
      {"link_write_calls", counters.link.write_calls},
      {"udp_bytes_in", counters.udp.bytes_in},
      {"udp_bytes_out", counters.udp.bytes_out},
      {"udp_datagrams_in", counters.udp.datagrams_in},
      {"udp_datagrams_out", counters.udp.datagrams_out},
      {"udp_icmp_errors", counters.udp.icmp_errors},
      {"udp_receive_calls", counters.udp.receive_calls},
      {"udp_send_calls", counters.udp.send_calls},
      {"udp_send_drops", counters.udp.send_drops},
  };
  for (const auto& line : kLines) {
    *out += std::string(line.key) + " " + std::to_string(line.value) + "\n";
  }
}

bool SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

uint64_t IoThread::NowUs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000;
}

IoThread::IoThread(const IoSettings& settings, Emitter emit)
    : settings_(settings), emit_(std::move(emit)) {}

IoThread::~IoThread() { Stop(); }

// --- control, from other threads

Status IoThread::Start(int link_fd, std::unique_ptr<Transport> transport) {
  link_.reset(new Link(
      link_fd, settings_.mux,
      [this](Stream* stream, uint32_t connection, uint32_t kind) {
        return transport_->OnStreamOpen(stream, connection, kind, now_us_);
      }));
  transport_ = std::move(transport);
  if (settings_.socket_fd >= 0) {
    lent_.reset(new LentSockets(settings_.socket_fd));
  }
  Status status;
  if (!SetNonBlocking(link_fd)) {
    status = Status::FromErrno(errno, "data link");
  } else {
    status = OpenWakeup();
  }
  if (!status.ok()) {
    transport_.reset();
    link_.reset();
    return status;
  }
  setsockopt(link_fd, SOL_SOCKET, SO_SNDBUF, &settings_.link_send_buffer_bytes,
             sizeof settings_.link_send_buffer_bytes);
  buffers_.reset(new UdpReceiveBuffers());
  now_us_ = last_event_us_ = NowUs();
  heartbeat_us_ = now_us_;
  accepting_ = true;

  // A pending SIGPIPE hurts nobody there.
  const int error = StartThread(&thread_, nullptr, &ThreadMain, this);
  if (error != 0) {
    accepting_ = false;
    transport_.reset();
    link_.reset();
    return Status::FromErrno(error, "I/O thread");
  }
  running_ = true;
  return Status();
}

bool IoThread::Post(Command command) {
  bool wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!accepting_) return false;
    wake = commands_.empty();
    commands_.push_back(std::move(command));
  }
  if (wake) Wake();
  return true;
}

void IoThread::Stop() {
  if (running_) {
    stop_ = true;
    Wake();
    std::unique_lock<std::mutex> lock(mutex_);
    accepting_ = false;
    const auto timeout = std::chrono::milliseconds(settings_.stop_timeout_ms);
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!finished_) {
      if (!settings_.exit_on_link_lost) {
        finished_changed_.wait(lock);
      } else if (finished_changed_.wait_until(lock, deadline) ==
                     std::cv_status::timeout &&
                 !finished_) {
        _exit(kExitHung);  // the transport library hangs
      }
    }
    lock.unlock();
    pthread_join(thread_, nullptr);
    running_ = false;
  }
  if (wake_read_ >= 0) close(wake_read_);
  if (wake_write_ >= 0 && wake_write_ != wake_read_) close(wake_write_);
  wake_read_ = wake_write_ = -1;
}

Status IoThread::OpenWakeup() {
#if defined(__linux__)
  wake_read_ = wake_write_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_read_ < 0) return Status::FromErrno(errno, "eventfd");
#else
  int ends[2];
  if (pipe(ends) != 0) return Status::FromErrno(errno, "pipe");
  wake_read_ = ends[0];
  wake_write_ = ends[1];
  for (int fd : ends) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    SetNonBlocking(fd);
  }
#endif
  return Status();
}

void IoThread::Wake() {
  const uint64_t one = 1;
  // A full pipe or counter wakes as well.
  if (write(wake_write_, &one, sizeof one) < 0) return;
}

void IoThread::DrainWakeup() {
  uint64_t buffer[8];
  while (read(wake_read_, buffer, sizeof buffer) ==
         static_cast<ssize_t>(sizeof buffer)) {
  }
}

// --- the loop

void* IoThread::ThreadMain(void* self) {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "xtp-io");
#endif
  static_cast<IoThread*>(self)->Run();
  return nullptr;
}

void IoThread::Run() {
  uint64_t deadline = now_us_;
  while (!stop_) {
    Wait(deadline);
    deadline = Round();
    if (link_->over()) {
      LinkLost();
      WaitForStop();
      break;
    }
  }
  Finish();
}

// Fills the revents of polls_. Spinning stays in here: a round costs more.
void IoThread::Wait(uint64_t deadline_us) {
  polls_.resize(kFirstSocketPoll + sockets_.size() + watched_.size());
  const short link_events =
      static_cast<short>((link_->wants_read() ? POLLIN : 0) |
                         (link_->wants_write() ? POLLOUT : 0));
  polls_[kLinkPoll] = {link_->fd(), link_events, 0};
  polls_[kWakePoll] = {wake_read_, POLLIN, 0};
  for (size_t i = 0; i < sockets_.size(); i++) {
    const UdpSocket& udp = *sockets_[i].udp;
    const short events =
        static_cast<short>(POLLIN | (udp.blocked() ? POLLOUT : 0));
    polls_[kFirstSocketPoll + i] = {udp.fd(), events, 0};
  }
  for (size_t i = 0; i < watched_.size(); i++) {
    polls_[kFirstSocketPoll + sockets_.size() + i] = {watched_[i].fd,
                                                      watched_[i].events, 0};
  }
  uint64_t now = NowUs();
  if (link_->NeedsDispatch()) deadline_us = now;
  const uint64_t spin_until = last_event_us_ + settings_.spin_us;
  for (;;) {
    const bool spin = now < spin_until;
    const uint64_t left = deadline_us > now ? deadline_us - now : 0;
    const uint64_t longest = library_is_late_ ? kWorriedSleepUs : kMaxSleepUs;
    const uint64_t sleep = spin ? 0 : std::min(left, longest);
    if (sleep > 0) {
      sleeps_++;
      if (!library_is_late_) {
        heartbeat_us_.store(now + sleep, std::memory_order_relaxed);
      }
    }
    const int ready = PollFor(polls_.data(), polls_.size(), sleep);
    now = NowUs();
    if (ready > 0) last_event_us_ = now;
    if (ready != 0 || !spin || left == 0) break;
    sched_yield();
  }
  now_us_ = now;
}

uint64_t IoThread::Round() {
  rounds_.store(rounds_.load(std::memory_order_relaxed) + 1,
                std::memory_order_relaxed);
  const uint64_t alive_us = std::min(now_us_, transport_->LastAliveUs(now_us_));
  library_is_late_ = alive_us < now_us_;
  heartbeat_us_.store(alive_us, std::memory_order_relaxed);
  // Commands may bind sockets that were not polled.
  const size_t polled = sockets_.size();
  if (polls_[kWakePoll].revents != 0) RunCommands();
  for (size_t i = 0; i < polled; i++) ReadUdp(i);
  TellTransport(kFirstSocketPoll + polled);

  const short link = polls_[kLinkPoll].revents;
  if ((link & POLLOUT) && link_->Flush()) link_->Dispatch();
  if (link & kAnyInput) link_->Read();
  if (link_->NeedsDispatch()) link_->Dispatch();

  now_us_ = NowUs();
  const uint64_t next = transport_->OnRound(now_us_);
  FlushUdp();
  if (link_->has_output() && !link_->wants_write()) link_->Flush();
  BuryClosedSockets();
  return next;
}

void IoThread::RunCommands() {
  DrainWakeup();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    running_commands_.swap(commands_);
  }
  for (Command& command : running_commands_) command(*transport_, now_us_);
  running_commands_.clear();
}

void IoThread::TellTransport(size_t first_poll) {
  for (size_t i = first_poll; i < polls_.size(); i++) {
    const pollfd& ready = polls_[i];
    if (ready.revents == 0) continue;
    // One that was told may have ended the watch over another.
    const auto found = std::find_if(
        watched_.begin(), watched_.end(),
        [&](const Watched& watched) { return watched.fd == ready.fd; });
    if (found != watched_.end()) {
      transport_->OnReady(ready.fd, ready.revents, now_us_);
    }
  }
}

void IoThread::ReadUdp(size_t index) {
  const short ready = polls_[kFirstSocketPoll + index].revents;
  if (ready == 0) return;
  // The vector may move when a callback binds; the socket does not.
  UdpSocket* udp = sockets_[index].udp.get();
  reading_ = sockets_[index].id;
  if (ready & POLLOUT) udp->Flush();
  if (ready & POLLERR) udp->ReceiveErrors(buffers_.get(), this);
  if (ready & POLLIN) {
    const UdpCounters before = udp->counters();
    while (udp->Receive(buffers_.get(), this)) {
      const UdpCounters& now = udp->counters();
      if (now.bytes_in - before.bytes_in >= kUdpBurstBytes) break;
      if (now.datagrams_in - before.datagrams_in >= kUdpBurstDatagrams) break;
    }
  }
}

void IoThread::FlushUdp() {
  for (Socket& socket : sockets_) {
    if (socket.udp->has_output() && !socket.udp->blocked()) {
      socket.udp->Flush();
    }
  }
}

void IoThread::BuryClosedSockets() {
  const auto first = std::remove_if(
      sockets_.begin(), sockets_.end(), [this](const Socket& socket) {
        if (!socket.udp->closed()) return false;
        closed_counters_.Add(socket.udp->counters());
        return true;
      });
  if (first == sockets_.end()) return;
  sockets_.erase(first, sockets_.end());
}

void IoThread::OnUdpBatch() { now_us_ = NowUs(); }

void IoThread::OnUdpDatagram(const uint8_t* data, size_t length,
                             const Endpoint& from) {
  transport_->OnDatagram(reading_, data, length, from, now_us_);
}

void IoThread::OnUdpError(const uint8_t* payload, size_t length,
                          const Endpoint& to, int error, uint32_t mtu) {
  transport_->OnIcmpError(reading_, payload, length, to, error, mtu, now_us_);
}

// --- the end

void IoThread::LinkLost() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    accepting_ = false;
    commands_.clear();
  }
  Event event;
  event.kind = Event::Kind::kLinkLost;
  event.status = link_->status();
  Emit(std::move(event));
  link_->Close(static_cast<uint32_t>(Code::kConnectionAborted), 0);
  now_us_ = NowUs();
  transport_->OnStop(now_us_);
  stopped_transport_ = true;
  // The port must be free for the next incarnation.
  for (Socket& socket : sockets_) socket.udp->Close();
  BuryClosedSockets();
}

void IoThread::WaitForStop() {
  const uint64_t exit_at = NowUs() + settings_.link_lost_exit_ms * 1000ull;
  while (!stop_) {
    const uint64_t now = NowUs();
    uint64_t sleep = kMaxSleepUs;
    if (settings_.exit_on_link_lost) {
      if (now >= exit_at) _exit(0);
      sleep = std::min(sleep, exit_at - now);
    }
    heartbeat_us_.store(now + sleep, std::memory_order_relaxed);
    pollfd wake = {wake_read_, POLLIN, 0};
    if (PollFor(&wake, 1, sleep) > 0) DrainWakeup();
  }
}

void IoThread::Finish() {
  now_us_ = NowUs();
  if (!stopped_transport_) transport_->OnStop(now_us_);
  stopped_transport_ = true;
  link_->Close(static_cast<uint32_t>(Code::kConnectionAborted), kLingerMs);
  for (Socket& socket : sockets_) socket.udp->Close();
  BuryClosedSockets();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    accepting_ = false;
    commands_.clear();
  }
  transport_.reset();
  std::lock_guard<std::mutex> lock(mutex_);
  finished_ = true;
  finished_changed_.notify_all();
}

// --- Host

UdpSocket* IoThread::Find(SocketId socket) const {
  for (const Socket& candidate : sockets_) {
    if (candidate.id == socket) {
      return candidate.udp->closed() ? nullptr : candidate.udp.get();
    }
  }
  return nullptr;
}

Status IoThread::OpenUdp(const Endpoint& local,
                         std::unique_ptr<UdpSocket>* out) {
  if (stopped_transport_) return Status(Code::kUnavailable, "stopped");
  Status status;
  if (lent_ == nullptr) {
    status = UdpSocket::Bind(local, settings_.udp, out);
  } else {
    int fd;
    status = lent_->Take(local, &fd);
    if (status.ok()) status = UdpSocket::Adopt(fd, settings_.udp, out);
  }
  if (status.ok()) WarnOfBuffer(**out);
  return status;
}

void IoThread::WarnOfBuffer(const UdpSocket& udp) {
  const int got = udp.receive_buffer_bytes();
  if (got >= settings_.udp.buffer_bytes || small_buffer_logged_) return;
  small_buffer_logged_ = true;
  Event event;
  event.level = 1;
  event.text = "UDP receive buffer is " + std::to_string(got) +
               " bytes instead of " +
               std::to_string(settings_.udp.buffer_bytes) +
               ": expect loss under load; raise net.core.rmem_max";
  Emit(std::move(event));
}

Status IoThread::Bind(const Endpoint& local, SocketId* out) {
  std::unique_ptr<UdpSocket> udp;
  const Status status = OpenUdp(local, &udp);
  if (!status.ok()) return status;
  *out = next_socket_++;
  sockets_.push_back(Socket{*out, std::move(udp)});
  return Status();
}

void IoThread::Watch(int fd, short events) {
  const auto found =
      std::find_if(watched_.begin(), watched_.end(),
                   [&](const Watched& watched) { return watched.fd == fd; });
  if (found == watched_.end()) {
    if (events != 0) watched_.push_back(Watched{fd, events});
  } else if (events == 0) {
    watched_.erase(found);
  } else {
    found->events = events;
  }
}

void IoThread::CloseSocket(SocketId socket) {
  // Deleted at the end of the round: this may be a call from its Receive.
  if (UdpSocket* udp = Find(socket)) udp->Close();
}

Endpoint IoThread::LocalEndpoint(SocketId socket) const {
  const UdpSocket* udp = Find(socket);
  return udp != nullptr ? udp->local() : Endpoint();
}

void IoThread::SendDatagram(SocketId socket, const uint8_t* data, size_t length,
                            const Endpoint& to) {
  if (UdpSocket* udp = Find(socket)) udp->Send(data, length, to);
}

bool IoThread::CanSend(SocketId socket) const {
  const UdpSocket* udp = Find(socket);
  return udp == nullptr || !udp->blocked();
}

Stream* IoThread::OpenStream(uint32_t connection, uint32_t kind) {
  return link_->over() ? nullptr : link_->mux().Open(connection, kind);
}

void IoThread::Emit(Event event) {
  // The transport tells about itself, the thread about sockets and link.
  if (event.kind == Event::Kind::kStats && event.connection == 0) {
    AppendCounters(counters(), &event.text);
  }
  emit_(std::move(event));
}

IoCounters IoThread::counters() const {
  IoCounters result;
  result.link = link_->counters();
  result.udp = closed_counters_;
  for (const Socket& socket : sockets_) {
    result.udp.Add(socket.udp->counters());
  }
  result.rounds = rounds_.load();
  result.sleeps = sleeps_;
  return result;
}

}  // namespace xtp
